package linetest

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"linekeep/drivers/line"
)

// promise is one sentence of the contract and how it is checked.
type promise struct {
	name  string
	needs func(Rig) bool
	check func(*testing.T, Rig)
}

var promises = [...]promise{
	{name: "a source has always the same lines in the same order", check: sameLines},
	{name: "nothing is to be read before Run", check: quietBeforeRun},
	{name: "frames follow each other", check: framesFollow},
	{name: "a line gives 8000 samples a second", check: rightPace},
	{name: "a short slice takes the oldest frames first", check: oldestFirst},
	{name: "Read never blocks", check: neverBlocks},
	{name: "Read allocates nothing", check: readAllocatesNothing},
	{name: "a late reader loses the newest sound and is told where", check: lateReader},
	{name: "a line that nobody reads does not hold up the others", needs: severalLines, check: othersGoOn},
	{name: "a closed line says ErrClosed and the others go on", check: closedLine},
	{name: "Close may come while another goroutine reads", check: closeWhileReading},
	{name: "when Run ends the lines are read out and then say ErrGone", check: readOut},
	{name: "a closed line says ErrClosed after Run ended too", check: closedAfterRun},
	{name: "Run runs once", check: runsOnce},
	{name: "Run with an ended context comes back", check: runEnded},
	{name: "events come before the frames after them", needs: func(r Rig) bool { return r.Signals }, check: eventsFirst},
	{name: "a device that goes away is told as Down and as loss until it is Up", needs: canUnplug, check: unplugged},
	{name: "Run ends while the device is away", needs: canUnplug, check: stopUnplugged},
}

func severalLines(r Rig) bool { return len(r.Source.Lines()) > 1 }
func canUnplug(r Rig) bool    { return r.Unplug != nil && r.Replug != nil }

const (
	// look is how often the suite reads: three frames at a time, as the pipeline does.
	look = 3 * line.FramePeriod
	// patience is how long real hardware, opened on a loaded machine, may take to give its first sound or to come back.
	patience = 10 * time.Second
)

func sameLines(t *testing.T, rig Rig) {
	lines := rig.Source.Lines()
	if len(lines) == 0 {
		t.Fatalf("no lines")
	}
	for i, l := range rig.Source.Lines() {
		info := l.Info()
		if l != lines[i] || info != lines[i].Info() {
			t.Errorf("line %d is another one when asked again", i)
		}
		if info.Name == "" || info.Channels < 1 || info.Channels > line.MaxChannels || info.Law > line.MuLaw {
			t.Errorf("line %d describes itself as %+v", i, info)
		}
	}
	before := lines[0].Info()
	begin(t, rig)
	listen(t, rig, lines[0], 5*line.FramePeriod)
	if after := lines[0].Info(); after != before {
		t.Errorf("Info changed from %+v to %+v", before, after)
	}
}

func quietBeforeRun(t *testing.T, rig Rig) {
	for _, l := range rig.Source.Lines() {
		if n, err := l.Read(make([]line.Frame, 4)); n != 0 || err != nil {
			t.Errorf("Read before Run: %d, %v, want 0 and no error", n, err)
		}
		if n, err := l.ReadEvents(make([]line.Event, 4)); n != 0 || err != nil {
			t.Errorf("ReadEvents before Run: %d, %v, want 0 and no error", n, err)
		}
	}
}

func framesFollow(t *testing.T, rig Rig) {
	begin(t, rig)
	for _, l := range rig.Source.Lines() {
		tl := listen(t, rig, l, time.Second)
		if tl.Frames == 0 {
			t.Errorf("%s: no sound in a second", l.Info().Name)
		}
	}
}

func rightPace(t *testing.T, rig Rig) {
	begin(t, rig)
	l := rig.Source.Lines()[0]
	r := newReader(t, l)
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	from, began := r.Timeline.End, r.Timeline.heard
	r.listen(rig, 2*time.Second)
	got, want := (r.Timeline.End - from).Duration(), r.Timeline.heard.Sub(began)
	if off := math.Abs((got - want).Seconds()); off > 0.1 {
		t.Errorf("%v of sound was heard in %v", got, want)
	}
	if got < 1500*time.Millisecond {
		t.Errorf("%v of sound after 2 s", got)
	}
}

func oldestFirst(t *testing.T, rig Rig) {
	begin(t, rig)
	l := rig.Source.Lines()[0]
	if n, err := l.Read(nil); n != 0 || err != nil {
		t.Errorf("Read of no frames: %d, %v", n, err)
	}
	r := newReader(t, l)
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	rig.Pass(10 * line.FramePeriod)
	small := make([]line.Frame, 3)
	n, err := l.Read(small[:1])
	if n != 1 || err != nil {
		t.Fatalf("Read of 1 frame with 10 waiting: %d, %v", n, err)
	}
	r.take(small[:1])
	n, err = l.Read(small)
	if n != 3 || err != nil {
		t.Fatalf("Read of 3 frames with 9 waiting: %d, %v", n, err)
	}
	r.take(small)
	r.listen(rig, 10*line.FramePeriod)
}

