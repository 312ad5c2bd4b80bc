// Package office is where people come to: it signs them in, holds their keys while they are there, and does what the
// rules of custody allow them.
//
//	In:    what people type, and the sessions they have
//	Out:   sessions; data keys for who may hear; changes of the book; a new recovery code, once
//	Owner: the callers' goroutines; Sweep is called once a minute by whoever runs the vault
//	Full:  one password is hashed at a time; at most mostSessions sessions, then the one idle longest ends
//
// What no key can enforce, this code does: that a wrap is made only by who may, and a grant only on a signature.
package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"linekeep/vault/custody"
	"linekeep/vault/custody/account"
	"linekeep/vault/custody/backoff"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/holding"
	"linekeep/vault/custody/list"
	"linekeep/vault/custody/password"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

// What can go wrong with an account, in the words of vault/custody/account.
var (
	ErrDenied    = account.ErrDenied
	ErrLocked    = account.ErrLocked
	ErrOtherChip = account.ErrOtherChip
)

var (
	// ErrNotHandedOver reports that the box is still being commissioned: there are no accounts yet.
	ErrNotHandedOver = errors.New("office: the box is not handed over yet")
	// ErrHandedOver reports that commissioning is over.
	ErrHandedOver = errors.New("office: the box is handed over already")
	// ErrNotAllowed reports an act that this person may not do.
	ErrNotAllowed = errors.New("office: not allowed")
	// ErrEnded reports a session that is over.
	ErrEnded = errors.New("office: the session has ended")
	// ErrNoPerson reports an id, or a name, of nobody here.
	ErrNoPerson = errors.New("office: no such person")
	// ErrUnclaimed reports a person who has no account keys: they have to claim their account first.
	ErrUnclaimed = errors.New("office: this account is not claimed yet")
	// ErrBadPerson reports what a person's record cannot be; the error says why.
	ErrBadPerson = book.ErrBadPerson
	// ErrLastHolder reports a change that would leave nobody with the custody key but the recovery code.
	ErrLastHolder = errors.New("office: this is the last Controller who holds the custody key")
)

// Keys is what the office asks of vault/keys.
type Keys interface {
	book.Keys
	// Commissioning is the custody key's private half before hand-over. It is not a copy.
	Commissioning() (keys.Key, bool)
	// Recovery is the public half of the recovery key; false before hand-over.
	Recovery() (envelope.Public, bool)
	// SwitchRecovery changes it, in an epoch of its own, which also erases all that is ordered to be. Errors:
	// keys.ErrUnfinished, when it is not known yet whether it holds.
	SwitchRecovery(ctx context.Context, p envelope.Public) error
	// Unfinished says that a commit's outcome is not known yet.
	Unfinished() bool
}

const (
	// DefaultIdle is how long a session lasts that nobody uses.
	DefaultIdle = 15 * time.Minute
	// DefaultLongest is how long any session lasts.
	DefaultLongest = 8 * time.Hour
	// SlipLife is how long an account can be claimed after it was entered or reset.
	SlipLife = 7 * 24 * time.Hour
	// LongestDelegation is the latest end of a delegation.
	LongestDelegation = 366 * 24 * time.Hour
	// mostSessions is more than an office has people at screens.
	mostSessions = 64
)

// Config says what an office works with.
type Config struct {
	Dir   string // custody/
	Keys  Keys
	Chip  account.Chip
	Hash  account.Hasher // nil for the one a box uses
	Ring  *custody.Ring
	Clock func() time.Time
	Log   *slog.Logger
	Box   string // the box's name, which no password may be
	// SeveralRoles lets one person have several roles: the site said so at provisioning.
	SeveralRoles  bool
	Idle, Longest time.Duration // of a session; the defaults where zero
	// Commit erases now what is ordered to be erased. An error is logged; the order stands.
	Commit func(ctx context.Context) error
	// Switched is told of a custody key that came into force: calls are to be under it. It may be nil.
	Switched func(custody.Public)
	// Ended is told of each session that is over, by the person's id; it may be nil.
	Ended func(person keys.ID)
	// Files is the disk, for tests of power cuts; nil for the real one.
	Files pair.FS
}

func (c Config) book() book.Config {
	if c.Files == nil {
		c.Files = pair.Disk{}
	}
	return book.Config{Dir: c.Dir, Class: keys.Office, Keys: c.Keys, Clock: c.Clock, Files: c.Files}
}

// Office is the people of a vault, at work.
type Office struct {
	cfg     Config
	vaultID [keys.VaultIDSize]byte
	book    *book.Book
	gate    *backoff.Gate
	desk    account.Desk

	// acting is held by acts that make or move keys, so that no two of them change the same thing.
	acting sync.Mutex

	mu       sync.Mutex
	sessions map[string]*Session
	used     map[keys.ID]uint64 // steps of codes used, where the disk did not take them
	told     uint32             // number of the custody key that Switched was last told of
}

// Create makes an empty office, with the commissioning custody key in the ring.
func Create(ctx context.Context, cfg Config) error {
	key, ok := cfg.Keys.Commissioning()
	if !ok {
		return ErrHandedOver
	}
	private, err := envelope.PrivateFrom(key) // the root's; not to be wiped
	if err != nil {
		return err
	}
	if err := cfg.Ring.Add(custody.Public{Number: custody.Commissioning, Key: private.Public()}); err != nil {
		return err
	}
	_, err = book.Create(ctx, cfg.book())
	return err
}

