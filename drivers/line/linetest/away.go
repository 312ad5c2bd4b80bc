package linetest

import (
	"testing"
	"time"

	"linekeep/drivers/line"
)

// noticeWithin is how soon a driver sees that its device went away (100 ms), and how often it tells the
// loss while it is (100 ms), with a look of ours and a stall of a loaded machine on top.
const noticeWithin = 100*time.Millisecond + look + 150*time.Millisecond

func eventsFirst(t *testing.T, rig Rig) {
	begin(t, rig)
	r := newReader(t, rig.Source.Lines()[0])
	r.listen(rig, 2*time.Second)
	if len(r.Timeline.Events) == 0 {
		t.Errorf("no event in 2 s")
	}
}

func unplugged(t *testing.T, rig Rig) {
	begin(t, rig)
	r := newReader(t, rig.Source.Lines()[0])
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	r.listen(rig, 500*time.Millisecond)
	best := patience
	for round := 0; round < 2 || best > noticeWithin && round < 5; round++ {
		best = min(best, away(t, rig, r, round))
	}
	if best > noticeWithin {
		t.Errorf("no absence was noticed sooner than after %v, want at most %v", best, noticeWithin)
	}
	if lost := r.Timeline.Lost[line.CauseGone]; lost < line.In(time.Second) {
		t.Errorf("%v told as lost in two absences of more than a second", lost.Duration())
	}
}

// away takes the device away for more than half a second, and back, and says how soon that was noticed. A machine that is
// busy elsewhere makes that longer, never shorter: so the best of a few rounds is what the driver is able to.
func away(t *testing.T, rig Rig, r *reader, round int) time.Duration {
	t.Helper()
	events := len(r.Timeline.Events)
	since := time.Now()
	rig.Unplug()
	r.until(rig, "Down", func() bool { return lastKind(r.Timeline.Events[events:]) == line.Down })
	took := r.Timeline.Events[len(r.Timeline.Events)-1].Heard.Sub(since)
	for range 3 {
		marks, end := r.Timeline.Marks, r.Timeline.End
		rig.Pass(noticeWithin)
		if r.read(); r.Timeline.Marks == marks || r.Timeline.End <= end {
			t.Errorf("absence %d: no loss told for %v", round, noticeWithin)
		}
	}
	frames := r.Timeline.Frames
	rig.Replug()
	r.until(rig, "Up", func() bool { return lastKind(r.Timeline.Events[events:]) == line.Up })
	r.until(rig, "sound", func() bool { return r.Timeline.Frames > frames })
	r.listen(rig, 500*time.Millisecond)
	return took
}

func lastKind(events []line.Event) line.Kind {
	if len(events) == 0 {
		return 0
	}
	return events[len(events)-1].Kind
}

func stopUnplugged(t *testing.T, rig Rig) {
	stop := begin(t, rig)
	r := newReader(t, rig.Source.Lines()[0])
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	rig.Unplug()
	r.until(rig, "Down", func() bool { return r.Timeline.Told(line.Down) })
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	for frame := make([]line.Frame, 1); ; {
		n, err := r.l.Read(frame)
		if err != nil {
			break
		}
		r.take(frame[:n])
	}
	drainEvents(t, r.l)
	wantErr(t, r.l, line.ErrGone)
}
