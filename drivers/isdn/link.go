package isdn

import (
	"time"

	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
	"linekeep/drivers/line"
)

// ahead is how far one number may be past another, of 128, to be taken for later and not earlier.
const ahead = q921.Modulus / 2

// link is the connection of one terminal with the exchange.
type link struct {
	sides   [2]sequence // by q921.Side: what that side sends
	down    bool
	opening bool // SABME was seen, and its answer not
	downAt  line.Position
	readyAt line.Position // of an answer UA whose SABME was not seen; 0: none
}

// sequence is the numbered frames that one side of a link sends.
type sequence struct {
	known     bool
	next      uint8 // number of the next new one
	delivered uint8 // the same, without those that still wait
	// sums tell a frame sent again from another one with the same number: a hash of each of the last 64; 0: not heard.
	sums  [q921.Modulus]uint32
	queue []early
}

// early is a frame that answers one we have not seen.
type early struct {
	ns, nr uint8
	at     line.Position
	heard  time.Time
	until  line.Position
	info   []byte
}

// begin forgets all numbers; the next frame is number n.
func (s *sequence) begin(n uint8) {
	s.known, s.next, s.delivered = true, n, n
	s.sums = [q921.Modulus]uint32{}
}

// arrival is what a frame's number says of it.
type arrival uint8

const (
	fresh    arrival = iota
	repeated         // it was heard before
	anew             // the numbers began anew, and that was not heard
)

// arrive takes in the number of a frame. It says how many before it were not heard.
func (s *sequence) arrive(ns uint8, sum uint32) (missed int, what arrival) {
	if !s.known {
		s.begin(ns)
	}
	skip := (ns - s.next) % q921.Modulus
	if skip >= ahead { // it is an old one
		switch s.sums[ns] {
		case sum:
			return 0, repeated
		case 0: // and was not heard the first time
			s.sums[ns] = sum
			return 0, fresh
		}
		return 0, anew
	}
	for range skip {
		s.forget()
	}
	s.forget()
	s.sums[ns] = sum
	return int(skip), fresh
}

// forget moves on by one number, and forgets one that is now too old to come again.
func (s *sequence) forget() {
	s.sums[s.next] = 0
	s.sums[(s.next+ahead)%q921.Modulus] = 0
	s.next = (s.next + 1) % q921.Modulus
}

// hand notes that a frame is handed on, and so all before it that will ever be.
func (s *sequence) hand(ns uint8) {
	if next := (ns + 1) % q921.Modulus; (next-s.delivered)%q921.Modulus < ahead {
		s.delivered = next
	}
}

func (t *Tracker) onLink(f Frame, d *q921.Frame) {
	l := t.links[d.TEI]
	if l == nil {
		l = &link{}
		t.links[d.TEI] = l
	}
	mine := &l.sides[f.From]
	switch d.Kind {
	case q921.SABME:
		t.open(l, f.From, d.TEI)
	case q921.UA:
		if !l.opening { // it answers DISC, or came before its SABME
			l.readyAt = max(t.now, 1)
		}
		if l.opening || !l.down {
			t.flush(l, d.TEI)
			mine.begin(0)
		}
		l.down = l.down && !l.opening
		l.opening = false
	case q921.DISC, q921.DM:
		l.fall(t.now)
	case q921.UI:
		t.deliver(f.From, d.TEI, f.At, f.Heard, d.Info)
	case q921.I:
		l.down = false
		t.numbered(l, f, d)
	case q921.RR, q921.RNR, q921.REJ:
		l.down = false
	}
}

// open carries out SABME: the numbers of both sides begin anew.
func (t *Tracker) open(l *link, from q921.Side, tei uint8) {
	mine, other := &l.sides[from], &l.sides[from.Other()]
	early := l.readyAt != 0 && t.now-l.readyAt < reorder
	l.readyAt = 0
	if early { // its answer has come before it, and may have begun the other side
		if l.down {
			other.begin(0)
		}
		mine.begin(0)
		l.down = false
		return
	}
	t.flush(l, tei)
	mine.begin(0)
	other.known = false
	l.fall(t.now)
	l.opening = true
}

func (l *link) fall(now line.Position) {
	if !l.down {
		l.downAt = now
	}
	l.down = true
}

