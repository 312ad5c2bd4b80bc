// Package exclusion keeps the numbers of which nothing is recorded: private lines, and people who objected.
//
// Stage: line -> [call] -> encode -> seal -> store -> search -> release.
//
//	In:    numbers and beginnings of numbers, as a Controller typed them; a number of a call, as the line gave it
//	Out:   whether that number is one of them, in whatever form either was written
//	Owner: plain values behind a pointer; no goroutine. Methods may be called from several, Excluded from any at any time
//	Full:  MaxEntries numbers; one more is refused and changes nothing
//
// The list is personal data of those who want to be left alone, so it is a setting of the vault: sealed, in two copies. While the
// vault is locked nobody can look into it: calls are recorded then, and dropped when the vault takes them in (vault/degraded). A
// list that neither copy gives excludes nobody, because nobody knows whom: recording everything is what policy P02 asks for, and
// Load says so. FORMAT.md section 13 has the bytes.
package exclusion

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/number"
)

var (
	// ErrBad reports a number that cannot be excluded, and says why.
	ErrBad = errors.New("exclusion: not a number that can be excluded")
	// ErrThere reports a number that is excluded already.
	ErrThere = errors.New("exclusion: excluded already")
	// ErrNone reports a number that is not excluded.
	ErrNone = errors.New("exclusion: not excluded")
	// ErrFull reports a list that has MaxEntries.
	ErrFull = errors.New("exclusion: the list is full")
	// ErrUnread reports a list that could not be read when the vault was opened: it is not written over.
	ErrUnread = errors.New("exclusion: the list cannot be read")
)

const (
	// MaxEntries is how many numbers there may be: those of an office's own people, and of all who ever objected to it. Each takes at
	// most 50 bytes of a setting's 64 KB.
	MaxEntries = 1000
	maxText    = 40 // of a number as typed: the longest of a plan takes 20 with all its blanks
	// startDigits is how long the beginning of a number must be, zeros in front apart. 1632 is a town; what is shorter is a country,
	// or half of one, and a slip of the finger.
	startDigits = 4
	name        = "excluded"
)

// Entry is one number, or all that begin with it.
type Entry struct {
	Number line.Number // as it was typed: what it means follows the site's rules for numbers, also when those change
	Start  bool        // all numbers that begin so
	Since  time.Time   // to the second
}

// Parse reads what a person types: a number, or the beginning of numbers with a * behind it. Errors: ErrBad.
func Parse(text string) (e Entry, err error) {
	text = strings.TrimSpace(text)
	start, found := strings.CutSuffix(text, "*")
	if e.Number = line.Number(text); found {
		e.Number, e.Start = line.Number(strings.TrimSpace(start)), true
	}
	return e, e.valid()
}

func (e Entry) valid() error {
	text := e.Number.Reveal()
	digits := strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, text)
	switch {
	case len(text) > maxText:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrBad, len(text), maxText)
	case strings.Trim(text, "+0123456789 ()-./#*") != "":
		return fmt.Errorf("%w: it has something else in it than figures. Calls whose number is kept back have a rule of their own in the settings: withheld", ErrBad)
	case digits == "":
		return fmt.Errorf("%w: no digits", ErrBad)
	case e.Start && len(strings.TrimLeft(digits, "0")) < startDigits:
		return fmt.Errorf("%w: that is the beginning of too many numbers; at least %d digits, zeros in front not counted", ErrBad, startDigits)
	}
	return nil
}

// Store is where the list lies: *settings.Folder.
type Store interface {
	// Load gives what Save kept. Errors: fs.ErrNotExist.
	Load(name string) ([]byte, error)
	Save(name string, value []byte) error
}

// List is the numbers of an office that are excluded.
type List struct {
	rules number.Rules
	now   atomic.Pointer[set]

	mu     sync.Mutex // one change at a time
	store  Store
	broken error
}

// set is the list made ready to be asked. It never changes.
type set struct {
	entries []Entry
	whole   map[line.Number]bool // plain forms
	starts  []number.Matcher
}