func neverBlocks(t *testing.T, rig Rig) {
	begin(t, rig)
	frames, events := make([]line.Frame, 8), make([]line.Event, 8)
	start := time.Now()
	for range 10_000 {
		for _, l := range rig.Source.Lines() {
			if _, err := l.Read(frames); err != nil {
				t.Fatalf("Read: %v", err)
			}
			if _, err := l.ReadEvents(events); err != nil {
				t.Fatalf("ReadEvents: %v", err)
			}
		}
	}
	// A Read that waited for only one frame each time would take 200 s; these take milliseconds.
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("10,000 reads took %v", took)
	}
}

func readAllocatesNothing(t *testing.T, rig Rig) {
	begin(t, rig)
	l := rig.Source.Lines()[0]
	r := newReader(t, l)
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	rig.Pass(500 * time.Millisecond)
	frame, event := make([]line.Frame, 1), make([]line.Event, 1)
	var err error
	// The source works on beside this, so the figure covers the way of a frame from the hardware as well.
	perRead := testing.AllocsPerRun(20, func() {
		if _, e := l.Read(frame); e != nil {
			err = e
		}
		if _, e := l.ReadEvents(event); e != nil {
			err = e
		}
	})
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	if perRead != 0 {
		t.Errorf("%v allocations for each Read, want none", perRead)
	}
}

func lateReader(t *testing.T, rig Rig) {
	begin(t, rig)
	l := rig.Source.Lines()[0]
	r := newReader(t, l)
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	before := r.Timeline.Frames
	full := time.Duration(rig.RingFrames) * line.FramePeriod
	rig.Pass(full + full/4)
	r.read() // what was kept while nobody looked
	if kept := r.Timeline.Frames - before; kept < line.RingFrames {
		t.Errorf("%d frames kept for a late reader, want at least %d", kept, line.RingFrames)
	}
	if lost := r.Timeline.Lost[line.CauseReader]; lost != 0 {
		t.Errorf("%d samples told as lost before the oldest frames: the newest are to be dropped", lost)
	}
	r.until(rig, "the loss to be told", func() bool { return r.Timeline.Lost[line.CauseReader] > 0 })
	if lost, most := r.Timeline.Lost[line.CauseReader], line.In(full/2+patience/10); lost > most {
		t.Errorf("%d samples told as lost to the late reader, want no more than %d", lost, most)
	}
	r.listen(rig, 10*line.FramePeriod)
}

func othersGoOn(t *testing.T, rig Rig) {
	begin(t, rig)
	lines := rig.Source.Lines()
	r := newReader(t, lines[len(lines)-1])
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	full := time.Duration(rig.RingFrames) * line.FramePeriod
	r.listen(rig, full+full/4) // and nobody reads the first line
	if lost := r.Timeline.Lost[line.CauseReader]; lost != 0 {
		t.Errorf("%d samples lost on a line that was read in time", lost)
	}
}

func closedLine(t *testing.T, rig Rig) {
	begin(t, rig)
	lines := rig.Source.Lines()
	r := newReader(t, lines[0])
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	for range 2 {
		if err := lines[0].Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	wantErr(t, lines[0], line.ErrClosed)
	for _, l := range lines[1:] {
		if tl := listen(t, rig, l, 500*time.Millisecond); tl.Frames == 0 {
			t.Errorf("%s: no sound after another line was closed", l.Info().Name)
		}
	}
	wantErr(t, lines[0], line.ErrClosed)
}

func closeWhileReading(t *testing.T, rig Rig) {
	begin(t, rig)
	l := rig.Source.Lines()[0]
	var reader sync.WaitGroup
	reader.Go(func() {
		frames := make([]line.Frame, 4)
		for {
			if _, err := l.Read(frames); errors.Is(err, line.ErrClosed) {
				return
			} else if err != nil {
				t.Errorf("Read: %v", err)
				return
			}
			pass(line.FramePeriod / 4)
		}
	})
	rig.Pass(5 * line.FramePeriod)
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if rig.Pass(line.FramePeriod); l.Close() != nil {
		t.Errorf("a second Close reports an error")
	}
	reader.Wait()
}

func readOut(t *testing.T, rig Rig) {
	stop := begin(t, rig)
	lines := rig.Source.Lines()
	r := newReader(t, lines[0])
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	before := r.Timeline.Frames
	rig.Pass(500 * time.Millisecond)
	if err := stop(); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("Run: %v", err)
	}
	frame := make([]line.Frame, 1)
	for {
		n, err := lines[0].Read(frame)
		if errors.Is(err, line.ErrGone) && n == 0 {
			break
		}
		if err != nil || n == 0 {
			t.Fatalf("Read after Run ended: %d, %v, want what is left and then ErrGone", n, err)
		}
		r.take(frame)
	}
	if got := r.Timeline.Frames - before; got < 10 {
		t.Errorf("%d frames left to read after half a second of sound", got)
	}
	drainEvents(t, lines[0])
	wantErr(t, lines[0], line.ErrGone)
}

func closedAfterRun(t *testing.T, rig Rig) {
	stop := begin(t, rig)
	rig.Pass(5 * line.FramePeriod)
	if err := stop(); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("Run: %v", err)
	}
	l := rig.Source.Lines()[0]
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wantErr(t, l, line.ErrClosed)
}

func runsOnce(t *testing.T, rig Rig) {
	stop := begin(t, rig)
	rig.Pass(5 * line.FramePeriod)
	if err := stop(); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("Run: %v", err)
	}
	if err := rig.Source.Run(t.Context()); err == nil {
		t.Errorf("a second Run reports no error")
	}
}

func runEnded(t *testing.T, rig Rig) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := rig.Source.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}
