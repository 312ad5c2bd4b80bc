package isdn

import (
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/line"
)

// said is who said a message, and of which call.
type said struct {
	from  q921.Side
	maker q921.Side // the side that chose the call reference: the one that called
	ref   uint16
	tei   uint8
}

// call is one call that is known.
type call struct {
	id        uint64
	maker     q921.Side
	ref       uint16
	tei       uint8 // q921.Broadcast until one of several terminals has it
	offered   bool  // to all terminals of a bus
	direction line.Direction

	setup     bool   // SETUP was heard
	sum       uint32 // of it
	setupAt   line.Position
	offeredAt line.Position // SETUP, the first or again
	lastAt    line.Position // of its newest message
	note      line.Note     // goes with Seized
	resuming  bool          // RESUME was heard, and not its answer

	wanted  uint8 // the channel spoken of
	channel uint8 // the channel it has
	heldOn  uint8 // the channel it had before it was held, if nobody was there since
	seized  bool  // told
	held    bool

	rang, answered, clearing bool
	connectAt                line.Position // CONNECT that awaits its acknowledgement; 0: none
	connectTEI               uint8         // whose it is
	clearAt                  line.Position
	cause                    uint16
	clearedBy                line.Side

	terminals  []terminal
	exchangeIn bool // the exchange ends the call towards its terminals

	numbers [2]line.Number // by line.Side, as last told
	dialled dialled
	pending []line.Event
	notes   int

	over   bool
	done   bool // over, and nothing more is to come
	overAt line.Position
}

// terminal is one that answered a call offered to all.
type terminal struct {
	tei     uint8
	refused bool // it ended its part itself
	gone    bool
}

// dialled is the number called, which may come in parts.
type dialled struct {
	kind   uint8
	digits []byte
}

// sideOf says which end of a call a side of the D channel stands for.
func sideOf(s q921.Side) line.Side {
	if s == q921.User {
		return line.Office
	}
	return line.Remote
}

// find gives the call that a message is about: rather one that is up, rather of just this terminal.
func (t *Tracker) find(s said) *call {
	var best *call
	score := 0
	for _, c := range t.calls {
		if c.ref != s.ref || c.maker != s.maker || (c.tei != s.tei && !c.offered) {
			continue
		}
		points := 1
		if !c.over {
			points += 4
		}
		if c.tei == s.tei {
			points += 2
		}
		if points >= score { // of equals the newest
			best, score = c, points
		}
	}
	return best
}

func (t *Tracker) begin(s said) *call {
	if len(t.calls) == maxCalls {
		t.makeRoom()
	}
	t.lastID++
	c := &call{id: t.lastID, maker: s.maker, ref: s.ref, tei: s.tei, offered: s.tei == q921.Broadcast, direction: line.Incoming, setupAt: t.at, offeredAt: t.at, lastAt: t.at}
	if s.maker == q921.User {
		c.direction = line.Outgoing
	}
	t.calls = append(t.calls, c)
	t.counts.Calls++
	return c
}

// makeRoom gives up the call that matters least.
func (t *Tracker) makeRoom() {
	worst, points := t.calls[0], -1
	for _, c := range t.calls {
		p := 0
		switch {
		case c.over:
			p = 3
		case !c.seized:
			p = 2
		case c.channel == 0:
			p = 1
		}
		if p > points {
			worst, points = c, p
		}
	}
	if !worst.over {
		t.counts.Forgotten++
		t.end(worst, line.Forgotten)
	}
	t.remove(worst)
}

func (t *Tracker) remove(c *call) {
	for i, other := range t.calls {
		if other == c {
			copy(t.calls[i:], t.calls[i+1:])
			t.calls[len(t.calls)-1] = nil
			t.calls = t.calls[:len(t.calls)-1]
			return
		}
	}
}

// tell gives out an event of a call, or keeps it until the call's channel is known.
func (t *Tracker) tell(c *call, e line.Event) {
	if e.Kind == line.Noted {
		if c.notes == maxNotes {
			t.counts.Dropped++
			return
		}
		c.notes++
	}
	if !c.seized {
		if len(c.pending) == maxPending {
			t.counts.Dropped++
			return
		}
		c.pending = append(c.pending, e)
		return
	}
	t.give(c, e)
}

