package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/pcm"
	"linekeep/audio/peaks"
	"linekeep/audio/rule"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// maxMarks is how many transitions may wait for the encoder before the line is no longer read: a call makes two, and
// one frame can add those of all events that wait in the machine.
const maxMarks = 32

// lane is one line on its way to the vault. One worker has it at a time.
type lane struct {
	id, class string
	src       line.Line
	info      line.Info
	machine   *call.Machine
	encoders  []Encoder // one for each channel
	lookback  line.Samples
	keep      line.Samples // how much is kept while nothing is recorded

	index, lanes uint64 // this lane, and how many there are: their calls are numbered in turn
	calls        uint64 // numbered so far

	started bool
	pos     line.Position // heard up to here
	heard   time.Time     // at pos
	done    line.Position // encoded, or let go, up to here
	history history
	marks   []call.Transition // those ahead of done, in order
	recs    [2]recording
	now     int // the newest of recs
	rule    rule.Rule
	left    rule.Verdict // why the call that is up, as of done, is not recorded
	facts   call.Facts   // of that call
	asked   atomic.Bool  // somebody wants the call that is up recorded
	failed  []failure    // calls that came to nothing since the last cut

	gone     bool // the source has stopped
	caughtUp bool // the last poll read all there was
	ending   bool // nothing more comes: what is held back is let go

	pause     pause
	pauseFor  time.Duration
	paused    span // pause, as of this poll
	levels    levels
	lastFrame time.Time
	board     board
	refused   *trouble // sound the encoder did not take
}

func newLane(lc LineConfig, newEncoder func() (Encoder, error), refused *trouble) (*lane, error) {
	switch {
	case lc.ID == "":
		return nil, errors.New("no id")
	case lc.Line == nil:
		return nil, errors.New("no line")
	case lc.PauseFor != 0 && (lc.PauseFor < ShortestPause || lc.PauseFor > LongestPause):
		return nil, fmt.Errorf("pause: %v is not between %v and %v", lc.PauseFor, ShortestPause, LongestPause)
	case lc.Lookback < 0 || lc.Lookback > maxLookback:
		return nil, fmt.Errorf("lookback: %v is not between 0 and %v", lc.Lookback, maxLookback)
	}
	info := lc.Line.Info()
	machine, err := call.New(lc.Call, info)
	if err != nil {
		return nil, err
	}
	l := &lane{
		id: lc.ID, class: lc.Class, src: lc.Line, info: info, machine: machine,
		lookback: line.In(lc.Lookback), refused: refused, rule: lc.Rule,
		marks: make([]call.Transition, 0, 2*maxMarks), pauseFor: cmp.Or(lc.PauseFor, DefaultPause),
	}
	l.keep = max(l.lookback, lc.Call.History())
	l.history = newHistory(int((l.keep+line.In(segment.Tick))/line.FrameSamples) + 2*readFrames)
	parties := partiesOf(info.Channels)
	l.recs = [2]recording{newRecording(parties), newRecording(parties)}
	for range info.Channels {
		enc, err := newEncoder()
		if err != nil {
			return nil, fmt.Errorf("make an encoder: %w", err)
		}
		l.encoders = append(l.encoders, enc)
	}
	l.board.init(lc.ID, info.Channels)
	return l, nil
}

// poll takes what has come on the line since the last poll, as far as there is room for it, and encodes it if it is
// time to.
func (l *lane) poll(sc *scratch, now time.Time, encode bool) {
	l.paused = l.pause.get(now)
	l.cover()
	l.grant()
	l.makeRoom(sc)
	l.caughtUp = l.gone
	for !l.ending && l.readable() {
		want := min(readFrames, l.history.free())
		l.readEvents(sc)
		n, err := l.src.Read(sc.frames[:want])
		for i := range n {
			l.take(&sc.frames[i], sc)
		}
		if err != nil {
			l.gone = true
			l.stop(sc)
		}
		if n < want {
			l.caughtUp = true
			break
		}
	}
	if encode {
		l.drain(sc)
	}
	l.pause.passed(l.heard)
	l.publish(now)
}

// readable says whether a load of frames can be taken in whatever is in them. If not, they wait in the driver.
func (l *lane) readable() bool { return l.history.free() > 0 && len(l.marks) < maxMarks }

func (l *lane) readEvents(sc *scratch) {
	n, err := l.src.ReadEvents(sc.events[:])
	for i := range n {
		l.machine.Event(sc.events[i])
	}
	if err != nil {
		return // the line is closed or gone: Read says so too, after the last frame
	}
}

// cover marks those frames as paused that were heard since the pause began, and are still here to be cut.
func (l *lane) cover() {
	if !l.paused.on {
		return
	}
	for i := range l.history.n {
		s := l.history.at(i)
		s.paused = s.paused || l.paused.covers(s.heard)
	}
}

// take puts a frame into the history and asks the machine what it means.
func (l *lane) take(f *line.Frame, sc *scratch) {
	lost, cause, length := l.place(f)
	if lost == 0 && length == 0 {
		return
	}
	s := l.history.push()
	s.start, s.len, s.lost, s.cause, s.heard = l.pos+lost, length, lost, cause, f.Heard
	s.paused = l.paused.covers(f.Heard)
	l.pos, l.heard = s.end(), f.Heard
	h := call.Heard{Start: s.start, Lost: lost, Len: length}
	if length > 0 {
		for c := range l.info.Channels {
			s.pcm[c] = f.Samples[c]
			pcm.Expand(l.info.Law, s.pcm[c][:])
			level := pcm.Measure(s.pcm[c][:])
			h.Level[c] = level.RMS
			s.peak[c] = peaks.Of(level.Peak)
			l.levels.add(c, level)
		}
		l.levels.any = true
		l.lastFrame = f.Heard
	}
	if lost > 0 {
		l.board.lose(segment.Cause(cause), lost)
	}
	sc.transitions = l.machine.Frame(h, sc.transitions[:0])
	l.note(sc.transitions)
	l.makeRoom(sc)
}

// makeRoom encodes before its time when the next frame, or its transitions, would not fit.
func (l *lane) makeRoom(sc *scratch) {
	if !l.readable() {
		l.drain(sc)
	}
}

// place says how much is lost before a frame and how much of it is sound. A driver that breaks its contract
// cannot break a recording: what does not fit the timeline counts as lost, with the word that we lost it.
func (l *lane) place(f *line.Frame) (lost line.Samples, cause line.Cause, length line.Samples) {
	if !l.started {
		l.started = true
		l.pos = f.Start - max(0, f.Lost)
		l.done = l.pos
	}
	end := f.Start + line.Samples(f.Len)
	if f.Len == line.FrameSamples && f.Start >= l.pos {
		lost, length = f.Start-l.pos, line.FrameSamples
	} else {
		lost = max(0, end-l.pos)
	}
	cause = f.Cause
	if lost > 0 && cause == line.CauseNone {
		cause = line.CauseOverrun
	}
	return lost, cause, length
}

// stop ends the lane: its source has stopped, or the box does.
func (l *lane) stop(sc *scratch) {
	if l.ending {
		return
	}
	l.ending = true
	sc.transitions = l.machine.Stop(sc.transitions[:0])
	l.note(sc.transitions)
	l.drain(sc)
}

// settled says that nothing is left to read, to encode or to cut.
func (l *lane) settled() bool {
	return l.ending && len(l.marks) == 0 && len(l.failed) == 0 && !l.recs[0].waiting && !l.recs[1].waiting
}
