package office

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"linekeep/vault/custody/book"
	"linekeep/vault/custody/holding"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/secret"
)

// Session is a person who is signed in. While it lasts their account's key is in locked memory, and with it, for who holds
// it, the custody key. Its methods may be called from several goroutines.
type Session struct {
	Token   string // 256 random bits; whoever shows it is the person
	Person  keys.ID
	Address string
	Began   time.Time

	office *Office
	mu     sync.RWMutex // held for reading while a key is in use, so that no end wipes it in mid-use
	used   time.Time
	ended  bool
	// account opens what is wrapped to the person.
	account envelope.Private
	// custody are the custody keys by number, current and retired; empty for who holds none.
	custody map[uint32]envelope.Private
	until   time.Time // the end of a delegation
}

// begin makes a session for an account that was opened. It keeps account.
func (o *Office) begin(ctx context.Context, person keys.ID, address string, account envelope.Private) (*Session, error) {
	now := o.cfg.Clock()
	var token [32]byte
	rand.Read(token[:])
	s := &Session{Token: base64.RawURLEncoding.EncodeToString(token[:]), Person: person, Address: address, Began: now, used: now,
		office: o, account: account}
	if err := s.refresh(); err != nil {
		// Who holds a key that does not open is in nevertheless, and can do all that needs none.
		o.cfg.Log.ErrorContext(ctx, "the custody key does not open for a holder", slog.String("person", person.String()), slog.Any("err", err))
	}
	o.mu.Lock()
	var idle *Session
	if len(o.sessions) >= mostSessions {
		for _, other := range o.sessions {
			if idle == nil || other.lastUsed().Before(idle.lastUsed()) {
				idle = other
			}
		}
		delete(o.sessions, idle.Token)
	}
	o.sessions[s.Token] = s
	o.mu.Unlock()
	if idle != nil {
		idle.wipe()
		if o.cfg.Ended != nil {
			o.cfg.Ended(idle.Person)
		}
	}
	return s, nil
}

func (s *Session) lastUsed() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.used
}

// refresh opens the custody keys that are wrapped to the account.
func (s *Session) refresh() error {
	o := s.office
	now, err := o.Current()
	if err != nil {
		return err
	}
	state := o.book.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return ErrEnded
	}
	s.wipeCustody()
	for _, h := range book.Of[*book.Holding](state, s.Person) {
		if h.Record.Number != now.Number || !h.Record.Until.IsZero() && !o.cfg.Clock().Before(h.Record.Until) {
			continue
		}
		all, err := holding.Open(o.cfg.Ring, o.vaultID, state, s.account, h.Record)
		if err != nil {
			return err
		}
		s.custody, s.until = all, h.Record.Until
	}
	return nil
}

func (s *Session) wipeCustody() {
	holding.Wipe(s.custody)
	s.custody, s.until = nil, time.Time{}
}

// Holder is a session with the custody key, or nil: for what is done while a Controller is there.
func (o *Office) Holder() *Session {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.sessions {
		if s.Holds() {
			return s
		}
	}
	return nil
}

// Session is the session of a token, which is in use from now on. Errors: ErrEnded.
func (o *Office) Session(token string) (*Session, error) {
	o.mu.Lock()
	s := o.sessions[token]
	o.mu.Unlock()
	if s == nil {
		return nil, ErrEnded
	}
	if err := s.touch(); err != nil {
		return nil, err
	}
	return s, nil
}

// touch says that the session is used, if it still may be.
func (s *Session) touch() error {
	now := s.office.cfg.Clock()
	s.mu.Lock()
	over := s.ended || s.over(now)
	if !over {
		s.used = now
	}
	s.mu.Unlock()
	if over {
		s.End()
		return ErrEnded
	}
	return nil
}

// over says that the session's time is over; mu is held.
func (s *Session) over(now time.Time) bool {
	return now.Sub(s.used) >= s.office.cfg.Idle || now.Sub(s.Began) >= s.office.cfg.Longest || now.Before(s.Began)
}

