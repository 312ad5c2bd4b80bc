package call

import (
	"fmt"

	"linekeep/audio/pcm"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// maxQueued bounds the events that wait for their frames: what a driver keeps, twice, for a reader that took one
// load of events and not yet the frames that go with it. A call has about ten.
const maxQueued = 2 * line.EventQueue

// ringTimeout ends the ringing of a call that nobody took, where no Released says so: longer than the 4 s between two
// rings of the slowest cadences (ITU-T E.180).
const ringTimeout = 6 * line.RateHz * line.Samples(1)

// Machine finds the calls of one line. It is not safe for concurrent use.
type Machine struct {
	level                              pcm.DBFS
	hold, preRoll, minSound, maxLength line.Samples
	history                            line.Samples
	channels                           int
	signals, answers                   bool
	counts                             Counts

	pos     line.Position // how far the line has been heard, losses included
	started bool          // pos is known
	away    bool          // Down, and not yet Up
	queue   []line.Event  // not yet reached by pos, in order
	out     []Transition  // the caller's, while Frame or Stop runs

	sound   sound
	ring    ring
	held    uint64    // the call that left this line last to be held, as line.Event.Call names it; 0: none
	open    recording // open.up says whether there is one
	lastEnd line.Position

	// sure says that the state of the hook is known from the line's own signals. While it is not, the line is listened to.
	sure bool
	// because is what a sound before the first hold time of quiet stems from: a call that was up before we heard it.
	because segment.Trigger
}

// sound follows what is over the level.
type sound struct {
	runStart line.Position // of the loud run under way
	run      line.Samples  // its heard length; 0 if the newest frame was quiet
	counted  bool          // the run has lasted long enough to be sound
	quiet    line.Samples  // heard since the last sound
	lost     line.Samples  // not heard since the newest frame that was
	settled  bool          // has been quiet for a hold time since start, or since the line was away
}

// ring follows a call that waits, and numbers that come before it begins.
type ring struct {
	on        bool
	began     line.Position
	last      line.Position
	direction line.Direction
	number    line.Number
	extension line.Number
	withheld  bool
}

// recording is the one that is open, or the call that waits for its answer.
type recording struct {
	up      bool
	waiting bool         // seized at begin on a line that tells the answer, and not answered; not up
	spoke   line.Samples // how long the office was heard while waiting
	begin   line.Position
	sounded bool
	call    Facts
	bySound bool // nothing but silence, or absence, is sure to end it
	dialled digits
	digitAt line.Position // of the newest dialled digit
	talking bool          // dialling is over
	keyed   digits        // after the answer
}

// New makes a machine for a line.
func New(cfg Config, info line.Info) (*Machine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("call settings of a line: %w", err)
	}
	if info.Channels < 1 || info.Channels > line.MaxChannels {
		return nil, fmt.Errorf("call machine: %d channels", info.Channels)
	}
	return machineOf(cfg, info), nil
}

func machineOf(cfg Config, info line.Info) *Machine {
	return &Machine{
		level: cfg.Level, hold: line.In(cfg.Hold), preRoll: line.In(cfg.PreRoll), minSound: line.In(cfg.MinSound),
		maxLength: line.In(cfg.MaxLength), history: cfg.History(), channels: info.Channels, signals: info.Signals,
		answers: info.Signals && info.Answers,
		queue:   make([]line.Event, 0, maxQueued), because: segment.ByRestart,
	}
}

// State is what the line is doing, after the frame last fed.
func (m *Machine) State() State {
	switch {
	case m.away:
		return Away
	case m.open.up:
		return InCall
	case m.ring.on, m.open.waiting:
		return Ringing
	}
	return Idle
}

// Up says whether a recording is open, and where it began.
func (m *Machine) Up() (line.Position, bool) { return m.open.begin, m.open.up }

// Waits says whether a call was seen that is neither recorded nor over yet.
func (m *Machine) Waits() bool { return m.open.waiting }

// Counts are the totals so far.
func (m *Machine) Counts() Counts { return m.counts }

// Event takes in what the line signalled. It works when the frames reach its place: by the next Frame at the latest
// if it lies at or before its end. So a reader may hand over all events it has, and then all frames.
func (m *Machine) Event(e line.Event) {
	if len(m.queue) == maxQueued {
		m.counts.EventsLost++
		copy(m.queue, m.queue[1:])
		m.queue = m.queue[:maxQueued-1]
	}
	m.queue = append(m.queue, e)
}

// Frame takes in what was heard, in order and without overlap, and appends what follows from it to out.
func (m *Machine) Frame(h Heard, out []Transition) []Transition {
	m.out = out
	if !m.started {
		m.started = true
		m.pos = h.Start - h.Lost
		m.lastEnd = m.pos
	}
	for m.pos < h.Start {
		to := h.Start
		if len(m.queue) > 0 && m.queue[0].At < to {
			to = max(m.pos, m.queue[0].At)
		}
		m.loseUntil(to)
		m.applyDue()
	}
	m.applyDue()
	if h.Len > 0 {
		m.hear(h)
		m.applyDue()
	}
	out, m.out = m.out, nil
	return out
}

// Stop closes an open recording where the line was last heard: the box is being stopped.
func (m *Machine) Stop(out []Transition) []Transition {
	m.out = out
	m.end(m.pos, segment.EndStop)
	m.fail(segment.EndStop)
	out, m.out = m.out, nil
	return out
}

