package clock

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
)

// ErrForm reports a note that is not in this version's form.
var ErrForm = errors.New("clock: not a clock's note")

const stateVersion = 1

// state is what the note holds. FORMAT.md section "Retention", "clock".
type state struct {
	now, wall time.Time
	allow     time.Duration
	passed    time.Time
	marks     Marks
	segments  []segment
}

func (s state) bytes() []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(stateVersion)
	for _, t := range []time.Time{s.now, s.wall, s.passed} {
		b.AddUint64(nanos(t))
	}
	b.AddUint64(uint64(s.allow))
	addMarks(b, s.marks)
	b.AddUint32(uint32(len(s.segments)))
	for _, g := range s.segments {
		b.AddUint64(nanos(g.since))
		b.AddUint64(uint64(g.offset))
		addMarks(b, g.maybe)
		addMarks(b, g.sure)
	}
	return b.BytesOrPanic() // fixed lengths
}

func nanos(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func moment(ns uint64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(ns)).UTC()
}

func addMarks(b *cryptobyte.Builder, m Marks) {
	b.AddUint32(m.Newest)
	b.AddUint32(uint32(len(m.Next)))
	for _, n := range m.Next {
		b.AddUint32(n.Shard)
		b.AddUint32(n.Next)
	}
}

// parse reads what bytes wrote, and nothing else. Errors: ErrForm.
func parse(data []byte) (state, error) {
	var s state
	in := cryptobyte.String(data)
	var version uint8
	var now, wall, passed, allow uint64
	var n uint32
	ok := in.ReadUint8(&version) && version == stateVersion && in.ReadUint64(&now) && in.ReadUint64(&wall) && in.ReadUint64(&passed) &&
		in.ReadUint64(&allow) && readMarks(&in, &s.marks) && in.ReadUint32(&n) && n > 0 && n <= maxSegments
	if !ok {
		return s, fmt.Errorf("%w: its head", ErrForm)
	}
	s.now, s.wall, s.passed, s.allow = moment(now), moment(wall), moment(passed), time.Duration(allow)
	if s.allow < 0 || s.allow > MaxOff || s.now.IsZero() || s.wall.IsZero() {
		return s, fmt.Errorf("%w: an allowance of %v", ErrForm, s.allow)
	}
	for range n {
		var g segment
		var since, offset uint64
		if !in.ReadUint64(&since) || !in.ReadUint64(&offset) || !readMarks(&in, &g.maybe) || !readMarks(&in, &g.sure) {
			return s, fmt.Errorf("%w: cut short", ErrForm)
		}
		g.since, g.offset = moment(since), time.Duration(offset)
		s.segments = append(s.segments, g)
	}
	if !in.Empty() {
		return s, fmt.Errorf("%w: bytes left over", ErrForm)
	}
	return s, nil
}

func readMarks(in *cryptobyte.String, m *Marks) bool {
	var n uint32
	if !in.ReadUint32(&m.Newest) || !in.ReadUint32(&n) || uint64(n)*8 > uint64(len(*in)) {
		return false
	}
	for range n {
		var k keys.Mark
		if !in.ReadUint32(&k.Shard) || !in.ReadUint32(&k.Next) {
			return false
		}
		m.Next = append(m.Next, k)
	}
	return true
}
