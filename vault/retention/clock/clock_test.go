package clock

import (
	"bytes"
	"testing"
	"time"

	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/retention/note"
	"linekeep/vault/vaulttest/vectors"
)

// box is a box with its clocks.
type box struct {
	t     *testing.T
	dir   string
	key   keys.Key
	wall  time.Time
	up    time.Duration
	marks Marks
	first time.Time
	*Clock
}

const day = 24 * time.Hour

func newBox(t *testing.T) *box {
	b := &box{t: t, dir: t.TempDir(), key: keys.NewKey(), wall: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	b.start()
	return b
}

func (b *box) start() {
	b.t.Helper()
	b.up = 0
	var err error
	b.Clock, err = Open(Config{Note: note.Config{Dir: b.dir, Key: b.key, FS: pair.Disk{}, Fresh: func() uint64 { return 1 << 40 }},
		Wall: func() time.Time { return b.wall }, Up: func() time.Duration { return b.up }, Marks: func() Marks { return b.marks },
		Newest: func() time.Time { return b.first }})
	if err != nil {
		b.t.Fatal(err)
	}
}

// runs lets the box be up.
func (b *box) runs(d time.Duration) {
	b.t.Helper()
	b.wall, b.up = b.wall.Add(d), b.up+d
	if err := b.Tick(); err != nil {
		b.t.Fatal(err)
	}
}

// off switches it off, for a time in truth, and for another by the wall clock.
func (b *box) off(says time.Duration) {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.wall = b.wall.Add(says)
	b.start()
}

func (b *box) gone(from time.Time, want time.Duration, what string) {
	b.t.Helper()
	if got := b.Now().Sub(from); got != want {
		b.t.Errorf("%s: the clock went on by %v, want %v", what, got, want)
	}
}

func TestItGoesOnWithTheTimeTheBoxIsUpWhateverTheWallClockSays(t *testing.T) {
	b := newBox(t)
	from := b.Now()
	b.runs(day)
	b.wall = b.wall.AddDate(10, 0, 0)
	b.runs(day)
	b.wall = b.wall.AddDate(-11, 0, 0)
	b.runs(day)
	b.gone(from, 3*day, "ten years ahead and eleven back")
	for range 1000 {
		b.wall = b.wall.Add(59 * time.Minute)
		b.runs(time.Second)
	}
	b.gone(from, 3*day+1000*time.Second, "a thousand small steps")
	if b.Behind() > -300*day {
		t.Errorf("Behind: %v", b.Behind())
	}
}

func TestAStopCountsAsFarAsItIsProved(t *testing.T) {
	b := newBox(t)
	for _, c := range []struct{ says, want time.Duration }{
		{time.Hour, time.Hour}, {6 * day, 6 * day}, {10 * 365 * day, MaxOff}, {-365 * day, 0}, {0, 0},
	} {
		b.runs(8 * time.Hour) // the allowance is whole again
		from := b.Now()
		b.off(c.says)
		b.gone(from, c.want, c.says.String())
	}
}

// TestABoxThatStartsAgainAndAgainDoesNotRunThroughYears: a dead battery, a wild clock, and a watchdog.
func TestABoxThatStartsAgainAndAgainDoesNotRunThroughYears(t *testing.T) {
	const restarts = 60
	b := newBox(t)
	from := b.Now()
	for range restarts {
		b.off(30 * day)
		b.runs(time.Minute)
	}
	if got, most := b.Now().Sub(from), MaxOff+restarts*time.Minute*(refill+1); got > most {
		t.Errorf("the clock went on by %v in %v", got, restarts*time.Minute)
	}
}

func TestAPowerCutLosesNoTime(t *testing.T) {
	b := newBox(t)
	from := b.Now()
	b.runs(50 * time.Minute) // not written down yet
	b.wall = b.wall.Add(time.Hour)
	b.start()
	b.gone(from, 110*time.Minute, "up 50 minutes, off an hour")
}

func TestACallsAgeCountsFromItsOwnBeginning(t *testing.T) {
	b := newBox(t)
	record := func(slot uint32) (keys.ID, time.Time) {
		b.marks = Marks{Next: []keys.Mark{{Shard: 1, Next: slot + 1}}, Newest: 1}
		return keys.ID{Shard: 1, Slot: slot}, b.wall
	}
	type made struct {
		id    keys.ID
		start time.Time
		at    time.Time
	}
	var all []made
	for i, jump := range []time.Duration{0, -365 * day, 0, 3650 * day, 0, 20 * time.Minute} {
		b.wall = b.wall.Add(jump)
		id, start := record(uint32(2 * i)) // before anybody has noticed
		all = append(all, made{id, start, b.Now()})
		b.runs(10 * time.Second)
		id, start = record(uint32(2*i + 1))
		all = append(all, made{id, start, b.Now()})
		b.runs(day)
		if i%2 == 1 {
			b.off(time.Hour)
		}
	}
	b.runs(100 * day)
	for _, m := range all {
		age, want := b.Of(m.id, m.start).Sub(m.start), b.Now().Sub(m.at)
		if (age - want).Abs() > Tolerance {
			t.Errorf("call %s, dated %v: %v old, want %v", m.id, m.start, age, want)
		}
	}
}

func TestALostNoteGoesOnFromTheNewestRecording(t *testing.T) {
	b := newBox(t)
	b.dir, b.first = t.TempDir(), b.wall.Add(-3*day)
	b.wall = b.wall.AddDate(10, 0, 0)
	b.start()
	if !b.Now().Equal(b.first) || b.Behind() < 3600*day {
		t.Errorf("it stands at %v, %v behind; the newest recording began at %v", b.Now(), b.Behind(), b.first)
	}
}

func TestSomebodyMayVouchForTheWallClock(t *testing.T) {
	b := newBox(t)
	b.marks = Marks{Next: []keys.Mark{{Shard: 1, Next: 1}}, Newest: 1}
	before, start := keys.ID{Shard: 1}, b.wall
	b.runs(day)
	b.off(60 * day)
	b.marks = Marks{Next: []keys.Mark{{Shard: 1, Next: 2}}, Newest: 1}
	after, later := keys.ID{Shard: 1, Slot: 1}, b.wall
	b.runs(day)
	if age := b.Of(before, start).Sub(start); age != 9*day {
		t.Errorf("before, the call of before the stop is %v old", age)
	}
	if err := b.Trust(); err != nil || b.Behind() != 0 {
		t.Errorf("Trust: %v, behind %v", err, b.Behind())
	}
	for range 2 {
		if age := b.Of(before, start).Sub(start); age != 62*day {
			t.Errorf("the call of before the stop is %v old", age)
		}
		if age := b.Of(after, later).Sub(later); age != day {
			t.Errorf("the call of after the stop is %v old", age)
		}
		b.off(0)
	}
}

func TestTheClocksNoteIsAsInFormat(t *testing.T) {
	body := vectors.Read(t, "retention").Bytes(t, "clock body")
	s, err := parse(body)
	if err != nil || !bytes.Equal(s.bytes(), body) {
		t.Fatalf("parse: %+v, %v", s, err)
	}
	if len(s.segments) != 2 || s.segments[1].offset != 23*day || s.allow != 36*time.Hour || s.marks.Newest != 9 {
		t.Errorf("%+v", s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(vectors.Read(f, "retention").Bytes(f, "clock body"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parse(data); err == nil && !bytes.Equal(s.bytes(), data) {
			t.Errorf("%x has a second form", data)
		}
	})
}

// TestACallInAnOldMonthsShardIsAsOldAsItIs: the journal of before a stop has a shard that was done with, and after the start slots come
// from it again, under a wall clock that was put back. They were not handed out long ago.
func TestACallInAnOldMonthsShardIsAsOldAsItIs(t *testing.T) {
	b := newBox(t)
	old, april := keys.Mark{Shard: 7, Next: 11}, keys.Mark{Shard: 20, Next: 5}
	b.marks = Marks{Next: []keys.Mark{old}, Newest: 9}
	b.runs(day)
	b.marks = Marks{Next: []keys.Mark{april}, Newest: 25} // shard 7 is of a month gone by
	b.runs(40 * day)
	before := b.wall
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.marks.Next = []keys.Mark{april, old} // only after the start: the journal knows it
	b.wall = b.wall.Add(-39 * day)
	b.start()
	for _, again := range []bool{false, true} {
		if got := b.Of(keys.ID{Shard: 7, Slot: 11}, b.wall).Sub(b.wall); got.Abs() > Tolerance {
			t.Errorf("restarted %v: a call of this moment is taken to be %v old", again, got)
		}
		if got := b.Of(keys.ID{Shard: 7, Slot: 10}, before.Add(-40*day)); got.Sub(before).Abs() > Tolerance {
			t.Errorf("restarted %v: for one of before, the wall clock would say %v, want %v", again, got, before)
		}
		b.off(0)
	}
}