// applyDue carries out the events that pos has reached.
func (m *Machine) applyDue() {
	n := 0
	for n < len(m.queue) && m.queue[n].At <= m.pos {
		m.apply(m.queue[n])
		n++
	}
	if n > 0 {
		left := copy(m.queue, m.queue[n:])
		m.queue = m.queue[:left]
	}
}

// loseUntil moves over a stretch nobody heard. A recording that has reached its longest is cut in it, and one that has
// been without sound for the hold time ends in it, each at the exact place.
func (m *Machine) loseUntil(to line.Position) {
	for m.pos < to {
		next := to
		if m.open.up {
			next = min(next, m.open.begin+m.maxLength, m.pos+max(0, m.hold-m.sound.lost))
		}
		m.sound.lost += next - m.pos
		m.pos = next
		switch {
		case m.open.up && m.sound.lost >= m.hold:
			m.end(m.pos, segment.EndGone)
		case m.open.up && m.pos >= m.open.begin+m.maxLength:
			m.carryOn(m.pos)
		}
	}
	if m.sound.lost >= m.hold {
		m.fail(segment.EndGone)
		m.sound.run, m.sound.counted = 0, false
		m.unsettle()
	}
	m.ringOut()
}

// hear takes in a frame's sound.
func (m *Machine) hear(h Heard) {
	if m.open.up && h.Start+h.Len > m.open.begin+m.maxLength {
		m.carryOn(m.pos)
	}
	m.pos = max(m.pos, h.Start+h.Len) // a driver that repeats itself does not turn the line back
	m.sound.lost = 0
	if m.loud(h) {
		m.hearSound(h)
	} else {
		m.hearQuiet(h)
	}
	m.ringOut()
}

func (m *Machine) loud(h Heard) bool {
	for _, level := range h.Level[:m.channels] {
		if level > m.level {
			return true
		}
	}
	return false
}

func (m *Machine) hearSound(h Heard) {
	s := &m.sound
	if s.run == 0 {
		s.runStart = h.Start
	}
	s.run += h.Len
	if s.run < m.minSound {
		s.quiet += h.Len // a click is no sound, so it does not break a silence either
		return
	}
	s.counted = true
	s.quiet = 0
	if !m.open.up && m.listening() {
		m.counts.Seen++
		m.begin(s.runStart, m.soundTrigger())
		m.open.bySound = true
	}
	if m.open.waiting {
		m.spoken(h)
	}
	m.open.sounded = true
}

func (m *Machine) hearQuiet(h Heard) {
	s := &m.sound
	if s.run > 0 && !s.counted {
		m.counts.Clicks++
	}
	s.run, s.counted = 0, false
	s.quiet += h.Len
	if s.quiet < m.hold {
		return
	}
	s.settled = true
	if m.open.up && (m.open.bySound || m.listening()) {
		m.end(m.pos, segment.EndSilence)
	}
}

// listening says that only the sound tells whether there is a call.
func (m *Machine) listening() bool { return !m.signals || !m.sure }

func (m *Machine) soundTrigger() segment.Trigger {
	if m.sound.settled {
		return segment.BySound
	}
	return m.because
}

// unsettle forgets what was known of the line, because it was away.
func (m *Machine) unsettle() {
	m.sure = false
	m.sound.quiet, m.sound.settled = 0, false
	m.because = segment.ByReconnect
}

// ringOut ends a ringing that stopped, and forgets numbers that no ring came after.
func (m *Machine) ringOut() {
	if m.pos-m.ring.last <= ringTimeout {
		return
	}
	m.rangFor()
	m.ring = ring{last: m.pos}
}

func (m *Machine) begin(at line.Position, trigger segment.Trigger) {
	// A run of sound that a loss tore apart, or an event told late, may lie further back than the reader keeps.
	at = max(at-m.preRoll, m.pos-m.history, m.lastEnd)
	m.open = recording{up: true, begin: at, digitAt: m.pos}
	m.sound.lost = 0 // whatever began it was a sign of life
	m.counts.Began++
	m.out = append(m.out, Transition{Kind: Begin, At: m.open.begin, Trigger: trigger, First: true})
}

// carryOn ends the recording at its longest and begins another at the same place, so that no sample is lost or doubled.
func (m *Machine) carryOn(at line.Position) {
	before := m.open
	m.end(at, segment.EndLength)
	m.open = before
	m.open.begin, m.open.sounded = at, false
	m.counts.Began++
	m.out = append(m.out, Transition{Kind: Begin, At: at, Trigger: segment.ByLength, Call: before.facts()})
}

func (m *Machine) end(at line.Position, reason segment.Reason) {
	if !m.open.up {
		return
	}
	facts := m.open.facts()
	facts.Silent = !m.open.sounded
	m.counts.Ended++
	m.lastEnd = at
	m.open = recording{}
	m.out = append(m.out, Transition{Kind: End, At: at, Reason: reason, Call: facts})
}

func (r *recording) facts() Facts {
	f := r.call
	if f.Number == "" && f.Direction != line.Incoming {
		f.Number = r.dialled.number()
	}
	f.Keyed = r.keyed.number()
	return f
}

// digits are the first keys pressed; a number has at most 15 (ITU-T E.164), a menu walk rarely more. Past 64 the
// rest is only in the sound.
type digits struct {
	key [64]byte
	n   int
}

func (d *digits) add(key byte) {
	if d.n < len(d.key) {
		d.key[d.n] = key
		d.n++
	}
}

func (d *digits) number() line.Number { return line.Number(d.key[:d.n]) }