func (t *Tracker) give(c *call, e line.Event) {
	e.Call, e.At, e.Heard = c.id, t.at, t.heard
	channel := c.channel
	if channel == 0 && (e.Kind == line.Held || e.Kind == line.Released || e.Kind == line.Noted) {
		channel = c.heldOn // nobody else is there; the rest is odd for a held call, and disturbs no channel
	}
	t.out = append(t.out, Event{Event: e, Channel: channel})
}

// seize puts a call on a channel, or on none where it waits for one, and tells what was known of it before.
func (t *Tracker) seize(c *call, channel uint8) {
	if c.seized && c.channel == channel {
		return
	}
	if channel != 0 {
		t.clearChannel(c, channel)
	}
	if c.seized {
		t.move(c, channel)
		return
	}
	c.seized, c.channel = true, channel
	if channel != 0 {
		t.channels[channel] = c
	}
	if c.note == line.Inferred {
		t.counts.Inferred++
	}
	t.give(c, line.Event{Kind: line.Seized, Direction: c.direction, Note: c.note})
	for _, e := range c.pending {
		t.give(c, e)
	}
	c.pending = nil
}

// clearChannel makes room on a channel: whoever was there has left it unheard.
func (t *Tracker) clearChannel(c *call, channel uint8) {
	if old := t.channels[channel]; old != nil && old != c {
		t.counts.TakenOver++
		t.end(old, line.TakenOver)
	}
	for _, other := range t.calls {
		if other.heldOn == channel && other != c {
			other.heldOn = 0
		}
	}
}

// move takes a call that was held, or waited, or was on another channel, to a channel.
func (t *Tracker) move(c *call, channel uint8) {
	if c.channel != 0 {
		t.give(c, line.Event{Kind: line.Held})
		t.channels[c.channel] = nil
	}
	c.channel, c.heldOn, c.held = channel, 0, false
	t.channels[channel] = c
	t.give(c, line.Event{Kind: line.Retrieved, Direction: c.direction})
	for side, number := range c.numbers { // whoever follows this channel has not heard them
		if number != "" {
			t.give(c, line.Event{Kind: line.Numbered, Side: line.Side(side), Number: number})
		}
	}
}

// hold takes a call off its channel.
func (t *Tracker) hold(c *call) {
	if c.held {
		return
	}
	if c.channel == 0 && c.wanted != 0 && !c.seized {
		t.seize(c, c.wanted)
	}
	if !c.seized {
		return // its channel is not known: there is nothing to leave
	}
	t.answer(c, line.Inferred) // only a call that is up can be held
	t.tell(c, line.Event{Kind: line.Held})
	c.held = true
	if c.channel != 0 {
		t.channels[c.channel] = nil
		c.heldOn, c.channel = c.channel, 0
	}
}

// retrieve puts a held call on the channel last spoken of, or back where it was.
func (t *Tracker) retrieve(c *call, channel uint8) {
	if channel == 0 {
		channel = c.heldOn
	}
	if channel == 0 {
		channel = c.wanted
	}
	if channel == 0 {
		return
	}
	if c.held || !c.seized || c.channel != channel {
		t.seize(c, channel)
	}
	t.answer(c, line.Inferred)
}

// answer tells that both sides are through.
func (t *Tracker) answer(c *call, note line.Note) {
	if c.answered {
		return
	}
	if c.tei == q921.Broadcast && c.connectAt != 0 {
		c.tei = c.connectTEI
	}
	if !c.seized && c.wanted != 0 {
		t.seize(c, c.wanted)
	}
	c.answered, c.connectAt = true, 0
	if note == line.Inferred {
		t.counts.Inferred++
	}
	t.tell(c, line.Event{Kind: line.Answered, Direction: c.direction, Note: note})
}

// end tells that a call is over. One that never had a channel is told on the one it asked for, if that is free.
func (t *Tracker) end(c *call, note line.Note) {
	if c.over {
		return
	}
	if !c.seized {
		channel := c.wanted
		if t.channels[channel] != nil {
			channel = 0
		}
		t.seize(c, channel)
	}
	t.give(c, line.Event{Kind: line.Released, Code: c.cause, Side: c.clearedBy, Note: note})
	if c.channel != 0 {
		t.channels[c.channel] = nil
	}
	c.channel, c.heldOn, c.held = 0, 0, false
	c.over, c.overAt = true, t.at
	c.pending, c.dialled.digits = nil, nil
	t.counts.Ended++
}
