// Package story is what a box remembers of a time in which its vault was locked, for an audit log that it cannot write to then:
// since when and why, and who was refused what.
//
//	In:    why the vault does not open; refusals, as they are told
//	Out:   a setting of the degraded vault; later the entries that the main vault's log has of it
//	Owner: the caller; no goroutine. Methods of a Book may be called from several
//	Full:  MaxRefusals kinds of refusals; of more than that only how many there were
//
// Refusals of one kind (who, what, why) are one line with how often, first and last: whoever asks a thousand times makes a number
// greater, and no list longer. A kind that is new is on the disk before it is told; how often it came again is there a minute
// later, or at the end. There is nothing personal in it.
package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
)

const (
	// MaxRefusals is how many kinds of refusals are told apart. There are some 15 acts, two kinds of callers, and for the recovery code
	// six reasons.
	MaxRefusals = 64
	// maxWhy bounds why a vault does not open, which may name several files; maxText bounds the words of a refusal. Together they
	// are some 30 KB, and a setting may have 64.
	maxWhy  = 500
	maxText = 200
	name    = "locked" // the setting's
	version = 1
)

// ErrBad reports a setting that is no story.
var ErrBad = errors.New("story: not one of a known version")

// Refusal is a kind of refusal.
type Refusal struct {
	Who   entry.Kind `json:"who"`
	Act   string     `json:"act"`
	Why   string     `json:"why"`
	Times uint64     `json:"times"`
	First time.Time  `json:"first"`
	Last  time.Time  `json:"last"`
}

// Story is what is remembered. The form is in vault/FORMAT.md, section "Degraded vault".
type Story struct {
	Version  int       `json:"version"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"` // zero where a power cut or a crash ended it
	Why      string    `json:"why"`
	Refusals []Refusal `json:"refusals"`
	More     uint64    `json:"more"` // refusals of further kinds
	Told     bool      `json:"told"` // the main vault's log has it
}

// Store keeps it: the settings of the degraded vault.
type Store interface {
	Load(name string) ([]byte, error)
	Save(name string, value []byte) error
}

// Parse reads one. Errors: ErrBad.
func Parse(data []byte) (Story, error) {
	var s Story
	if err := json.Unmarshal(data, &s); err != nil {
		return Story{}, fmt.Errorf("%w: %w", ErrBad, err)
	}
	bad := s.Version != version || len(s.Refusals) > MaxRefusals || len(s.Why) > maxWhy
	for _, r := range s.Refusals {
		bad = bad || len(r.Act) > maxText || len(r.Why) > maxText
	}
	if bad {
		return Story{}, ErrBad
	}
	return s, nil
}

// Load reads what a degraded vault remembers. One that has no story has an empty one. Errors: ErrBad, those of the store.
func Load(from Store) (Story, error) {
	data, err := from.Load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Story{Version: version}, nil
	}
	if err != nil {
		return Story{}, fmt.Errorf("what was refused while the vault was locked: %w", err)
	}
	return Parse(data)
}

// Save keeps it.
func (s Story) Save(to Store) error {
	data, err := json.Marshal(s)
	if err == nil {
		err = to.Save(name, data)
	}
	if err != nil {
		return fmt.Errorf("keep what was refused while the vault was locked: %w", err)
	}
	return nil
}

// Entries are what the main vault's log is to have of it, each of its own act, in the order of time as far as they have one.
func (s Story) Entries() []audit.Act {
	when := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	begun := audit.Act{What: entry.Degraded}
	if !s.Began.IsZero() {
		begun.Details = audit.Details{audit.Say("from", when(s.Began)), audit.Say("why", s.Why)}
	}
	acts := []audit.Act{begun}
	for _, r := range s.Refusals {
		acts = append(acts, audit.Act{Who: entry.Actor{Kind: r.Who}, What: entry.Denied, Outcome: entry.Refused, Details: audit.Details{
			audit.Say("act", r.Act), audit.Say("why", r.Why), audit.Say("times", strconv.FormatUint(r.Times, 10)),
			audit.Say("first", when(r.First)), audit.Say("last", when(r.Last))}})
	}
	if s.More > 0 {
		acts = append(acts, audit.Act{What: entry.Denied, Outcome: entry.Refused, Details: audit.Details{
			audit.Say("act", "several"), audit.Say("why", "more kinds of refusals than are told apart"), audit.Say("times", strconv.FormatUint(s.More, 10))}})
	}
	return acts
}

// Book is a story that goes on.
type Book struct {
	store Store
	clock func() time.Time
	log   *slog.Logger

	mu    sync.Mutex // held over a write: a refusal is on the disk before it is told
	story Story
	dirty bool
}

// Begin begins one: nil = it is on the disk.
func Begin(store Store, clock func() time.Time, why error, log *slog.Logger) (*Book, error) {
	b := &Book{store: store, clock: clock, log: log, story: Story{Version: version, Began: clock().UTC()}}
	if why != nil {
		b.story.Why = cut(why.Error(), maxWhy)
	}
	return b, b.story.Save(store)
}

// cut shortens a text, to whole letters.
func cut(text string, most int) string { return strings.ToValidUTF8(text[:min(len(text), most)], "") }

// Refused takes note of a refusal. Where the disk does not take it, memory does, and the box's log says so.
func (b *Book) Refused(ctx context.Context, who entry.Kind, act, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock().UTC()
	act, why = cut(act, maxText), cut(why, maxText)
	for i := range b.story.Refusals {
		if r := &b.story.Refusals[i]; r.Who == who && r.Act == act && r.Why == why {
			r.Times++
			r.Last = now
			b.dirty = true
			return
		}
	}
	if len(b.story.Refusals) == MaxRefusals {
		b.story.More++
		b.dirty = true
		return
	}
	b.story.Refusals = append(b.story.Refusals, Refusal{Who: who, Act: act, Why: why, Times: 1, First: now, Last: now})
	b.dirty = true
	b.save(ctx)
}

// Keep brings to the disk what came again since the last time.
func (b *Book) Keep(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dirty {
		b.save(ctx)
	}
}

// End ends it, in good order.
func (b *Book) End(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.story.Ended = b.clock().UTC()
	b.save(ctx)
}

func (b *Book) save(ctx context.Context) {
	if err := b.story.Save(b.store); err != nil {
		b.log.ErrorContext(ctx, "a refusal is in memory alone until the disk takes it", slog.Any("err", err))
		return
	}
	b.dirty = false
}
