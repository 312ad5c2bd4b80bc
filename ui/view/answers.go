package view

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"linekeep/ui/api"
)

// in lists the numbers of the lines that are in a state.
func in(st api.Status, s api.LineState) []int {
	var n []int
	for i, l := range st.Lines {
		if l.State == s {
			n = append(n, i+1)
		}
	}
	return n
}

func isFault(a api.Alarm) bool { return a.Severity != "due" }

// glass answers: is it recording?
func glass(st api.Status) Glass {
	g := Glass{Shape: shapeLamp, Tone: toneGood, Word: "Recording", More: sentence(st.Sentence)}
	paused, faulty := in(st, api.Paused), in(st, api.Fault)
	switch {
	case st.Recording == api.Trouble && len(faulty) > 0 && len(faulty) < len(st.Lines):
		g.Shape, g.Tone, g.Word = shapeDue, toneDue, "Recording, but not "+lines(faulty)
	case st.Recording == api.Trouble:
		g.Shape, g.Tone, g.Word = shapeDue, toneDue, "Recording, something is wrong"
	case st.Recording != api.Yes:
		// An answer this page does not know is not a yes.
		g.Shape, g.Tone, g.Word = shapeFault, toneFault, "Not recording"
	case len(paused) > 0:
		g.Shape, g.Tone, g.Word = shapePause, toneDue, "Paused on "+lines(paused)
	}
	if n := len(st.Alarms); n > 0 {
		g.Alarms, g.Worst, g.Bad = count(uint64(n), "alarm", "alarms"), shapeDue, toneDue
		if slices.ContainsFunc(st.Alarms, isFault) {
			g.Worst, g.Bad = shapeFault, toneFault
		}
	}
	return g
}

// head is the page's answer in one sentence, and how many things need a person.
func head(st api.Status) Head {
	h := Head{Day: day(st.Now), Lead: things(len(st.Alarms)) + " on the box needs you."}
	t := st.Today
	open := unexplained(t)
	switch n := len(st.Alarms); {
	case n > 1:
		h.Lead = things(n) + " on the box need you."
	case n == 0 && st.Recording != api.Yes:
		h.Lead = "The box has not said why." // a fault of ours: anything but a yes comes with an alarm
	case n == 0 && t.Missed+open > 0:
		h.Lead = "What is missing is counted below."
	}
	switch faulty, paused := in(st, api.Fault), in(st, api.Paused); {
	case len(st.Lines) == 0:
		h.Sentence = "No line is set up, so nothing can be recorded."
	case st.Recording != api.Yes && st.Recording != api.Trouble:
		h.Sentence = "Calls are not being recorded."
	case len(faulty) == 1:
		h.Sentence = fmt.Sprintf("%s, line %d, is not being recorded.", label(st, faulty[0]), faulty[0])
	case len(faulty) > 1:
		h.Sentence = fmt.Sprintf("%d of %s are not being recorded.", len(faulty), count(uint64(len(st.Lines)), "line", "lines"))
	case len(paused) > 0:
		h.Sentence = "Recording is paused on " + lines(paused) + "."
	case t.Missed+open == 1:
		h.Sentence = "1 call today was missed."
	case t.Missed+open > 1:
		h.Sentence = fmt.Sprintf("%d calls today were missed.", t.Missed+open)
	case t.Seen == 0:
		h.Sentence = "There have been no calls yet today."
	case t.Seen == t.Now:
		h.Sentence = "The first call today is being recorded."
		if t.Now > 1 {
			h.Sentence = "The first calls today are being recorded."
		}
	default:
		h.Sentence = "Every call today has been recorded."
	}
	return h
}

func label(st api.Status, number int) string {
	l := st.Lines[number-1]
	return cmp.Or(l.Label, l.ID)
}

// unexplained is how many calls were seen that no other figure accounts for.
func unexplained(t api.Totals) uint64 {
	if rest := t.Recorded + t.Gaps + t.Missed + t.Now; t.Seen > rest {
		return t.Seen - rest
	}
	return 0
}

// sum is the completeness statement. A call that nothing accounts for counts as missed: that is what its row says.
func sum(t api.Totals) Sum {
	open := unexplained(t)
	s := Sum{Seen: t.Seen, Recorded: t.Recorded, Now: t.Now, Gaps: t.Gaps, Missed: t.Missed + open}
	over := t.Recorded + t.Gaps + t.Missed + t.Now
	switch {
	case over > t.Seen:
		s.State = State{shapeFault, toneFault, "No, more calls were kept than seen"}
		s.Note = "The lines and the recorder have counted differently. Tell whoever looks after the box."
	case s.Missed > 0:
		s.State = State{shapeFault, toneFault, "No, " + calls(s.Missed) + " missing"}
	case t.Seen == 0:
		s.State = State{shapeDash, toneQuiet, "No calls yet"}
	default:
		s.State = State{shapeDone, toneGood, "Yes, complete so far"}
	}
	if open > 0 {
		s.Note = calls(open) + " of these cannot be accounted for. Tell whoever looks after the box."
	}
	return s
}

