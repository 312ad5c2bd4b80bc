package backoff

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

func newGate() (*Gate, *clock) {
	c := &clock{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	return New(c.time), c
}

func TestAStrangerMakesThemselfWaitAndNobodyElse(t *testing.T) {
	g, c := newGate()
	tried := 0
	for range 24 * 3600 { // a day of one try a second
		if g.May("ann", "10.0.0.66:1234") == nil {
			g.Wrong("ann", "10.0.0.66:4321") // another port is the same machine
			tried++
		}
		c.now = c.now.Add(time.Second)
	}
	if tried > 120 {
		t.Errorf("a stranger had %d tries a day", tried)
	}
	if err := g.May("ann", "10.0.0.5"); err != nil {
		t.Errorf("another address: %v", err)
	}
	if err := g.May("bob", "10.0.0.66"); err != nil {
		t.Errorf("another account: %v", err)
	}
}

func TestANetworkOfAddressesIsOneStranger(t *testing.T) {
	g, _ := newGate()
	for i := range 10 {
		g.Wrong("ann", fmt.Sprintf("2001:db8::%x", i+1))
	}
	var w *WaitError
	if err := g.May("ann", "[2001:db8::ffff]:443"); !errors.As(err, &w) || !errors.Is(err, ErrWait) {
		t.Errorf("got %v", err)
	}
	if err := g.May("ann", "2001:db8:0:1::1"); err != nil {
		t.Errorf("another network: %v", err)
	}
}

func TestPeopleMayMistype(t *testing.T) {
	g, c := newGate()
	for range free {
		g.Wrong("ann", "a")
	}
	if err := g.May("ann", "a"); err != nil {
		t.Errorf("after %d: %v", free, err)
	}
	g.Wrong("ann", "a")
	if err := g.May("ann", "a"); !errors.Is(err, ErrWait) {
		t.Error("no wait")
	}
	c.now = c.now.Add(first)
	if err := g.May("ann", "a"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	g.Right("ann", "a")
	for range free {
		g.Wrong("ann", "a")
	}
	if err := g.May("ann", "a"); err != nil {
		t.Errorf("failures before the right one are remembered: %v", err)
	}
}

func TestTheChipIsAskedNoMoreOftenThanItForgives(t *testing.T) {
	g, c := newGate()
	asked := 0
	for range 6 * 60 { // six hours of one try a minute, from everywhere
		if g.May("ann", fmt.Sprint(asked)) == nil {
			g.WrongPassword("ann")
			asked++
		}
		c.now = c.now.Add(time.Minute)
	}
	if forgiven := 36; asked > forgiven+freePasswords+1 {
		t.Errorf("asked %d times in six hours", asked)
	}
}

func TestTheGateStaysSmall(t *testing.T) {
	g, c := newGate()
	for i := range 3 * mostKept {
		c.now = c.now.Add(time.Millisecond)
		g.Wrong("ann", fmt.Sprint(i))
	}
	if len(g.pairs) > mostKept {
		t.Errorf("%d pairs", len(g.pairs))
	}
}
