// Package isdn follows the calls of an ISDN interface by listening to both directions of its D channel.
//
//	In:    Frame, one LAPD frame of one direction, with its place on the line's timeline
//	Out:   Event, what happens on each B channel in the words of drivers/line
//	Owner: nothing; Tracker is a state machine without goroutines and without a clock, for one caller at a time
//	Full:  maxCalls calls, maxTerminals of them for each, maxPending events that wait, maxEarly frames; what goes
//	       beyond is told as Forgotten or counted, and never stops the rest
//
// The two directions are tapped apart, and a frame of one may be read before the frame of the other that it answers.
// Frames in sequence say which ones their sender had seen (N(R)), so an early one waits for those, up to reorder. What
// was not heard at all is inferred from what follows. A frame that cannot be read is counted and changes nothing.
//
// On one channel the events of one call follow each other from Seized, or Retrieved, to Released. After Held the
// channel may be Seized by another call; what happens to the held one is then told on channel 0, which also has calls
// that wait for a channel or never got one.
package isdn

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
	"linekeep/drivers/line"
)

const (
	// MaxChannel is the highest B channel of an interface: slot 31 of primary rate access.
	MaxChannel = 31
	// maxCalls bounds the calls followed at once: 30 that talk, as many that wait or are held, and those just over.
	maxCalls = 128
	// maxTerminals bounds the terminals of one bus that answer one call: the standard allows eight on a bus.
	maxTerminals = 16
	// maxPending bounds what is known of a call before its channel is: overlap dialling of 15 digits makes 30 events.
	maxPending = 64
	// maxNotes bounds what is told of one call by the kind Noted.
	maxNotes = 64
	// maxDigits bounds a number: E.164 allows 15, a PBX's codes come before it.
	maxDigits = 64
	// maxEarly bounds the frames of all links that wait for the other direction. A terminal has at most seven unanswered.
	maxEarly = 64
)

const (
	second = line.Samples(line.RateHz)
	// reorder is how long a frame waits for those it answers: the taps were seen to lag 124 ms at worst.
	reorder = second / 4
	// lookEvery is how often the limits below are looked at.
	lookEvery = second / 5
	// offerLimit ends a call that no terminal answers: the exchange offers it twice for T303, 4 s (Q.931 table 9-1).
	offerLimit = 10 * second
	// refusedLimit ends a call that terminals only refused: the exchange waits T303 for others.
	refusedLimit = 5 * second
	// repeatLimit is how long the same SETUP is the same call: twice T303, and some more.
	repeatLimit = 10 * second
	// acceptLimit is how long after a terminal's CONNECT the exchange's acknowledgement is held to be missed. The
	// terminal gives up after 4 s (T313); exchanges take a few tens of milliseconds.
	acceptLimit = 2 * second
	// clearLimit ends a call whose release was missed: 30 s (T305) and twice 4 s (T308) after DISCONNECT both sides give up.
	clearLimit = 60 * second
	// quietLimit ends a call that has no channel and of which nothing is heard: ringing ends after 3 min (T301).
	quietLimit = 300 * second
	// downLimit ends the calls of a link that is down: the exchange gives them up after 90 s (T309).
	downLimit = 90 * second
	// keepOver is how long a call that is over is remembered, so that what comes late is known for what it is.
	keepOver = 30 * second
)

// Config says how numbers are written.
type Config struct {
	International string // put before international numbers, such as "+"
	National      string // put before national numbers: the country's trunk prefix, "0" in most of Europe, "" in some
}

// DefaultConfig suits the United Kingdom and most of Europe.
func DefaultConfig() Config { return Config{International: "+", National: "0"} }

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	for name, prefix := range map[string]string{"international": c.International, "national": c.National} {
		if len(prefix) > 8 || strings.Trim(prefix, "+0123456789") != "" {
			return fmt.Errorf("%s prefix %q: want at most 8 digits or +", name, prefix)
		}
	}
	return nil
}

// Frame is one frame of the D channel, without its checksum.
type Frame struct {
	From  q921.Side
	At    line.Position
	Heard time.Time
	Data  []byte // read, and copied where it must wait
}

// Event is something that happened to a call, at a place on the line's timeline.
type Event struct {
	line.Event
	Channel uint8 // B channel 1 to MaxChannel; 0 for what is on none
}

