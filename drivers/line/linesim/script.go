package linesim

import (
	"fmt"
	"slices"
	"time"

	"linekeep/drivers/line"
)

// Script is what happens on one simulated line. Parse makes it; it never changes.
type Script struct {
	name     string
	channels int
	law      line.Law
	signals  signals
	noise    float64 // dBFS
	hum      float64 // dBFS; 0 is none
	steps    []step
	loops    bool
}

// Name is what the script calls its line.
func (s *Script) Name() string { return s.name }

// Channels is how many sound channels the line has.
func (s *Script) Channels() int { return s.channels }

// Clips are the recordings the script plays, each once, in order of name.
func (s *Script) Clips() []string {
	var names []string
	for _, st := range s.steps {
		for _, clip := range st.clips {
			if clip != "" {
				names = append(names, clip)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// signals says what the line tells beside its sound.
type signals uint8

const (
	noSignals signals = iota // nothing: calls are found by their sound
	hook                     // an analogue card: rings, off-hook, on-hook, dialled digits
	digital                  // an ISDN line: SETUP, ALERTING, CONNECT, RELEASE, both numbers
)

type verb uint8

const (
	idle verb = iota + 1
	call
	ring
	answer
	say
	pause
	keys
	click
	hangup
	lose
	unplug
)

// step is one statement.
type step struct {
	verb              verb
	lasts             span      // idle, pause, lose, unplug
	after             span      // lose, unplug
	count             int       // ring
	clips             [2]string // say: by side
	gain              float64   // say: dB
	direction         line.Direction
	number, extension line.Number // call; keys: number
}

// span is a duration, or the choice between two that the seed makes.
type span struct{ min, max line.Samples }

func (s span) pick(dice uint64) line.Samples {
	if s.max <= s.min {
		return s.min
	}
	return s.min + line.Samples(dice%uint64(s.max-s.min+1))
}

// SyntaxError is a fault in a script, at its place.
type SyntaxError struct {
	File         string
	Line, Column int // both count from 1; Column counts bytes
	Problem      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Problem)
}

// Limits that keep a fault in a script from becoming a simulator that eats the machine.
const (
	maxScript   = 64 << 10
	maxDuration = 24 * time.Hour
	maxRings    = 20
	maxGain     = 12.0
	minGain     = -60.0
	maxDigits   = 32
)
