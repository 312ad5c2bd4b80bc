package isdn

import (
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
	"linekeep/drivers/line"
)

// opens says that a message of an unknown call shows that there is one, whose beginning was not heard.
func opens(m q931.Type) bool {
	switch m {
	case q931.SetupAcknowledge, q931.CallProceeding, q931.Alerting, q931.ProgressMessage, q931.Connect,
		q931.ConnectAcknowledge, q931.RetrieveAcknowledge, q931.ResumeAcknowledge:
		return true
	}
	return false
}

// answers says that a message is the called side's answer to SETUP, which settles the channel.
func answers(m q931.Type) bool {
	switch m {
	case q931.SetupAcknowledge, q931.CallProceeding, q931.Alerting, q931.ProgressMessage, q931.Connect:
		return true
	}
	return false
}

// message takes in a message of one call.
func (t *Tracker) message(s said) {
	c := t.find(s)
	kind := t.msg.Type
	switch {
	case kind == q931.Setup:
		t.setup(s, c)
		return
	case kind == q931.Register:
		t.aside() // a reference for a service, not for a call
		return
	case kind == q931.Resume && (c == nil || c.over):
		t.resume(s)
		return
	case c == nil || (c.over && opens(kind) && !c.recent(t.at)):
		if !opens(kind) {
			t.counts.Stray++
			return
		}
		c = t.begin(s)
		c.note = line.Inferred
	case c.over:
		c.done = c.done || kind == q931.ReleaseComplete
		return
	case c.offered && c.tei != q921.Broadcast && c.tei != s.tei:
		return // the part of a terminal that did not get the call
	}
	c.lastAt = t.at
	t.elements(c, s)
	t.settle(c, s)
	t.carryOut(c, s)
}

// recent says that a call ended so lately that a late message may still be its own.
func (c *call) recent(now line.Position) bool { return now-c.overAt < 2*reorder }

func (t *Tracker) setup(s said, c *call) {
	sum := hash(t.raw)
	if c != nil && !c.over && !c.clearing {
		if !c.setup && t.at-c.setupAt < repeatLimit {
			c.setup, c.sum, c.setupAt, c.offeredAt = true, sum, t.at, t.at
			t.elements(c, s)
			t.settle(c, s)
			return
		}
		if c.sum == sum && t.at-c.setupAt < repeatLimit {
			t.counts.Repeated++
			c.lastAt, c.offeredAt = t.at, t.at
			return
		}
	}
	if c != nil {
		if !c.over {
			t.counts.TakenOver++
			t.end(c, line.TakenOver)
		}
		t.remove(c)
	}
	c = t.begin(s)
	c.setup, c.sum = true, sum
	t.elements(c, s)
	t.settle(c, s)
}

// settle finds the call's channel. The caller's side only proposes one, unless it is the exchange and will have no other.
func (t *Tracker) settle(c *call, s said) {
	named, exclusive, none := t.channel()
	if named != 0 {
		c.wanted = named
	}
	kind := t.msg.Type
	switch {
	case kind == q931.Setup && s.from == q921.Network && none:
		t.seize(c, 0) // it waits, while the channels are taken
	case kind == q931.Setup && s.from == q921.Network && exclusive && named != 0:
		t.seize(c, named)
	case answers(kind) && s.from != c.maker && c.wanted != 0 && !c.held && (!c.seized || named != 0):
		t.seize(c, c.wanted)
	}
}

// channel reads the message's channel identification.
func (t *Tracker) channel() (named uint8, exclusive, none bool) {
	e, ok := t.msg.Find(q931.ChannelElement)
	if !ok {
		return 0, false, false
	}
	id, err := q931.ParseChannel(e.Body)
	if err != nil || id.DChannel {
		return 0, false, false
	}
	return id.First(), id.Exclusive, id.Selection == q931.SelectNone
}