// Counts are the totals so far.
type Counts struct {
	Frames      uint64 // given
	Undecodable uint64 // frames and messages that cannot be read
	Cut         uint64 // messages whose last element is cut off
	Repeated    uint64 // frames sent again, of which the first was heard
	Missed      uint64 // frames that were sent and not heard, by their numbers
	Early       uint64 // frames that waited for the one they answer
	Foreign     uint64 // frames of another service or protocol, such as packets
	Stray       uint64 // messages of calls that are not known
	Calls       uint64 // seen: SETUP, or what only follows it
	Ended       uint64
	Inferred    uint64 // calls or answers whose own message was not heard
	TakenOver   uint64 // calls ended because another had their channel
	Forgotten   uint64 // calls given up for want of room
	Dropped     uint64 // notes and early events of calls past maxNotes and maxPending
}

// Tracker follows the calls of one interface. It is not safe for concurrent use.
type Tracker struct {
	cfg    Config
	counts Counts

	now   line.Position // of the newest frame or Advance
	look  line.Position // when limits are looked at next
	at    line.Position // of the message at hand; never goes back
	heard time.Time     // the same

	links    [q921.Broadcast]*link
	early    int // frames that wait, in all links
	down     bool
	downAt   line.Position
	calls    []*call
	channels [MaxChannel + 1]*call
	lastID   uint64
	restarts int // seen, and not yet acknowledged

	msg q931.Message
	raw []byte // the octets of msg
	out []Event
}

// New makes a tracker for one interface.
func New(cfg Config) (*Tracker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of an ISDN interface: %w", err)
	}
	return &Tracker{cfg: cfg, calls: make([]*call, 0, maxCalls)}, nil
}

// Counts are the totals so far.
func (t *Tracker) Counts() Counts { return t.counts }

// Up says how many calls are known and not over.
func (t *Tracker) Up() int {
	n := 0
	for _, c := range t.calls {
		if !c.over {
			n++
		}
	}
	return n
}

// Frame takes in one frame and appends what follows from it to out. Frames of one direction come in order.
func (t *Tracker) Frame(f Frame, out []Event) []Event {
	t.out = out
	t.counts.Frames++
	t.pass(f.At, f.Heard)
	var d q921.Frame
	switch err := q921.Decode(f.Data, &d); {
	case err != nil:
		t.counts.Undecodable++
	case d.SAPI == q921.SAPIManagement:
		t.manage(f, &d)
	case d.SAPI != q921.SAPICall:
		t.counts.Foreign++
	case d.TEI == q921.Broadcast:
		if d.Kind == q921.UI {
			t.deliver(f.From, d.TEI, f.At, f.Heard, d.Info)
		}
	default:
		t.onLink(f, &d)
	}
	t.drain()
	out, t.out = t.out, nil
	return out
}

// Advance says that the line has been heard up to a place, at a time, and nothing came on the D channel. Whoever feeds
// the tracker calls it now and then, so that calls end by their limits.
func (t *Tracker) Advance(at line.Position, heard time.Time, out []Event) []Event {
	t.out = out
	t.pass(at, heard)
	t.drain()
	out, t.out = t.out, nil
	return out
}

// Carrier says whether the line itself is up. Calls outlive a break that is shorter than downLimit.
func (t *Tracker) Carrier(up bool, at line.Position) {
	t.now = max(t.now, at)
	if !up && !t.down {
		t.downAt = t.now
	}
	t.down = !up
}

func (t *Tracker) pass(at line.Position, heard time.Time) {
	t.now = max(t.now, at)
	if t.now < t.look {
		return
	}
	t.look = t.now + lookEvery
	t.drain() // what was said before the limit counts first
	t.at, t.heard = max(t.at, t.now), heard
	t.limits()
}

// deliver hands on a message whose turn it is.
func (t *Tracker) deliver(from q921.Side, tei uint8, at line.Position, heard time.Time, info []byte) {
	t.at, t.heard, t.raw = max(t.at, at), heard, info
	switch err := q931.Decode(info, &t.msg); {
	case errors.Is(err, q931.ErrProtocol):
		t.counts.Foreign++
		return
	case err != nil:
		t.counts.Undecodable++
		return
	}
	if t.msg.Cut != nil {
		t.counts.Cut++
	}
	r := t.msg.Reference
	switch {
	case r.Dummy():
		t.aside()
	case r.Global():
		t.global()
	default:
		maker := from
		if r.ToMaker {
			maker = from.Other()
		}
		t.message(said{from: from, maker: maker, ref: r.Value, tei: tei})
	}
}

// aside tells a message that is of no call.
func (t *Tracker) aside() {
	e := line.Event{Kind: line.Noted, At: t.at, Heard: t.heard, Note: line.Unmodelled, Code: uint16(t.msg.Type), Text: line.Text(t.raw)}
	t.out = append(t.out, Event{Event: e})
}
