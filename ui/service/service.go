// Package service is what may be asked of the box, whoever asks and by whatever way: one method for each act, one table
// that says who may.
//
//	In:    health, for how the box is; the vault, for what it holds; who asks
//	Out:   plain values for linekeepctl, the console and later the API; sound as a file
//	Owner: the caller's goroutine; nothing here starts one
//	Full:  a list of calls has at most maxCalls rows; one copy is made at a time, the next waits for it
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"linekeep/ui/api"
	"linekeep/vault/check"
	"linekeep/vault/secret"
)

// The errors a caller can choose by.
var (
	// ErrNotAllowed reports an act that this caller may not do. Asking again cannot help.
	ErrNotAllowed = errors.New("service: not allowed")
	// ErrNoCall reports an id under which the vault holds nothing.
	ErrNoCall = errors.New("service: no such call")
	// ErrSignIn reports that somebody must sign in, or that a name, password or code is wrong, or that too many were.
	ErrSignIn = errors.New("service: not signed in")
	// ErrWrongCode reports a recovery code that does not open this vault, or is mistyped.
	ErrWrongCode = errors.New("service: wrong recovery code")
	// ErrBadQuestion reports a question that makes no sense, and says which part of it.
	ErrBadQuestion = errors.New("service: bad question")
	// ErrVaultLocked reports that the box records and cannot look into its vault: its root does not open.
	ErrVaultLocked = errors.New("service: the vault is locked")
)

// maxCalls bounds a list: what a person reads at once, and some 200 KB of answer.
const maxCalls = 1000

// Vault is what the service asks of the vault.
type Vault interface {
	Find(ctx context.Context, q Query) (List, error)
	Play(ctx context.Context, w io.Writer, p Playing) error
	Check(ctx context.Context) (check.Report, error)
	Scrub(ctx context.Context, o Scrubbing) (Scrubbed, error)
	Keys(ctx context.Context) (Keys, error)
	Audit(ctx context.Context, q AuditQuestion) (AuditAnswer, error)
	Erase(ctx context.Context, e Erasure) (Erased, error)
	Retention(ctx context.Context, o RetentionOrder) (Retention, error)
	People(ctx context.Context, o PeopleOrder) (PeopleDone, error)
	// Denied writes down that somebody asked for what the table does not allow them.
	Denied(ctx context.Context, who Caller, a Act) error
}

// Query says which calls: those that meet everything that is given. What is zero does not matter.
type Query struct {
	From, To  time.Time
	Line      string
	Direction string // in, out, internal or unknown
	Shortest  time.Duration
	Limit     int

	// Only a search asks by these.
	Longest                    time.Duration
	Class                      string
	Answered, Silent, Withheld *bool    // nil does not matter; Withheld: the caller kept their number back
	Numbers                    []string // the other end's number is one of these, in any written form
	Starts, Ends               []string // or begins so, in any written form, or ends so
	Extensions                 []string // the office's end is one of these
	Name                       string   // each is the beginning of a word of the caller's name
	Person                     bool     // numbers, extensions and name are one person's: one of them is enough
	Tags                       []string // it has each of these
	Cases                      []string // it belongs to one of these
}

// Call is a row of the catalogue.
type Call struct {
	ID        string // such as 7-42
	Line      string
	Class     string
	Start     time.Time
	Length    time.Duration
	Direction string
	Tracks    []string // office and caller, or both
	Answered  bool
	Silent    bool // no sound over the line's level in all of it
	Gaps      int  // places where sound is missing; the recording says where and why
	Lost      time.Duration
	Recovered bool // its end is where a power cut or crash left it
	// Number is the other end's, masked but for its last three digits (P07): who holds a grant for the call hears it, and only
	// then is told. "withheld" where the caller kept it back. Only a search tells it.
	Number string `json:",omitempty"`
}

// List is what a query found, newest first.
type List struct {
	Calls      []Call
	Incomplete string `json:",omitempty"` // why there may be more: part of the catalogue cannot be read
}

// Format is a kind of file.
type Format string