// End signs out: the keys are wiped when it returns.
func (s *Session) End() { s.office.end(func(other *Session) bool { return other == s }) }

// end ends the sessions that which wants.
func (o *Office) end(which func(*Session) bool) {
	var gone []*Session
	o.mu.Lock()
	maps.DeleteFunc(o.sessions, func(_ string, s *Session) bool {
		if which(s) {
			gone = append(gone, s)
			return true
		}
		return false
	})
	o.mu.Unlock()
	for _, s := range gone {
		s.wipe()
		if o.cfg.Ended != nil {
			o.cfg.Ended(s.Person)
		}
	}
	if len(gone) > 0 {
		secret.Collect()
	}
}

func (s *Session) wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		s.account.Wipe()
		s.wipeCustody()
	}
}

// who is the person as they stand in the book. Errors: ErrEnded, ErrNoPerson.
func (s *Session) who() (book.Found[*book.Person], error) {
	s.mu.RLock()
	over := s.ended || s.over(s.office.cfg.Clock())
	s.mu.RUnlock()
	if over {
		return book.Found[*book.Person]{}, ErrEnded
	}
	return s.office.person(s.Person)
}

// Who is the person's name and roles, as they stand now. Errors: ErrEnded.
func (s *Session) Who() (name string, roles book.Roles, err error) {
	p, err := s.who()
	if err != nil {
		return "", 0, err
	}
	return p.Record.Name, p.Record.Roles, nil
}

// may refuses whoever has none of the roles. Errors: ErrEnded, ErrNotAllowed.
func (s *Session) may(roles book.Roles) error {
	p, err := s.who()
	if err != nil {
		return err
	}
	if !p.Record.Roles.Any(roles) {
		return fmt.Errorf("%w: that is for a %s", ErrNotAllowed, roles)
	}
	return nil
}

// Holds says whether the session has the custody key now.
func (s *Session) Holds() bool {
	return s.withCustody(func(map[uint32]envelope.Private) error { return nil }) == nil
}

// withCustody lends the custody keys. Errors: ErrEnded, ErrNotAllowed, those of do.
func (s *Session) withCustody(do func(all map[uint32]envelope.Private) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.office.cfg.Clock()
	switch {
	case s.ended || s.over(now):
		return ErrEnded
	case len(s.custody) == 0 || !s.until.IsZero() && !now.Before(s.until):
		return fmt.Errorf("%w: this account does not hold the custody key", ErrNotAllowed)
	}
	return do(s.custody)
}

// DataKey opens a recording's data key: by the custody key for who holds it, otherwise by a live grant to hear it. number
// is the custody key that wrap is under. The caller wipes the key. Errors: ErrEnded, ErrNoGrant, seal.ErrAltered.
func (s *Session) DataKey(slot keys.Slot, number uint32, wrap []byte) (seal.DataKey, error) {
	d, err := s.byCustody(slot, number, wrap)
	if errors.Is(err, ErrNotAllowed) {
		return s.granted(slot, book.Hear)
	}
	return d, err
}

// Rewrap takes a recording's wrap to another custody key. Errors: ErrEnded, ErrNotAllowed, seal.ErrAltered.
func (s *Session) Rewrap(slot keys.Slot, number uint32, wrap []byte, to envelope.Public) (moved []byte, err error) {
	err = s.withCustody(func(all map[uint32]envelope.Private) error {
		private, ok := all[number]
		if !ok {
			return fmt.Errorf("custody key %d of recording %s is not there", number, slot.ID)
		}
		moved, err = seal.Rewrap(s.office.vaultID, slot, private, to, wrap)
		return err
	})
	return moved, err
}

// byCustody opens it by the custody key.
func (s *Session) byCustody(slot keys.Slot, number uint32, wrap []byte) (d seal.DataKey, err error) {
	err = s.withCustody(func(all map[uint32]envelope.Private) error {
		private, ok := all[number]
		if !ok {
			return fmt.Errorf("custody key %d of recording %s is not there", number, slot.ID)
		}
		d, err = seal.Unwrap(s.office.vaultID, slot, private, wrap)
		return err
	})
	return d, err
}
