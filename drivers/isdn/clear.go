package isdn

import (
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
	"linekeep/drivers/line"
)

// causeNotSelected is what the exchange tells terminals of a call that another terminal took.
const causeNotSelected = 26

// terminal notes which terminal answers a call that was offered to all.
func (t *Tracker) terminal(c *call, s said) *terminal {
	if c.tei != q921.Broadcast || s.tei == q921.Broadcast {
		return nil
	}
	for i := range c.terminals {
		if c.terminals[i].tei == s.tei {
			return &c.terminals[i]
		}
	}
	if len(c.terminals) == maxTerminals {
		return nil
	}
	c.terminals = append(c.terminals, terminal{tei: s.tei})
	return &c.terminals[len(c.terminals)-1]
}

// live says whether a terminal still has a part in the call.
func (c *call) live() bool {
	for _, x := range c.terminals {
		if !x.gone && !x.refused {
			return true
		}
	}
	return false
}

// blame notes who ended a call and why. The first to say so counts.
func (t *Tracker) blame(c *call, s said) {
	if c.clearing {
		return
	}
	c.clearedBy = sideOf(s.from)
	if cause, ok := t.cause(); ok {
		c.cause = cause
	}
}

func (t *Tracker) cause() (uint16, bool) {
	e, ok := t.msg.Find(q931.CauseElement)
	if !ok {
		return 0, false
	}
	c, err := q931.ParseCause(e.Body)
	return uint16(c.Value), err == nil
}

// clear carries out DISCONNECT, RELEASE and RELEASE COMPLETE.
func (t *Tracker) clear(c *call, s said) {
	if c.connectAt != 0 && t.at-c.connectAt > acceptLimit {
		t.answer(c, line.Inferred)
	}
	if x := t.terminal(c, s); x != nil && c.answered && !x.refused && !x.gone {
		c.tei = s.tei // which terminal has the call was not heard: it is the one that is left
	}
	switch {
	case c.tei == q921.Broadcast && s.tei != q921.Broadcast:
		t.clearTerminal(c, s)
		return
	}
	t.blame(c, s)
	if t.msg.Type == q931.Disconnect {
		if !c.clearing {
			c.clearing, c.clearAt = true, t.at
			t.tell(c, line.Event{Kind: line.Noted, Note: line.Clearing, Side: c.clearedBy, Code: c.cause})
		}
		return
	}
	t.end(c, line.NoteNone)
	c.done = t.msg.Type == q931.ReleaseComplete
}

// clearTerminal ends one terminal's part in a call offered to all. The call ends when the exchange ends it towards the
// last one; when terminals only refuse it, it waits for others.
func (t *Tracker) clearTerminal(c *call, s said) {
	x := t.terminal(c, s)
	if x == nil {
		return
	}
	why, _ := t.cause()
	switch {
	case s.from == q921.User && t.msg.Type != q931.Disconnect && c.exchangeIn:
		x.gone = true
	case s.from == q921.User && !x.gone && !c.exchangeIn:
		x.refused = true
		t.blame(c, s)
	case s.from == q921.Network && why == causeNotSelected:
		x.gone = true
		t.answer(c, line.Inferred) // another has it; if that was not heard, it is known now
	case s.from == q921.Network && !x.refused:
		if !c.exchangeIn {
			c.exchangeIn = true
			t.blame(c, s)
			c.clearing, c.clearAt = true, t.at
			t.tell(c, line.Event{Kind: line.Noted, Note: line.Clearing, Side: c.clearedBy, Code: c.cause})
		}
		x.gone = x.gone || t.msg.Type != q931.Disconnect
	}
	if c.exchangeIn && !c.live() {
		t.end(c, line.NoteNone)
	}
}

// limits ends what its time is up for.
func (t *Tracker) limits() {
	for i := 0; i < len(t.calls); i++ {
		c := t.calls[i]
		if c.over {
			if t.now-c.overAt > keepOver {
				t.remove(c)
				i--
			}
			continue
		}
		t.limit(c)
	}
}

func (t *Tracker) limit(c *call) {
	if c.connectAt != 0 && t.now-c.connectAt > acceptLimit && !c.clearing {
		t.answer(c, line.Inferred)
	}
	offered := c.tei == q921.Broadcast && !c.answered && c.connectAt == 0 && !c.live()
	last := c.offeredAt
	switch {
	case t.lost(c):
		t.end(c, line.LinkLost)
	case offered && len(c.terminals) > 0 && t.now-last > refusedLimit,
		offered && t.now-last > offerLimit,
		c.clearing && t.now-c.clearAt > clearLimit,
		c.channel == 0 && !c.held && t.now-c.lastAt > quietLimit:
		t.end(c, line.TimedOut)
	}
}

// lost says that a call's link has been down for longer than the exchange keeps the call.
func (t *Tracker) lost(c *call) bool {
	if t.down && t.now-t.downAt > downLimit {
		return true
	}
	if c.tei == q921.Broadcast {
		return false
	}
	l := t.links[c.tei]
	return l != nil && l.down && t.now-l.downAt > downLimit
}
