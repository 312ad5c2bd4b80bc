package view

import (
	"strconv"
	"time"

	"linekeep/ui/api"
)

// Page is the home page in words. Its fields are read by the templates.
type Page struct {
	Glass  Glass
	Head   Head
	Alarms []Notice
	Lines  []Line
	Sum    Sum
	Lamps  Lamps
	Facts  Facts
	Foot   Foot
	Site   string
	Box    string
	// Liveness says how old the page is until its script says that it is live.
	Liveness string
}

// Shape names a symbol of the sprite. A state always has a shape, a tone and a word.
type Shape string

// Tone names the kind of a state, by which it gets its colour.
type Tone string

// The shapes of this page; each has one meaning, listed in the look.
const (
	shapeLamp  Shape = "lamp"
	shapeUp    Shape = "up"
	shapeOff   Shape = "off"
	shapeDue   Shape = "due"
	shapeFault Shape = "fault"
	shapeDone  Shape = "done"
	shapePause Shape = "pause"
	shapeDash  Shape = "dash"
	shapeRing  Shape = "ring"
)

// The tones of a state.
const (
	toneGood  Tone = "good"
	toneDue   Tone = "due"
	toneFault Tone = "fault"
	toneInk   Tone = "ink"
	toneQuiet Tone = "quiet"
	tonePlain Tone = "plain"
	toneOff   Tone = "off"
)

// Glass is the strip at the top: is it recording?
type Glass struct {
	Shape  Shape
	Tone   Tone
	Word   string
	More   string
	Alarms string // "1 alarm"; empty when there is none
	Worst  Shape
	Bad    Tone
}

// Head is the answer in one sentence.
type Head struct {
	Day, Sentence, Lead string
}

// State is a shape and a word.
type State struct {
	Shape Shape
	Tone  Tone
	Word  string
}

// Notice is an alarm.
type Notice struct {
	ID                 string
	Shape              Shape
	Tone               Tone
	Title, Text, Since string
	Todo               string
}

// Line is one row.
type Line struct {
	Number int
	Class  string // is-idle, is-up, is-paused, is-fault
	Label  string
	Today  string
	State  State
	Since  string // "since 09:11"
	For    string // "4 min 12 s"
	ForKey string
	Why    string
	Meters []Meter
}

// Meter is the level of one side.
type Meter struct {
	Key    string
	Name   string // "Office"
	Spoken string // "Reception, office side"
	Class  string // is-office, is-caller, and is-thin when the line is idle
	Gauge  bool   // false: hatched, nothing is measured
	Lit    string // "71.7%"
	Peak   string
	DB     int
	Value  string // "good, −23 decibels"
}

// Sum is the completeness statement of the day.
type Sum struct {
	State                             State
	Seen, Recorded, Now, Gaps, Missed uint64
	Note                              string
}

// Lamps are the lamps on the face of the box.
type Lamps struct {
	Power       Lamp
	Main, Lines []Lamp
	Few         bool // all lamps fit in one row, as on the small box
}

// Lamp is one lamp.
type Lamp struct {
	Shape       Shape
	Tone        Tone
	Name        string
	Before, Say string // spoken only: "Line " before the name, ": call" after it
}

// Facts are what else is worth knowing about the box.
type Facts struct {
	Store   State
	Lag     string
	Room    string
	Running string
	Version string
}

// Foot is the last line of the page.
type Foot struct {
	Day, Clock, Box, Version string
}

// page puts st into words.
func page(st api.Status) Page {
	p := Page{Site: st.Site, Box: st.Box, Liveness: "As it was at " + st.Now.Format("15:04:05") + "."}
	p.Glass = glass(st)
	p.Alarms = notices(st)
	for i, l := range st.Lines {
		p.Lines = append(p.Lines, row(st.Now, i, l))
	}
	p.Sum = sum(st.Today)
	p.Head = head(st)
	p.Lamps = lamps(st)
	p.Facts = facts(st)
	p.Foot = Foot{Day: longDay(st.Now), Clock: st.Now.Format("15:04:05"), Box: st.Box, Version: st.Version}
	return p
}

// row is one line in words.
func row(now time.Time, i int, l api.Line) Line {
	r := Line{
		Number: i + 1, Label: l.Label, Today: tally(l.Today), ForKey: "for-" + strconv.Itoa(i),
		State: State{shapeOff, toneQuiet, "No call"}, Class: "is-idle",
	}
	if r.Label == "" {
		r.Label = l.ID
	}
	since, length := since(now, l.Since), length(now.Sub(l.Since))
	switch l.State {
	case api.Call:
		r.Class, r.State = "is-up", State{shapeUp, toneInk, "Call in progress"}
		r.Since, r.For = since, length
	case api.Ringing:
		r.Class, r.State = "is-ringing", State{shapeRing, toneInk, "Ringing"}
		r.Since, r.For = since, length
	case api.Paused:
		r.Class, r.State = "is-paused", State{shapePause, tonePlain, "Paused"}
		r.Since, r.For = since, length
	case api.Fault:
		r.Class, r.State = "is-fault", State{shapeFault, toneFault, "Not recorded"}
		r.Since, r.Why = since, l.Fault
	default:
		r.Since = "line is fine"
	}
	for j, s := range l.Sides {
		r.Meters = append(r.Meters, meter(r, i, j, s, l.State))
	}
	return r
}

// meter draws one side. Where nothing is kept of what is heard, the ruler is hatched: stopped, or not known.
func meter(r Line, i, j int, s api.Side, state api.LineState) Meter {
	g := gauge(s)
	m := Meter{
		Key: "m-" + strconv.Itoa(i) + "-" + strconv.Itoa(j), Name: s.Name, Class: "is-office",
		Spoken: r.Label + ", " + side(s.Name), Gauge: state != api.Paused && state != api.Fault,
		Lit: percent(g.Lit), Peak: percent(g.Peak), DB: g.DB, Value: loudness(s),
	}
	if j == 1 || s.Name == "Caller" {
		m.Class = "is-caller"
	}
	if state == api.Idle {
		m.Class += " is-thin"
	}
	return m
}
