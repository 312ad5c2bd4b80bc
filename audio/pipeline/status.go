package pipeline

import (
	"sync"
	"sync/atomic"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/pcm"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// Causes is how many causes of loss are told apart: all there are (line.Cause, segment.Cause).
const Causes = 32

// Verdicts is how many verdicts of package rule there may be.
const Verdicts = 8

// State is what a line is doing.
type State uint8

// The states of a line.
const (
	StateIdle State = iota
	StateRinging
	StateCall
	StatePaused // a call or not: nothing of it is recorded
	StateDown   // not to be heard
)

func (s State) String() string {
	switch s {
	case StateIdle:
		return "idle"
	case StateRinging:
		return "ringing"
	case StateCall:
		return "call"
	case StatePaused:
		return "paused"
	case StateDown:
		return "down"
	}
	return "unknown"
}

// Side is how loud one channel is: in the frames of the newest poll, in dBFS.
type Side struct {
	Level float64 // RMS of the loudest frame
	Peak  float64 // of the highest sample
}

// LineStatus is one line at one moment. It says nothing of any call but that there is one. At every moment
//
//	Seen = Calls + Entries + Unfiled + all of Left + Open
type LineStatus struct {
	ID     string
	State  State
	Since  time.Time // of the state
	Sides  []Side    // one for each channel
	Seen   uint64    // calls, since the program started; what became of them is Calls to Open
	Missed uint64    // that came to nothing, whatever became of their entries
	Counted
	Lost      [Causes]line.Samples // by segment.Cause: from a driver always, from the stages after it while recording
	LastFrame time.Time            // when the newest sound was captured
}

// Counted is what became of the calls of a line.
type Counted struct {
	Began   uint64 // recordings
	Ended   uint64
	Calls   uint64           // that are recorded, or were: a call of two recordings is one
	Entries uint64           // that came to nothing, and are entries without sound
	Left    [Verdicts]uint64 // that are not recorded, by rule.Verdict
	Unfiled uint64           // that came to nothing, and for which there was no entry left
	Open    uint64           // that were seen, and of which nothing has become yet
	Again   uint64           // of all these: were up already when the line was first heard, or heard again, and may be counted twice
}

// Totals is what became of the groups.
type Totals struct {
	Stored     uint64    // groups that the sink took
	Failed     uint64    // that it did not
	Dropped    uint64    // that did not fit into the queue
	LastStored time.Time // when the sink last took one
}

// Status gives one LineStatus for each line, in the order of the configuration, in the memory of dst where it can.
func (p *Pipeline) Status(dst []LineStatus) []LineStatus {
	dst = dst[:min(len(dst), len(p.lanes))]
	for len(dst) < len(p.lanes) {
		dst = append(dst, LineStatus{})
	}
	for i, l := range p.lanes {
		l.board.read(&dst[i])
	}
	return dst
}

// Totals says what became of the groups so far.
func (p *Pipeline) Totals() Totals {
	t := Totals{Stored: p.committer.stored.Load(), Failed: p.committer.failed.n.Load(), Dropped: p.dropped.n.Load()}
	if at := p.committer.lastStored.Load(); at != nil {
		t.LastStored = *at
	}
	return t
}

// board is where a lane shows its state, for any goroutine to read.
type board struct {
	mu       sync.Mutex
	status   LineStatus
	next     Counted // the lane's own, shown by publish
	sides    [line.MaxChannels]Side
	channels int
	lost     [Causes]atomic.Int64
}

func (b *board) init(id string, channels int) {
	b.status.ID, b.channels = id, channels
	for i := range b.sides {
		b.sides[i] = Side{Level: float64(pcm.Silence), Peak: float64(pcm.Silence)}
	}
}

func (b *board) lose(cause segment.Cause, n line.Samples) {
	b.lost[min(cause, Causes-1)].Add(int64(n))
}

func (b *board) read(s *LineStatus) {
	b.mu.Lock()
	sides := append(s.Sides[:0], b.sides[:b.channels]...)
	*s = b.status
	b.mu.Unlock()
	s.Sides = sides
	for i := range b.lost {
		s.Lost[i] = line.Samples(b.lost[i].Load())
	}
}

// levels gathers how loud the frames of a poll are.
type levels struct {
	any   bool
	sides [line.MaxChannels]Side
}

func (v *levels) add(channel int, level pcm.Level) {
	s := &v.sides[channel]
	if !v.any {
		*s = Side{Level: float64(level.RMS), Peak: float64(level.Peak)}
		return
	}
	s.Level, s.Peak = max(s.Level, float64(level.RMS)), max(s.Peak, float64(level.Peak))
}

// publish shows how the line is after a poll.
func (l *lane) publish(now time.Time) {
	state := StateIdle
	switch {
	case l.gone || l.machine.State() == call.Away:
		state = StateDown
	case l.paused.open():
		state = StatePaused
	case l.machine.State() == call.Ringing:
		state = StateRinging
	case l.machine.State() == call.InCall:
		state = StateCall
	}
	counts := l.machine.Counts()
	b := &l.board
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.status
	if s.State != state || s.Since.IsZero() {
		s.State, s.Since = state, now
	}
	b.next.Open = l.open()
	s.Seen, s.Missed, s.Counted = counts.Seen, counts.Missed, b.next
	s.LastFrame = l.lastFrame
	if l.levels.any {
		b.sides = l.levels.sides
		l.levels.any = false
	}
}