// Open opens the office. What a power cut left half done is undone or finished. Errors: those of book.Open, and
// custody.ErrAltered where the ring has not the key that the root wants.
func Open(ctx context.Context, cfg Config) (*Office, error) {
	if cfg.Idle == 0 {
		cfg.Idle = DefaultIdle
	}
	if cfg.Longest == 0 {
		cfg.Longest = DefaultLongest
	}
	if cfg.Hash == nil {
		cfg.Hash = password.NewHasher()
	}
	b, err := book.Open(ctx, cfg.book())
	if err != nil {
		return nil, err
	}
	o := &Office{cfg: cfg, vaultID: cfg.Keys.VaultID(), book: b, gate: backoff.New(cfg.Clock),
		desk:     account.Desk{Chip: cfg.Chip, Hash: cfg.Hash, VaultID: cfg.Keys.VaultID(), Clock: cfg.Clock},
		sessions: make(map[string]*Session), used: make(map[keys.ID]uint64)}
	if err := o.settle(ctx); err != nil {
		return nil, fmt.Errorf("open the office: %w", err)
	}
	now, err := o.Current()
	o.told = now.Number // whoever opens us asks for it
	return o, err
}

// Current is the custody key in force.
func (o *Office) Current() (custody.Public, error) { return holding.Current(o.cfg.Keys, o.cfg.Ring) }

// announce tells of a custody key that came into force since the last time.
func (o *Office) announce(ctx context.Context) error {
	now, err := o.Current()
	if err != nil {
		return err
	}
	o.mu.Lock()
	fresh := o.told != now.Number
	o.told = now.Number
	o.mu.Unlock()
	if !fresh {
		return nil
	}
	if o.cfg.Switched != nil {
		o.cfg.Switched(now)
	}
	o.refreshed(ctx)
	return nil
}

// settle takes away what a change of the custody key left when it was cut short: on either side of the switch. While it is
// not known which side holds, both stay.
func (o *Office) settle(ctx context.Context) error {
	if o.cfg.Keys.Unfinished() {
		return nil
	}
	now, err := o.Current()
	if err != nil {
		return err
	}
	err = o.book.Change(ctx, func(tx *book.Tx) error { holding.Settle(tx, now.Number); return nil })
	if err != nil && !errors.Is(err, book.ErrNotErased) {
		return err
	}
	for _, p := range o.cfg.Ring.All() {
		if p.Number > now.Number || p.Number == custody.Commissioning && now.Number != p.Number {
			if err := o.cfg.Ring.Remove(p.Number); err != nil {
				return err
			}
		}
	}
	return nil
}

// change changes the book; urgent also erases at once what leaves it. Once the change is in force, a failure to erase is
// logged and no error: the order stands, and is carried out with the next commit.
func (o *Office) change(ctx context.Context, urgent bool, do func(tx *book.Tx) error) error {
	err := o.book.Change(ctx, do)
	if errors.Is(err, book.ErrNotErased) {
		o.cfg.Log.ErrorContext(ctx, "keys that are no longer valid are not yet ordered to be erased", slog.Any("err", err))
		return nil
	}
	if err != nil || !urgent {
		return err
	}
	if err := o.cfg.Commit(ctx); err != nil {
		o.cfg.Log.ErrorContext(ctx, "keys that are no longer valid are not yet erased", slog.Any("err", err))
	}
	return nil
}

// Status is how custody stands, without a name.
type Status struct {
	Commissioning bool
	Number        uint32 // of the custody key
	Fingerprint   string
	Holders       int // Controllers who hold it
	Delegates     int
	Unadmitted    int // Controllers who claimed their account and wait for another to wrap the key to them
	Waiting       int // grants that wait for a Controller to sign in
	Notices       int // that a Director has not acknowledged
	Retired       []uint32
	Sessions      int
}

// Status counts.
func (o *Office) Status() (Status, error) {
	now, err := o.Current()
	if err != nil {
		return Status{}, err
	}
	s := Status{Commissioning: now.Number == custody.Commissioning, Number: now.Number, Fingerprint: now.Key.Fingerprint()}
	state := o.book.Now()
	for _, p := range book.Entries[*book.Person](state) {
		holds, delegated := holding.Held(state, p.ID, now.Number, o.cfg.Clock())
		switch {
		case delegated:
			s.Delegates++
		case holds:
			s.Holders++
		case p.Record.Roles.Has(book.Controller) && len(book.Of[*book.Credential](state, p.ID)) > 0:
			s.Unadmitted++
		}
	}
	for _, g := range book.Entries[*book.Grant](state) {
		if g.Record.Waiting() {
			s.Waiting++
		}
	}
	for _, r := range book.Entries[*book.Retired](state) {
		s.Retired = append(s.Retired, r.Record.Number)
	}
	s.Notices = len(list.Unseen(state))
	o.mu.Lock()
	s.Sessions = len(o.sessions)
	o.mu.Unlock()
	return s, nil
}

// Findings is what was wrong with the book's files since Open; Verify reads them again.
func (o *Office) Findings() []error { return o.book.Findings() }

// Verify reads the book and the ring again.
func (o *Office) Verify() []error { return append(o.book.Verify(), o.cfg.Ring.Verify()...) }

// Inspect reads the book of a vault that nobody has open, and the ring.
func Inspect(cfg Config) []error { return append(book.Inspect(cfg.book()), cfg.Ring.Verify()...) }

// Close ends all sessions.
func (o *Office) Close() { o.end(func(*Session) bool { return true }) }