// Figure writes a figure of the statement.
func (Sum) Figure(n uint64) string {
	if n < 10000 {
		return strconv.FormatUint(n, 10) // four digits are read at a glance without a space
	}
	return thousands(int64(min(n, math.MaxInt64)))
}

// notices are the alarms, the worst first, and within that the oldest first.
func notices(st api.Status) []Notice {
	alarms := slices.Clone(st.Alarms)
	slices.SortStableFunc(alarms, func(a, b api.Alarm) int {
		if fa, fb := isFault(a), isFault(b); fa != fb {
			if fa {
				return -1
			}
			return 1
		}
		return a.Since.Compare(b.Since)
	})
	out := make([]Notice, 0, len(alarms))
	for i, a := range alarms {
		n := Notice{
			ID: "alarm-" + strconv.Itoa(i), Shape: shapeDue, Tone: toneDue,
			Title: a.Title, Text: sentence(a.Text), Todo: sentence(a.Todo),
		}
		if isFault(a) {
			n.Shape, n.Tone = shapeFault, toneFault
		}
		if s := since(st.Now, a.Since); s != "" {
			n.Since = "S" + s[1:] + "."
		}
		out = append(out, n)
	}
	return out
}

// lamps are the face of the box: power, recording, attention, fault, and one for each line.
func lamps(st api.Status) Lamps {
	on := func(name string, lit bool, shape Shape, tone Tone) Lamp {
		if lit {
			return Lamp{Shape: shape, Tone: tone, Name: name, Say: ": on"}
		}
		return Lamp{Shape: shapeOff, Tone: toneOff, Name: name, Say: ": off"}
	}
	recording := st.Recording == api.Yes || st.Recording == api.Trouble
	due := slices.ContainsFunc(st.Alarms, func(a api.Alarm) bool { return !isFault(a) })
	fault := !recording || slices.ContainsFunc(st.Alarms, isFault)
	const row = 4 // lines of the small box, whose lamps stand in one row
	l := Lamps{Few: len(st.Lines) <= row, Power: on("Power", true, shapeLamp, toneGood), Main: []Lamp{
		on("Recording", recording, shapeLamp, toneGood),
		on("Attention", due, shapeDue, toneDue),
		on("Fault", fault, shapeFault, toneFault),
	}}
	for i, line := range st.Lines {
		lamp := Lamp{Shape: shapeOff, Tone: toneOff, Name: strconv.Itoa(i + 1), Before: "Line ", Say: ": no call"}
		switch line.State {
		case api.Call:
			lamp.Shape, lamp.Tone, lamp.Say = shapeUp, toneGood, ": call"
		case api.Ringing:
			lamp.Shape, lamp.Tone, lamp.Say = shapeRing, toneGood, ": ringing"
		case api.Paused:
			lamp.Shape, lamp.Tone, lamp.Say = shapePause, toneDue, ": paused"
		case api.Fault:
			lamp.Shape, lamp.Tone, lamp.Say = shapeFault, toneFault, ": fault"
		}
		l.Lines = append(l.Lines, lamp)
	}
	return l
}

// facts are what else is worth knowing about the box.
func facts(st api.Status) Facts {
	f := Facts{Store: State{shapeDone, toneGood, "Answers"}, Version: st.Version, Lag: lag(st.Store.Lag)}
	if !st.Store.Answers {
		f.Store = State{shapeFault, toneFault, "Does not answer"}
	}
	f.Room = room(st.Store)
	if !st.Started.IsZero() {
		f.Running = st.Started.In(st.Now.Location()).Format("2 January, 15:04")
	}
	return f
}

// lag says how long sound takes from the line to the disk.
func lag(d time.Duration) string {
	if d <= 0 {
		return "not known yet"
	}
	if d < 100*time.Millisecond {
		return "under 0.1\u00a0s"
	}
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f\u00a0s", d.Seconds())
	}
	return length(d)
}

// room says how much more sound the disk holds: in hours of calls when that is known, in bytes when not.
func room(s api.Store) string {
	switch {
	case s.HoursLeft >= 1:
		return "about " + thousands(roundTo2(s.HoursLeft)) + " hours"
	case s.HoursLeft > 0:
		return "less than an hour"
	case s.FreeBytes > 0:
		return strconv.FormatFloat(math.Round(float64(s.FreeBytes)/1e8)/10, 'f', -1, 64) + " GB"
	default:
		return "not known yet"
	}
}

// roundTo2 keeps two digits: the figure is an estimate, and should neither look exact nor flicker.
func roundTo2(h float64) int64 {
	if h < 100 {
		return int64(h)
	}
	p := math.Pow(10, math.Floor(math.Log10(h))-1)
	return int64(math.Floor(h/p) * p)
}
