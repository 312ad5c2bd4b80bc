// Package backoff slows down whoever guesses, so that few wrong passwords ever reach the chip, and nobody locks out
// somebody else.
//
//	In:    who wants to sign in, from which address, and how it went
//	Out:   whether they may try now, and if not, when
//	Owner: the callers' goroutines, which take turns
//	Full:  mostKept pairs are kept; beyond that the one tried longest ago is forgotten, which only helps who waited longest
//
// What is counted is the pair of account and address: a stranger who guesses at the Controller's account makes their own
// address wait, not the Controller's. Who knows the second factor and not the password is no stranger: that is counted for
// the account alone, so that the chip, which forgives one failure in ten minutes, is never asked more often than that.
package backoff

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	// free tries cost nothing: people mistype.
	free = 3
	// first is the wait after the first try too many; it doubles up to longest.
	first   = time.Second
	longest = 15 * time.Minute
	// forget is how long after its last failure a pair starts afresh.
	forget = 2 * time.Hour
	// freePasswords wrong passwords with a right second factor an account has; each further one comes at the pace at which
	// the chip forgives.
	freePasswords = 5
	pacePasswords = 10 * time.Minute
	forgetSecrets = 2 * time.Hour
	mostKept      = 4096
)

// ErrWait reports a try that comes too early. It is a *WaitError.
var ErrWait = errors.New("backoff: too many wrong tries")

// WaitError says until when nothing is tried.
type WaitError struct{ Until time.Time }

func (e *WaitError) Error() string {
	return fmt.Sprintf("too many wrong tries: wait until %s", e.Until.Format(time.TimeOnly))
}

func (e *WaitError) Unwrap() error { return ErrWait }

// from is whose tries count together.
type from struct{ account, address string }

type record struct {
	failed int
	last   time.Time
	until  time.Time
}

// Gate counts. The zero Gate is not ready; use New.
type Gate struct {
	clock func() time.Time
	mu    sync.Mutex
	pairs map[from]*record
}

// New makes a gate that has seen nothing.
func New(clock func() time.Time) *Gate { return &Gate{clock: clock, pairs: make(map[from]*record)} }

// neighbours are the addresses that one attacker has: all of an IPv6 network, and one of IPv4.
func neighbours(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return address // a unix socket, or a name: its own kind
		}
		a = ap.Addr()
	}
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a.String() // unreachable: 64 is within 128
	}
	return p.String()
}

// May says whether account may be tried from address now. Errors: ErrWait.
func (g *Gate) May(account, address string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	for _, f := range []from{{account, neighbours(address)}, {account, ""}} {
		if r := g.pairs[f]; r != nil && now.Before(r.until) {
			return &WaitError{Until: r.until}
		}
	}
	return nil
}

// Wrong counts a try that had no right second factor.
func (g *Gate) Wrong(account, address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	r := g.record(from{account, neighbours(address)}, now, forget)
	if over := r.failed - free; over > 0 {
		wait := longest
		if over <= 10 {
			wait = min(longest, first<<(over-1))
		}
		r.until = now.Add(wait)
	}
}

// WrongPassword counts a try that had a right second factor and a wrong password.
func (g *Gate) WrongPassword(account string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	if r := g.record(from{account, ""}, now, forgetSecrets); r.failed >= freePasswords {
		r.until = now.Add(pacePasswords)
	}
}

// Right forgets the failures of whoever is in now.
func (g *Gate) Right(account, address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.pairs, from{account, neighbours(address)})
	delete(g.pairs, from{account, ""})
}

// record counts one more failure.
func (g *Gate) record(f from, now time.Time, forget time.Duration) *record {
	r := g.pairs[f]
	if r == nil {
		g.makeRoom()
		r = &record{}
		g.pairs[f] = r
	}
	if now.Sub(r.last) > forget {
		*r = record{}
	}
	r.failed++
	r.last = now
	return r
}

func (g *Gate) makeRoom() {
	if len(g.pairs) < mostKept {
		return
	}
	var oldest from
	var at time.Time
	for f, r := range g.pairs {
		if at.IsZero() || r.last.Before(at) {
			oldest, at = f, r.last
		}
	}
	delete(g.pairs, oldest)
}
