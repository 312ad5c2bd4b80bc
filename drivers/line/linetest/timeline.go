package linetest

import (
	"fmt"
	"time"

	"linekeep/drivers/line"
)

// Timeline checks what a line gives, frame after frame and event after event, against the contract, and
// adds up what it saw. The zero value is a line of which nothing has been read yet. Take frames and events
// in turns, in the order they were read.
type Timeline struct {
	End    line.Position               // of the last frame
	Frames int                         // with sound
	Marks  int                         // without, which only tell a loss
	Heard  line.Samples                // samples of sound
	Lost   map[line.Cause]line.Samples // told as lost, by cause
	Gaps   []Gap                       // the losses, in order; those that touch are one
	Events []line.Event                // in order
	heard  time.Time
	told   line.Position // where the last frame before the last Take of events began
	last   line.Position // where the last frame began
}

// Gap is a stretch of the timeline that was lost.
type Gap struct {
	At    line.Position // where it begins
	Lost  line.Samples
	Cause line.Cause // of its first part
}

// Take checks frames as Read gave them.
func (tl *Timeline) Take(frames []line.Frame) error {
	for i := range frames {
		if err := tl.frame(&frames[i]); err != nil {
			return fmt.Errorf("frame %d: %w", tl.Frames+tl.Marks, err)
		}
	}
	return nil
}

func (tl *Timeline) frame(f *line.Frame) error {
	switch {
	case f.Len != line.FrameSamples && f.Len != 0:
		return fmt.Errorf("%d samples, want %d or 0", f.Len, line.FrameSamples)
	case f.Lost < 0:
		return fmt.Errorf("lost %d samples", f.Lost)
	case f.Len == 0 && f.Lost == 0:
		return fmt.Errorf("neither sound nor loss")
	case f.Start != tl.End+f.Lost:
		return fmt.Errorf("starts at %d, want end of the one before %d + lost %d", f.Start, tl.End, f.Lost)
	case (f.Lost > 0) != (f.Cause != line.CauseNone):
		return fmt.Errorf("lost %d, cause %v", f.Lost, f.Cause)
	case f.Heard.IsZero():
		return fmt.Errorf("does not say when it was heard")
	case monotonic(time.Now()) && !monotonic(f.Heard): // virtual time has no monotonic reading to give
		return fmt.Errorf("heard at %v, without a monotonic reading", f.Heard)
	case f.Heard.Before(tl.heard):
		return fmt.Errorf("heard %v before the frame in front of it", tl.heard.Sub(f.Heard))
	}
	if f.Lost > 0 {
		tl.lose(f)
	}
	if f.Len > 0 {
		tl.Frames++
		tl.Heard += line.Samples(f.Len)
	} else {
		tl.Marks++
	}
	tl.heard, tl.last, tl.End = f.Heard, f.Start, f.Start+line.Samples(f.Len)
	return nil
}

func monotonic(t time.Time) bool { return t != t.Round(0) }

func (tl *Timeline) lose(f *line.Frame) {
	if tl.Lost == nil {
		tl.Lost = make(map[line.Cause]line.Samples)
	}
	tl.Lost[f.Cause] += f.Lost
	if n := len(tl.Gaps); n > 0 && tl.Gaps[n-1].At+tl.Gaps[n-1].Lost == tl.End {
		tl.Gaps[n-1].Lost += f.Lost
		return
	}
	tl.Gaps = append(tl.Gaps, Gap{At: tl.End, Lost: f.Lost, Cause: f.Cause})
}

// TakeEvents checks events as ReadEvents gave them after the frames taken last. An event must be readable
// no later than the first frame that begins after it.
func (tl *Timeline) TakeEvents(events []line.Event) error {
	for _, e := range events {
		if e.At < tl.told {
			return fmt.Errorf("%v at %d came after a frame that begins at %d", e.Kind, e.At, tl.told)
		}
		if n := len(tl.Events); n > 0 {
			if before := tl.Events[n-1]; e.At < before.At || e.Heard.Before(before.Heard) {
				return fmt.Errorf("%v at %d (%v) follows %v at %d (%v)", e.Kind, e.At, e.Heard, before.Kind, before.At, before.Heard)
			}
		}
		if e.Kind < line.Seized || e.Kind > line.Up {
			return fmt.Errorf("%v is no kind of event", e.Kind)
		}
		if e.Heard.IsZero() {
			return fmt.Errorf("%v does not say when it was heard", e.Kind)
		}
		tl.Events = append(tl.Events, e)
	}
	tl.told = tl.last
	return nil
}

// LostSamples is everything told as lost.
func (tl *Timeline) LostSamples() line.Samples {
	var sum line.Samples
	for _, n := range tl.Lost {
		sum += n
	}
	return sum
}

// Told reports whether an event of kind k was read.
func (tl *Timeline) Told(k line.Kind) bool {
	for _, e := range tl.Events {
		if e.Kind == k {
			return true
		}
	}
	return false
}