// carryOut does what a message says.
func (t *Tracker) carryOut(c *call, s said) {
	switch t.msg.Type {
	case q931.SetupAcknowledge, q931.CallProceeding:
		t.terminal(c, s)
	case q931.Alerting:
		t.terminal(c, s)
		if !c.rang {
			c.rang = true
			t.tell(c, line.Event{Kind: line.Ringing, Direction: c.direction})
		}
	case q931.Connect:
		t.terminal(c, s)
		if s.from == q921.Network {
			t.answer(c, line.NoteNone)
		} else if c.connectAt == 0 && !c.answered {
			c.connectAt, c.connectTEI = max(t.at, 1), s.tei
		}
	case q931.ConnectAcknowledge:
		if c.tei == q921.Broadcast && s.tei != q921.Broadcast {
			t.terminal(c, s)
			c.tei = s.tei // this one of them has the call
		}
		t.answer(c, line.NoteNone)
	case q931.Information:
		t.information(c, s)
	case q931.HoldAcknowledge:
		t.hold(c)
	case q931.RetrieveAcknowledge:
		named, _, _ := t.channel()
		t.retrieve(c, named)
	case q931.Disconnect, q931.Release, q931.ReleaseComplete:
		t.clear(c, s)
	case q931.Status:
		t.status(c, s)
	default:
		t.kept(c, s)
	}
}

// kept handles what is told of a call and changes nothing of it but suspension.
func (t *Tracker) kept(c *call, s said) {
	switch t.msg.Type {
	case q931.Hold, q931.HoldReject, q931.Retrieve, q931.RetrieveReject, q931.Notify, q931.StatusEnquiry, q931.ProgressMessage,
		q931.UserInformation:
		return // asked for and not done, or told by its elements
	}
	t.tell(c, line.Event{Kind: line.Noted, Note: line.Unmodelled, Side: sideOf(s.from), Code: uint16(t.msg.Type), Text: line.Text(t.raw)})
	switch t.msg.Type {
	case q931.SuspendAcknowledge:
		t.end(c, line.Suspended)
		c.done = true // its reference is free
	case q931.ResumeAcknowledge:
		c.resuming = false
		named, _, _ := t.channel()
		t.retrieve(c, named)
	case q931.ResumeReject:
		if c.resuming {
			t.counts.Calls--
			t.remove(c)
		}
	}
}

// resume begins a call that was parked: it is one again once the exchange has found it.
func (t *Tracker) resume(s said) {
	c := t.begin(s)
	c.resuming, c.note, c.direction = true, line.Resumed, line.Unknown
	t.kept(c, s)
}

// status ends a call that a side says it does not know.
func (t *Tracker) status(c *call, s said) {
	e, ok := t.msg.Find(q931.CallStateElement)
	if !ok || c.tei != s.tei {
		return
	}
	if state, err := q931.ParseCallState(e.Body); err == nil && state.Value == 0 {
		t.blame(c, s)
		t.end(c, line.NoteNone)
	}
}

// global carries out a message about the interface.
func (t *Tracker) global() {
	switch t.msg.Type {
	case q931.RestartMessage:
		t.restarts = min(t.restarts+1, maxCalls)
		t.restart()
	case q931.RestartAcknowledge:
		if t.restarts > 0 {
			t.restarts--
			return
		}
		t.restart() // its own message was not heard
	default:
		t.aside()
	}
}

func (t *Tracker) restart() {
	t.aside()
	kind := uint8(q931.RestartInterface)
	if e, ok := t.msg.Find(q931.RestartElement); ok {
		if k, err := q931.ParseRestart(e.Body); err == nil {
			kind = k
		}
	}
	var channels uint32
	if e, ok := t.msg.Find(q931.ChannelElement); ok {
		if id, err := q931.ParseChannel(e.Body); err == nil {
			channels = id.Channels
		}
	} else if kind != q931.RestartChannels {
		channels = ^uint32(0)
	}
	for _, c := range t.calls {
		on := max(c.channel, c.heldOn)
		if !c.over && (channels == ^uint32(0) || (on != 0 && channels>>on&1 != 0)) {
			t.end(c, line.Restarted)
			c.done = true
		}
	}
}
