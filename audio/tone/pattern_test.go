package tone

import (
	"strings"
	"testing"

	"linekeep/audio/tone/spandsp"
)

// TestTrapOneFrequencyAlone and the other tests here hold for the plans of all countries what spandsp's traps ask of them: what
// happens to one who does not is in audio/tone/spandsp. This one cannot be shown there: with one frequency the library reads a
// second that nobody has written.
func TestTrapOneFrequencyAlone(t *testing.T) {
	for _, c := range append(countries(), country{code: "one pitch", tones: []sound{{Dial, "425"}, {Busy, "425/500,0/500"}}}) {
		p := planned(t, c)
		for r, hz := range p.hz {
			if len(hz) == 1 {
				t.Errorf("%s: receiver %d has %d Hz alone", c.code, r, hz[0])
			}
		}
	}
}

func planned(t *testing.T, c country) *plan {
	t.Helper()
	p, err := newPlan(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTrapElementsNameTheFrequencyRegisteredFirst(t *testing.T) {
	for _, c := range countries() {
		var seen [spandsp.Receivers][]int // in the order in which spandsp meets them
		index := func(r, f int) int {
			for i, g := range seen[r] {
				if g == f {
					return i
				}
			}
			seen[r] = append(seen[r], f)
			return len(seen[r]) - 1
		}
		for _, e := range planned(t, c).elements {
			if e.F1 == 0 && e.F2 != 0 || e.F1 < 0 || e.F2 < 0 {
				t.Errorf("%s: %+v: silence is 0 and 0", c.code, e)
			}
			if e.F1 != 0 && e.F2 != 0 {
				if one, two := index(e.Receiver, e.F1), index(e.Receiver, e.F2); one >= two {
					t.Errorf("%s: %+v names number %d before number %d", c.code, e, one, two)
				}
			} else if e.F1 != 0 {
				index(e.Receiver, e.F1)
			}
		}
	}
	// The pair whose second frequency stands already is turned round.
	p := planned(t, country{code: "turned", tones: []sound{{Dial, "350+450"}, {Ringing, "400+450/400,0/200"}}})
	if e := p.elements[1]; e.Receiver != 0 || e.F1 != 450 || e.F2 != 400 {
		t.Errorf("%+v of %v", e, p.hz)
	}
	p = planned(t, country{code: "turned", tones: []sound{{Dial, "350+450"}, {Ringing, "600+450/400,0/200"}}})
	if e := p.elements[1]; e.F1 != 450 || e.F2 != 600 {
		t.Errorf("%+v of %v", e, p.hz)
	}
}

func TestTrapNoTwoFrequenciesOfAReceiverAreNear(t *testing.T) {
	for _, c := range countries() {
		for r, hz := range planned(t, c).hz {
			for i, f := range hz {
				for _, g := range hz[:i] {
					if f-g < 40 && g-f < 40 {
						t.Errorf("%s: receiver %d has %d and %d Hz", c.code, r, f, g)
					}
				}
			}
		}
	}
	if _, err := newPlan(country{tones: []sound{{Dial, "400"}, {Busy, "420/200,0/200"}, {Ringing, "440/400,0/200"}}}); err == nil || !strings.Contains(err.Error(), "near") {
		t.Errorf("three frequencies for two receivers: %v", err)
	}
}

func TestTrapEveryCadenceIsEvenAndFitsTheReceiversMemory(t *testing.T) {
	for _, c := range countries() {
		p := planned(t, c)
		steps := map[[2]int]int{}
		for _, e := range p.elements {
			steps[[2]int{e.Receiver, e.Tone}]++
		}
		for at, n := range steps {
			if tone := p.tones[at[0]][at[1]]; tone != Information && n != 1 && n%2 != 0 || n > maxElements {
				t.Errorf("%s: %s has %d steps", c.code, tone, n)
			}
		}
	}
	if _, err := newPlan(country{tones: []sound{{Busy, "425/500,0/500,425/500"}}}); err == nil {
		t.Error("a cadence of three steps is taken")
	}
}

func TestACadenceThatIsNoneIsRefused(t *testing.T) {
	for _, cadence := range []string{"", "x", "400+y", "400/z", "400/500,,0/500"} {
		if _, err := newPlan(country{code: "XX", tones: []sound{{Busy, cadence}}}); err == nil || !strings.Contains(err.Error(), "XX") {
			t.Errorf("%q: %v", cadence, err)
		}
	}
}