// New makes a list that excludes nobody until it is loaded.
func New(rules number.Rules) *List {
	l := &List{rules: rules, broken: fmt.Errorf("%w: it was not loaded", ErrUnread)}
	l.now.Store(&set{})
	return l
}

// Load reads the list. Where that fails nobody is excluded, and nothing is written over what is there. Errors: ErrUnread.
func (l *List) Load(s Store) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store, l.broken = s, nil
	data, err := s.Load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var entries []Entry
	if err == nil {
		entries, err = decode(data)
	}
	var ready *set
	if err == nil {
		ready, err = l.ready(entries)
	}
	if err != nil {
		l.broken = fmt.Errorf("%w, so nobody is excluded: %w", ErrUnread, err)
		return l.broken
	}
	l.now.Store(ready)
	return nil
}

// ready makes entries ready to be asked. An error names none of them.
func (l *List) ready(entries []Entry) (*set, error) {
	s := &set{entries: entries, whole: make(map[line.Number]bool)}
	for _, e := range entries {
		if !e.Start {
			s.whole[l.rules.Plain(e.Number)] = true
			continue
		}
		m, err := l.rules.Compile(number.Pattern{Text: e.Number, Part: number.Start})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBad, err)
		}
		s.starts = append(s.starts, m)
	}
	return s, nil
}

// Excluded says whether a number, as a line gave it, is one of them.
func (l *List) Excluded(n line.Number) bool {
	s := l.now.Load()
	if n == "" || len(s.entries) == 0 {
		return false
	}
	plain := l.rules.Plain(n)
	return s.whole[plain] || slices.ContainsFunc(s.starts, func(m number.Matcher) bool { return m.Match(plain) })
}

// Row says the same of a recording: by either end's number.
func (l *List) Row(r catalog.Row) bool { return l.Excluded(r.Number) || l.Excluded(r.Extension) }

// Entries are all of them, the newest last. Errors: ErrUnread.
func (l *List) Entries() ([]Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.now.Load().entries), l.broken
}

// Add excludes a number from now on: nil = stored, and no call of it is recorded any more; one that is up ends with the next
// thing the line says of it. Errors: ErrBad, ErrThere, ErrFull, ErrUnread.
func (l *List) Add(e Entry) error {
	if err := e.valid(); err != nil {
		return err
	}
	e.Since = e.Since.UTC().Truncate(time.Second)
	return l.change(func(entries []Entry) ([]Entry, error) {
		switch {
		case l.find(entries, e) >= 0:
			return nil, ErrThere
		case len(entries) >= MaxEntries:
			return nil, fmt.Errorf("%w: %d numbers", ErrFull, MaxEntries)
		}
		return append(entries, e), nil
	})
}

// Remove takes a number off the list, in whatever form it is written. Errors: ErrNone, ErrUnread.
func (l *List) Remove(e Entry) error {
	return l.change(func(entries []Entry) ([]Entry, error) {
		i := l.find(entries, e)
		if i < 0 {
			return nil, ErrNone
		}
		return slices.Delete(entries, i, i+1), nil
	})
}

// find is the place of an entry that means the same.
func (l *List) find(entries []Entry, e Entry) int {
	return slices.IndexFunc(entries, func(o Entry) bool { return o.Start == e.Start && l.form(o) == l.form(e) })
}

// form is what makes two ways to write an entry the same. Of a beginning only its blanks are looked at: two that mean the same
// numbers may both stand there, and do no harm.
func (l *List) form(e Entry) string {
	if !e.Start {
		return l.rules.Plain(e.Number).Reveal()
	}
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(" ()-./", c) {
			return -1
		}
		return c
	}, e.Number.Reveal())
}

func (l *List) change(how func([]Entry) ([]Entry, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	entries, err := how(slices.Clone(l.now.Load().entries))
	if err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Since.Unix(), b.Since.Unix()) })
	ready, err := l.ready(entries)
	if err != nil {
		return err
	}
	if err := l.store.Save(name, encode(entries)); err != nil {
		return fmt.Errorf("keep the list of excluded numbers, which stays as it was: %w", err)
	}
	l.now.Store(ready)
	return nil
}