// The kinds of file a copy can be.
const (
	Ogg Format = "ogg" // the packets as they were recorded
	WAV Format = "wav" // decoded: 8 kHz, 16 bits, office left and caller right
)

// Playing says what to hear, and by whose key.
type Playing struct {
	Call   string
	Code   secret.Password // the recovery code; never logged, never kept. Whoever asks wipes it
	Format Format
	Party  string // office or caller, for one side alone; empty for all
}

// Service answers. Its methods may be called from several goroutines.
type Service struct {
	status func(context.Context) api.Status
	vault  Vault
	press  func()        // the button of a box that has none; nil where there is a real one
	turn   chan struct{} // one place: who holds it makes a copy, or a check; both read the disk as fast as it goes
}

// New joins health and the vault.
func New(status func(context.Context) api.Status, vault Vault) *Service {
	return &Service{status: status, vault: vault, turn: make(chan struct{}, 1)}
}

// WithButton lets the machine press a button that is only simulated.
func (s *Service) WithButton(press func()) *Service {
	s.press = press
	return s
}

// Press presses the simulated button. Errors: ErrNoButton where there is a real one, or none.
func (s *Service) Press(ctx context.Context, who Caller) error {
	if err := s.allow(ctx, who, ActPress); err != nil {
		return err
	}
	if s.press == nil {
		return fmt.Errorf("%w: it can only be pressed by hand", ErrNoButton)
	}
	s.press()
	return nil
}

// Status is how the box is.
func (s *Service) Status(ctx context.Context, who Caller) (api.Status, error) {
	if err := s.allow(ctx, who, ActStatus); err != nil {
		return api.Status{}, err
	}
	return s.status(ctx), nil
}

// Lines is how the lines are.
func (s *Service) Lines(ctx context.Context, who Caller) ([]api.Line, error) {
	if err := s.allow(ctx, who, ActLines); err != nil {
		return nil, err
	}
	return s.status(ctx).Lines, nil
}

// Calls lists what the vault holds, newest first.
func (s *Service) Calls(ctx context.Context, who Caller, q Query) (List, error) {
	if err := s.allow(ctx, who, ActCalls); err != nil {
		return List{}, err
	}
	if q.Limit <= 0 || q.Limit > maxCalls {
		q.Limit = maxCalls
	}
	q = Query{From: q.From, To: q.To, Line: q.Line, Direction: q.Direction, Shortest: q.Shortest, Limit: q.Limit}
	list, err := s.vault.Find(ctx, q)
	for i := range list.Calls {
		list.Calls[i].Number = ""
	}
	return list, err
}

// Search finds calls by what is known of them, newest first, with masked numbers. Errors: ErrBadQuestion.
func (s *Service) Search(ctx context.Context, who Caller, q Query) (List, error) {
	if err := s.allow(ctx, who, ActSearch); err != nil {
		return List{}, err
	}
	if q.Limit <= 0 || q.Limit > maxCalls {
		q.Limit = maxCalls
	}
	return s.vault.Find(ctx, q)
}

// Check reads everything the vault holds and says what is not as it was written.
func (s *Service) Check(ctx context.Context, who Caller) (check.Report, error) {
	if err := s.allow(ctx, who, ActCheck); err != nil {
		return check.Report{}, err
	}
	if err := s.take(ctx); err != nil {
		return check.Report{}, err
	}
	defer s.give()
	return s.vault.Check(ctx)
}

// Play writes a copy of a call to w. Errors before the first byte: ErrNoCall, ErrWrongCode, ErrBadQuestion.
func (s *Service) Play(ctx context.Context, who Caller, w io.Writer, p Playing) error {
	if err := s.allow(ctx, who, ActPlay); err != nil {
		return err
	}
	if p.Format != Ogg && p.Format != WAV {
		return fmt.Errorf("%w: the format is ogg or wav, not %q", ErrBadQuestion, p.Format)
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	return s.vault.Play(ctx, w, p)
}

func (s *Service) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the copy or check before this one: %w", ctx.Err())
	}
}

func (s *Service) give() { <-s.turn }
