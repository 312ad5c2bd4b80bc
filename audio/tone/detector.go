package tone

import (
	"errors"
	"fmt"

	"linekeep/audio/tone/callerid"
	"linekeep/audio/tone/spandsp"
	"linekeep/drivers/line"
)

const (
	// cutoffDBm0 is below the receiver's own -30 dBm0, which is deaf to a message at -36 dBFS. At -42 it hears it, with 9 dB to spare.
	cutoffDBm0 = -42
	// leastDBm0 is what multimon-ng still finds; the receiver's own is -42.
	leastDBm0 = -58
	// fadeSamples of silence end whatever tone a gap cut into: four blocks of the slowest receiver.
	fadeSamples = 4 * 128
	// beganBefore and endedBefore are from where a digit's change was believed, after two blocks of 102 samples, back to where it
	// was, in the middle of what is possible: a block that is tone for four fifths is taken for one.
	beganBefore, endedBefore line.Samples = 237, 171
	// keypadPause ends a keypad form that does not go on: exchanges send it without a pause.
	keypadPause line.Samples = 3 * line.RateHz
	// byteSamples is a byte of a caller ID: ten bits at 1200 bit/s.
	byteSamples = 10 * line.RateHz / 1200
)

// Detector hears one channel.
type Detector struct {
	rx      *spandsp.Detector
	cfg     Config
	plan    *plan
	event   spandsp.Event // reused: fetching one allocates nothing
	out     [2]Event      // what one event of spandsp became, and does not fit into what the caller gave
	waiting int
	fed     bool
	key     Key // down now
	keyFrom line.Position
	keyDBm0 int
	tone    [spandsp.Receivers]Tone // sounding now
	from    [spandsp.Receivers]line.Position
	ended   [spandsp.Receivers]line.Position // where the last tone ended
	before  bool                             // the first ring: see BeforeRing
	keys    []byte
	keysAt  [2]line.Position
}

// New makes a detector whose first sample is at position 0. Close must be called.
func New(cfg Config) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c, _ := find(cfg.Country)
	p, err := newPlan(c)
	if err != nil {
		return nil, err
	}
	setup := spandsp.Setup{Digits: cfg.Digits, Least: leastDBm0, Cutoff: cutoffDBm0}
	if cfg.CallerID {
		setup.Caller = c.caller
	}
	if cfg.Progress {
		setup.Elements = p.elements
	}
	for _, s := range c.tones {
		if s.tone != Dial {
			continue
		}
		steps, err := parse(s.cadence)
		if err != nil {
			return nil, err
		}
		setup.Notches = [2]float32{float32(steps[0].f1), float32(steps[0].f2)}
	}
	rx, err := spandsp.New(setup)
	if err != nil {
		return nil, fmt.Errorf("listen for tones; digits, caller ID and call progress are not heard: %w", err)
	}
	return &Detector{rx: rx, cfg: cfg, plan: p, keys: make([]byte, 0, callerid.MaxKeys)}, nil
}

// Feed takes the next sound. It allocates nothing.
func (d *Detector) Feed(samples []int16) {
	if d.rx == nil || len(samples) == 0 {
		return
	}
	d.rx.Feed(samples)
	d.fed = true
}

// Skip tells that sound was lost before what comes next, or, before the first Feed, where that begins. A tone that was sounding ends.
func (d *Detector) Skip(lost line.Samples) {
	if d.rx == nil || lost <= 0 {
		return
	}
	if d.fed {
		var silence [line.FrameSamples]int16
		for left := min(lost, fadeSamples); left > 0; {
			n := min(left, line.FrameSamples)
			d.Feed(silence[:n])
			left -= n
			lost -= n
		}
	}
	d.rx.Skip(int64(lost))
}

// BeforeRing opens and closes the moment in which an idle line may carry the keypad form of caller ID: from on-hook, or from
// the reversal of the line, to the first ring. While it is open digits are the exchange's and no Digit is told; at any other
// time the form is not looked for, since everybody who ends a dialled number with # makes one.
func (d *Detector) BeforeRing(open bool) {
	d.before = open && d.cfg.CallerID
	d.keys = d.keys[:0]
}