// numbered takes in a frame I.
func (t *Tracker) numbered(l *link, f Frame, d *q921.Frame) {
	mine, other := &l.sides[f.From], &l.sides[f.From.Other()]
	sum := hash(d.Info)
	missed, what := mine.arrive(d.NS, sum)
	switch what {
	case repeated:
		t.counts.Repeated++
		return
	case anew:
		t.flush(l, d.TEI)
		mine.begin(d.NS)
		mine.arrive(d.NS, sum)
		other.known = false
		if d.NS == 0 { // the very first: the other side has sent none either
			other.begin(0)
		}
	}
	t.counts.Missed += uint64(missed)
	e := early{ns: d.NS, nr: d.NR, at: f.At, heard: f.Heard, until: t.now + reorder, info: d.Info}
	wait := len(mine.queue) > 0 || t.tooEarly(l, f.From, d.TEI, &e)
	if wait && t.early < maxEarly {
		e.info = append([]byte(nil), d.Info...)
		mine.queue = append(mine.queue, e)
		t.early++
		t.counts.Early++
		return
	}
	if wait {
		t.flush(l, d.TEI)
	}
	mine.hand(d.NS)
	t.deliver(f.From, d.TEI, f.At, f.Heard, d.Info)
}

// owes says that frames before number nr are still to be handed on, or to come.
func (s *sequence) owes(nr uint8) bool {
	if gap := (nr - s.delivered) % q921.Modulus; !s.known || gap == 0 || gap >= ahead {
		return false
	}
	first := s.next
	if len(s.queue) > 0 {
		first = s.queue[0].ns
	}
	gap := (nr - first) % q921.Modulus
	return gap > 0 && gap < ahead
}

// tooEarly says that a frame answers one that we have not seen: its N(R) says so, or it answers an unknown call.
func (t *Tracker) tooEarly(l *link, from q921.Side, tei uint8, e *early) bool {
	if l.sides[from.Other()].owes(e.nr) {
		return true
	}
	h, _, err := q931.ParseHeader(e.info)
	if err != nil || h.Reference.Dummy() || h.Reference.Global() || !h.Reference.ToMaker {
		return false
	}
	clearing := h.Type == q931.Release || h.Type == q931.ReleaseComplete || h.Type == q931.Disconnect
	if !clearing && !opens(h.Type) {
		return false
	}
	c := t.find(said{maker: from.Other(), ref: h.Reference.Value, tei: tei})
	return c == nil || c.done || (c.over && !clearing)
}

// drain hands on frames that waited, once what they answer has come or they have waited long enough.
func (t *Tracker) drain() {
	for moved := true; moved && t.early > 0; {
		moved = false
		for tei, l := range t.links {
			if l == nil {
				continue
			}
			first := l.older()
			moved = t.drainHead(l, first, uint8(tei)) || t.drainHead(l, first.Other(), uint8(tei)) || moved
		}
	}
}

func (t *Tracker) drainHead(l *link, from q921.Side, tei uint8) bool {
	s := &l.sides[from]
	if len(s.queue) == 0 {
		return false
	}
	e := &s.queue[0]
	if t.now < e.until && t.tooEarly(l, from, tei, e) {
		return false
	}
	t.pop(l, from, tei)
	return true
}

// pop hands on the first frame that waits. Those it answers were not heard, if they have not come by now.
func (t *Tracker) pop(l *link, from q921.Side, tei uint8) {
	s, other := &l.sides[from], &l.sides[from.Other()]
	e := s.queue[0]
	s.queue = s.queue[1:]
	if len(s.queue) == 0 {
		s.queue = nil
	}
	t.early--
	s.hand(e.ns)
	if gap := (e.nr - other.delivered) % q921.Modulus; other.known && gap < ahead && len(other.queue) == 0 {
		other.delivered = e.nr
	}
	t.deliver(from, tei, e.at, e.heard, e.info)
}

// flush hands on all that waits on a link, because its numbers begin anew.
func (t *Tracker) flush(l *link, tei uint8) {
	for len(l.sides[0].queue)+len(l.sides[1].queue) > 0 {
		t.pop(l, l.older(), tei)
	}
}

// older says which side's frame has waited for longer.
func (l *link) older() q921.Side {
	n, u := l.sides[q921.Network].queue, l.sides[q921.User].queue
	if len(n) == 0 || (len(u) > 0 && u[0].at < n[0].at) {
		return q921.User
	}
	return q921.Network
}

// manage follows how terminals get and lose their addresses.
func (t *Tracker) manage(f Frame, d *q921.Frame) {
	if d.Kind != q921.UI {
		return
	}
	m, err := q921.ParseManagement(d.Info)
	switch {
	case err != nil:
		t.counts.Undecodable++
		return
	case f.From != q921.Network || (m.Type != q921.IdentityRemove && m.Type != q921.IdentityAssigned):
		return
	}
	for tei, l := range t.links {
		if l == nil || (int(m.Actions[0]) != tei && m.Actions[0] != q921.Broadcast) {
			continue
		}
		t.flush(l, uint8(tei))
		l.sides[0].known, l.sides[1].known = false, false
		l.fall(t.now)
	}
}

// hash is FNV-1a, never 0.
func hash(b []byte) uint32 {
	sum := uint32(2166136261)
	for _, octet := range b {
		sum = (sum ^ uint32(octet)) * 16777619
	}
	return max(sum, 1)
}
