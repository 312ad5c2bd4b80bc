package dahdi

import (
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

const (
	// bitA and bitB are of the four CAS bits that a channel receives. The kernel's dynamic spans leave the neighbour's bits in the
	// upper half: it is never looked at.
	bitA = 1 << 3
	bitB = 1 << 2
	// ringGap is longer than the pause between two rings anywhere (5 s).
	ringGap = 8 * time.Second
	// cutFor is how long an exchange's disconnect lasts that means the other side has hung up. DAHDI's is 500 ms.
	cutFor = 250 * time.Millisecond
	// winkFor is longer than the wink of an exchange that is ready for digits (up to 350 ms); what lasts longer is an answer.
	winkFor = 400 * time.Millisecond
)

// hooks is what a line's two ends are doing.
type hooks struct {
	office  bool // off-hook; of a tie line: has seized
	remote  bool // of a tie line: the same
	ringing bool
	cut     bool // the exchange has taken the current away
}

// sample reads a line's hooks, from the kernel's own idea of its channels: so signals are heard of channels that another
// program has open too.
func (t *tap) sample(l *tapped, now time.Time) {
	if l.Down() {
		l.hook.forget()
		return
	}
	office, err := t.desk.params(l.ports[0].channel)
	remote := office
	if err == nil && len(l.ports) > 1 {
		remote, err = t.desk.params(l.ports[1].channel)
	}
	if err != nil {
		return // the channel is going away: reading it says so
	}
	l.hook.see(l.Line, now, l.hook.read(office, remote, len(l.ports) > 1))
}

// read makes hooks of what the kernel says of the channels that hear the two ends.
func (h *hook) read(office, remote params, two bool) hooks {
	switch {
	case h.signals == EandM:
		return hooks{office: office.rxBits&bitA != 0, remote: remote.rxBits&bitA != 0}
	case two && office.rxBits >= 0 && remote.rxBits >= 0:
		// Loop start by bits: a telephone off-hook sets A; an exchange clears B to ring, and sets A to take the current away.
		return hooks{office: office.rxBits&bitA != 0, ringing: remote.rxBits&(bitA|bitB) == 0, cut: remote.rxBits&bitA != 0}
	case two:
		return hooks{office: office.rxHook == rxOffHook, ringing: remote.rxHook == rxRing}
	case h.kind == Monitor && office.sig&sigFXO != 0: // another program is the exchange of this telephone
		return hooks{office: office.rxHook == rxOffHook, ringing: office.txHook == txRing}
	case h.kind == Monitor: // another program is the telephone on this line
		return hooks{office: office.txHook == txOffHook, ringing: office.rxHook == rxRing}
	}
	// A card of our own beside the telephone: its receiver is up while the card finds no battery, which its driver calls
	// so below a threshold (wctdm's battthresh) that must lie between the line's two voltages.
	return hooks{office: office.alarms&alarmRed != 0, ringing: office.rxHook == rxRing}
}

// hook finds calls in what the two ends of a line do.
type hook struct {
	kind    Kind
	signals Signals
	flash   time.Duration

	known  bool // was is
	was    hooks
	up     bool // a call is on
	waits  bool // a call has ended, and a receiver is still off: nothing begins before it is on
	remote bool // of a tie line: the remote side called
	joined bool // of a tie line: both sides are through
	rang   time.Time
	gone   time.Time // since when the call may have ended; zero if it has not
	other  time.Time // of a tie line: since when the called side is off-hook; zero if it is not
}

func newHook(cfg LineConfig) *hook {
	return &hook{kind: cfg.Device.Kind, signals: cfg.signals(), flash: cfg.flash()}
}

// forget is for a line that is down: nobody knows what happens on it meanwhile.
func (h *hook) forget() { *h = hook{kind: h.kind, signals: h.signals, flash: h.flash} }

// see takes what the two ends do now.
func (h *hook) see(l *circuit.Line, now time.Time, is hooks) {
	if !h.known { // a call that is on already is found by its sound, and its end is told
		h.known, h.was, h.up = true, is, is.office || is.remote
		h.remote, h.joined = !is.office, is.office && is.remote
		h.was.ringing = false // a ring that is on is told
	}
	if h.waits = h.waits && (is.office || is.remote); !h.waits {
		if h.up {
			h.during(l, now, is)
		} else {
			h.idle(l, now, is)
		}
	}
	h.was = is
}

// idle looks for a call that begins.
func (h *hook) idle(l *circuit.Line, now time.Time, is hooks) {
	if is.ringing {
		if h.rang = now; !h.was.ringing {
			l.Tell(now, line.Event{Kind: line.Ringing, Direction: line.Incoming})
		}
	}
	if !is.office && !is.remote {
		return
	}
	h.up, h.remote, h.joined, h.other = true, !is.office, false, time.Time{}
	rung := h.signals == Loop && !h.rang.IsZero() && now.Sub(h.rang) < ringGap
	h.rang = time.Time{}
	e := line.Event{Kind: line.Seized, Direction: line.Outgoing}
	if rung || h.remote {
		e.Direction = line.Incoming
	}
	l.Tell(now, e)
	if rung { // off-hook after ringing is the answer
		l.Tell(now, line.Event{Kind: line.Answered})
	}
}

// during looks for the end of a call. A receiver that is put down for less than flash was not: sound and events are held back
// until that is known, so that a hang-up is told at its place.
func (h *hook) during(l *circuit.Line, now time.Time, is hooks) {
	over, least := !is.office, h.flash
	if h.signals == EandM {
		over = h.hungUp(is)
		h.answered(l, now, is)
	} else if is.cut && is.office {
		over, least = true, cutFor
	}
	switch {
	case !over:
		if !h.gone.IsZero() {
			l.Unhold(now)
		}
		h.gone = time.Time{}
	case h.gone.IsZero():
		h.gone = now
		l.Hold(now)
	case now.Sub(h.gone) >= least:
		l.Unhold(now, line.Event{Kind: line.Released})
		h.up, h.gone = false, time.Time{}
		h.waits = is.office || is.remote
	}
}

// hungUp says whether one side of a tie line has ended the call: who called, or who had answered.
func (h *hook) hungUp(is hooks) bool {
	if h.joined {
		return !is.office || !is.remote
	}
	if h.remote {
		return !is.remote
	}
	return !is.office
}

// answered looks for the answer on a tie line.
func (h *hook) answered(l *circuit.Line, now time.Time, is hooks) {
	called := is.remote
	if h.remote {
		called = is.office
	}
	switch {
	case h.joined:
	case !called:
		h.other = time.Time{}
	case h.other.IsZero():
		h.other = now
	case now.Sub(h.other) >= winkFor:
		h.joined = true
		l.Tell(now, line.Event{Kind: line.Answered})
	}
}