// Poll moves what was heard into events, oldest first for each kind, and says how much. With a result of len(events) there may be more.
func (d *Detector) Poll(events []Event) int {
	n := 0
	for n < len(events) {
		if d.waiting > 0 {
			events[n] = d.out[2-d.waiting]
			d.waiting--
			n++
			continue
		}
		if d.rx == nil || !d.rx.Take(&d.event) {
			break
		}
		d.take(&d.event)
	}
	return n
}

// Lost is how many events were dropped because nobody polled.
func (d *Detector) Lost() uint64 {
	if d.rx == nil {
		return 0
	}
	return d.rx.Lost()
}

// errClosed reports a second Close.
var errClosed = errors.New("tone: closed already")

// Close gives the receivers' memory back. A Feed after it does nothing.
func (d *Detector) Close() error {
	if d.rx == nil {
		return errClosed
	}
	d.rx.Free()
	d.rx = nil
	return nil
}

// tell keeps an event for Poll. One of spandsp's makes at most two.
func (d *Detector) tell(e Event) {
	if d.waiting == 1 {
		d.out[0] = d.out[1]
	}
	d.out[1] = e
	d.waiting++
}

func (d *Detector) take(e *spandsp.Event) {
	switch e.Kind {
	case spandsp.Digit:
		d.digit(Key(e.Code), e.Level, line.Position(e.At))
	case spandsp.Tone:
		d.progress(e)
	case spandsp.Caller:
		m, err := callerid.Parse(e.Message[:e.Size])
		if err != nil {
			return // what tells of no call, or is none: a checksum of one byte lets one in 256 of those through
		}
		at := line.Position(e.At)
		d.tell(Event{Kind: CallerID, From: max(0, at-line.Samples((e.Size+1)*byteSamples)), To: at, Caller: m})
	}
}

func (d *Detector) digit(key Key, level int, at line.Position) {
	if d.key != 0 {
		down := d.key
		d.key = 0
		switch to := max(at-endedBefore, d.keyFrom); {
		case !d.before:
			d.tell(Event{Kind: Digit, Digit: down, From: d.keyFrom, To: to, Level: d.keyDBm0})
		default:
			d.keypad(down, to)
		}
	}
	if key == 0 {
		return
	}
	d.key, d.keyFrom, d.keyDBm0 = key, max(0, at-beganBefore), level
	if !d.before {
		d.tell(Event{Kind: DigitBegan, Digit: key, From: d.keyFrom, To: at, Level: level})
	}
}

// keypad gathers the keypad form.
func (d *Detector) keypad(key Key, to line.Position) {
	if len(d.keys) == callerid.MaxKeys || d.keyFrom-d.keysAt[1] > keypadPause {
		d.keys = d.keys[:0]
	}
	if len(d.keys) == 0 {
		d.keysAt[0] = d.keyFrom
	}
	d.keys, d.keysAt[1] = append(d.keys, byte(key)), to
	if !callerid.KeypadEnd(byte(key)) {
		return
	}
	if m, err := callerid.Keypad(string(d.keys)); err == nil {
		d.tell(Event{Kind: CallerID, From: d.keysAt[0], To: to, Caller: m})
	}
	d.keys = d.keys[:0]
}

func (d *Detector) progress(e *spandsp.Event) {
	r := e.Receiver
	from, at := max(0, line.Position(e.From)), line.Position(e.At)
	if e.Code < 0 {
		if d.tone[r] != 0 {
			d.ended[r] = max(from, d.from[r])
			d.tell(Event{Kind: ToneEnded, Tone: d.tone[r], From: d.from[r], To: d.ended[r]})
		}
		d.tone[r] = 0
		return
	}
	if from < d.ended[r] {
		return // the end of the last one looks like another: the Spanish busy tone's last two beats and a pause are a congestion tone
	}
	d.tone[r], d.from[r] = d.plan.tones[r][e.Code], from
	d.tell(Event{Kind: ToneBegan, Tone: d.tone[r], From: from, To: at})
}
