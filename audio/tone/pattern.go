package tone

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"linekeep/audio/tone/spandsp"
)

const (
	// apartHz is how near two frequencies may lie in one receiver. Its blocks are 16 ms, so a pure tone leaks into a neighbour:
	// 40 Hz away with -7 dB, too near to the 6 dB that make two tones one pair; 45 Hz away with -9 dB. (Within 10 Hz
	// spandsp even makes one of the two.)
	apartHz = 45
	// cadenceMS is how long a cadence of two steps is heard before it is believed: busy twice, a quick one up to five times.
	// After 1.2 s a woman's voice was once taken for the Czech busy tone.
	cadenceMS = 1800
	// maxElements is how many steps of the past a receiver keeps.
	maxElements = 10
	// A continuous tone is believed later than a cadenced one: a pair after 0.7 s, a single one after 1.5 s, since music has
	// notes that long.
	steadyPairMS, steadyMS = 700, 1500
	// gapMS is the pause between two tones of an information tone, where a receiver sees one.
	gapMS = 30
	// fallbackHz is a frequency for a receiver that would have one alone: it compares its two best, and with one reads a
	// number that nobody has written. No tone of an exchange is near it.
	fallbackHz = 1100
)

// step is one element of a cadence as it was written.
type step struct{ f1, f2, ms int }

func parse(cadence string) ([]step, error) {
	var steps []step
	for part := range strings.SplitSeq(cadence, ",") {
		var s step
		hz, ms, timed := strings.Cut(part, "/")
		one, two, pair := strings.Cut(hz, "+")
		var err error
		if s.f1, err = strconv.Atoi(one); err != nil {
			return nil, fmt.Errorf("cadence %q: %w", cadence, err)
		}
		if pair {
			if s.f2, err = strconv.Atoi(two); err != nil {
				return nil, fmt.Errorf("cadence %q: %w", cadence, err)
			}
		}
		if timed {
			if s.ms, err = strconv.Atoi(ms); err != nil {
				return nil, fmt.Errorf("cadence %q: %w", cadence, err)
			}
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// plan turns a country's tones into what the receivers are told, and says which tone each of their patterns is.
type plan struct {
	elements []spandsp.Element
	tones    [spandsp.Receivers][]Tone
	hz       [spandsp.Receivers][]int // as registered, which is the order that spandsp compares them in
}

func newPlan(c country) (*plan, error) {
	p := new(plan)
	longest := map[step]int{} // the longest burst of each pitch that is part of a cadence
	var all [][]step
	for _, s := range c.tones {
		steps, err := parse(s.cadence)
		if err != nil {
			return nil, fmt.Errorf("tones of %s: %w", c.code, err)
		}
		all = append(all, steps)
		for _, st := range steps {
			pitch := step{f1: st.f1, f2: st.f2}
			longest[pitch] = max(longest[pitch], st.ms)
		}
	}
	for i, steps := range all {
		if err := p.add(c.tones[i].tone, steps, longest); err != nil {
			return nil, fmt.Errorf("tones of %s: %w", c.code, err)
		}
	}
	for r := range p.hz {
		if len(p.hz[r]) == 1 { // a pattern that is never heard
			n := len(p.tones[r])
			p.tones[r] = append(p.tones[r], 0)
			p.elements = append(p.elements, spandsp.Element{Receiver: r, Tone: n, F1: fallbackHz, Min: 3_600_000})
			p.hz[r] = append(p.hz[r], fallbackHz)
		}
	}
	return p, nil
}

func (p *plan) add(t Tone, steps []step, longest map[step]int) error {
	if t == Information { // exchanges leave 0 to 32 ms between its three tones, and a pause of two blocks is a step of its own
		for _, gaps := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
			if err := p.cadence(t, spaced(steps, gaps)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(steps) > 1 {
		return p.cadence(t, steps)
	}
	r := p.receiver(steps)
	if r < 0 {
		return tooNear(t)
	}
	n := len(p.tones[r])
	p.tones[r] = append(p.tones[r], t)
	pitch := step{f1: steps[0].f1, f2: steps[0].f2}
	least := steadyMS
	if pitch.f2 != 0 {
		least = steadyPairMS
	}
	e := p.element(r, n, pitch)
	e.Min = max(least, longest[pitch]*5/4+100)
	p.elements = append(p.elements, e)
	return nil
}

// spaced puts pauses after the first and the second of three tones.
func spaced(steps []step, gaps [2]bool) []step {
	var all []step
	for i, s := range steps {
		all = append(all, s)
		if i < len(gaps) && gaps[i] {
			all = append(all, step{ms: gapMS})
		}
	}
	return all
}

// cadence is what comes and goes.
func (p *plan) cadence(t Tone, steps []step) error {
	r := p.receiver(steps)
	if r < 0 {
		return tooNear(t)
	}
	if t != Information && len(steps)%2 != 0 || len(steps) > maxElements {
		return fmt.Errorf("%s: a cadence of %d steps; a receiver follows an even number, and at most %d", t, len(steps), maxElements)
	}
	p.sequence(r, t, repeated(steps))
	return nil
}

func tooNear(t Tone) error {
	return fmt.Errorf("%s: its frequencies lie too near to those of others", t)
}

func (p *plan) sequence(r int, t Tone, steps []step) {
	n := len(p.tones[r])
	p.tones[r] = append(p.tones[r], t)
	for _, st := range steps {
		e := p.element(r, n, st)
		e.Min, e.Max = st.ms-st.ms*12/100-24, st.ms+st.ms*12/100+24
		p.elements = append(p.elements, e)
	}
	last := &p.elements[len(p.elements)-1]
	switch t {
	case Information: // an announcement begins at any time, and it does not come again
		last.Min, last.Max = 48, 3000
	case Ringing: // whoever answers does so in the pause: it is told before the pause is over
		last.Min = last.Min * 2 / 5
	}
}

// repeated is a cadence as often as it must be heard. It stays even, so that a receiver can follow it round.
func repeated(steps []step) []step {
	total := 0
	for _, s := range steps {
		total += s.ms
	}
	all := slices.Clone(steps)
	if len(steps) > 2 {
		return all
	}
	for n := total; n < cadenceMS && len(all)+len(steps) <= maxElements; n += total {
		all = append(all, steps...)
	}
	return all
}

// receiver is the first in which all frequencies of steps stand already or are far from the others.
func (p *plan) receiver(steps []step) int {
	return slices.IndexFunc([]int{0, 1}, func(r int) bool {
		for _, s := range steps {
			for _, f := range []int{s.f1, s.f2} {
				near := func(g int) bool { return f != 0 && f != g && f-g < apartHz && g-f < apartHz }
				if !slices.Contains(p.hz[r], f) && slices.ContainsFunc(p.hz[r], near) {
					return false
				}
			}
		}
		return true
	})
}

// element names the frequency that was registered first as the first: spandsp never matches a pair in the other order.
func (p *plan) element(r, tone int, s step) spandsp.Element {
	for _, f := range []int{s.f1, s.f2} {
		if f != 0 && !slices.Contains(p.hz[r], f) {
			p.hz[r] = append(p.hz[r], f)
		}
	}
	if s.f2 != 0 && slices.Index(p.hz[r], s.f2) < slices.Index(p.hz[r], s.f1) {
		s.f1, s.f2 = s.f2, s.f1
	}
	return spandsp.Element{Receiver: r, Tone: tone, F1: s.f1, F2: s.f2}
}
