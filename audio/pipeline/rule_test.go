package pipeline

import (
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/rule"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// private is a number that is never recorded.
const private = line.Number("07700900123")

func ruled(l *fakeLine, r rule.Rule, lookback time.Duration) []LineConfig {
	if r.Excluded == nil {
		r.Excluded = func(n line.Number) bool { return n == private }
	}
	return []LineConfig{{ID: "reception", Class: "standard", Line: l, Call: quick(), Rule: r, Lookback: lookback}}
}

func (l *fakeLine) number(n line.Number, at line.Position) *fakeLine {
	l.events = append(l.events, line.Event{Kind: line.Numbered, At: at, Side: line.Remote, Number: n})
	return l
}

func TestOfACallThatIsNotToBeRecordedNothingLeavesTheLineButThatItWas(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule rule.Rule
		want rule.Verdict
	}{
		{"an excluded number known before the answer", rule.Rule{}, rule.Excluded},
		{"a line never recorded", rule.Rule{Mode: rule.Never, Excluded: func(line.Number) bool { return false }}, rule.ByLine},
		{"a call nobody asked for", rule.Rule{Mode: rule.OnDemand, Excluded: func(line.Number) bool { return false }}, rule.NotAsked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := hooked().say(false, 8*time.Second).signal(line.Ringing, 800).number(private, 900)
				l.signal(line.Seized, 16_000).signal(line.Released, 48_000)
				sink := newMemSink(t)
				p := run(t, ruled(l, tt.rule, 0), sink, stampEncoder, 9*time.Second, nil)
				if len(sink.order) != 0 {
					t.Errorf("%d recordings, expected none", len(sink.order))
				}
				if s := p.Status(nil)[0]; s.Seen != 1 || s.Began != 0 || s.Calls != 0 || s.Left[tt.want] != 1 {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

// A number can come after the sound: then what was stored has to go.
func TestACallWhoseNumberIsKnownTooLateIsHandedOverToBeErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hooked().say(false, 8*time.Second).signal(line.Seized, 8000).number(private, 32_000).signal(line.Released, 56_000)
		sink := newMemSink(t)
		p := run(t, ruled(l, rule.Rule{}, 0), sink, stampEncoder, 9*time.Second, nil)
		k := only(t, sink)
		if k.closing.Reason != segment.EndExcluded || k.closing.Number != "" || k.closing.Length.Duration() > 4*time.Second {
			t.Errorf("closing %+v", k.closing)
		}
		if s := p.Status(nil)[0]; s.Seen != 1 || s.Calls != 0 || s.Left[rule.Excluded] != 1 || s.Began != s.Ended {
			t.Errorf("status %+v", s)
		}
	})
}

// With a lookback the number often comes before any sound is encoded.
func TestANumberKnownWithinTheLookbackKeepsEveryPacketBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hooked().say(false, 8*time.Second).signal(line.Seized, 8000).number(private, 16_000).signal(line.Released, 48_000)
		sink := newMemSink(t)
		p := run(t, ruled(l, rule.Rule{}, 2*time.Second), sink, stampEncoder, 9*time.Second, nil)
		if s := p.Status(nil)[0]; len(sink.order) != 0 || s.Left[rule.Excluded] != 1 || s.Began != 0 {
			t.Errorf("%d recordings, status %+v", len(sink.order), s)
		}
	})
}

func TestACallAskedForIsRecordedFromThatMomentOnAndTheNextIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hooked().say(false, 10*time.Second).signal(line.Seized, 8000).number("01632960018", 9000).signal(line.Released, 40_000)
		l.signal(line.Seized, 48_000).signal(line.Released, 64_000)
		sink := newMemSink(t)
		p := run(t, ruled(l, rule.Rule{Mode: rule.OnDemand}, 0), sink, stampEncoder, 0, func(p *Pipeline) {
			if there, up := p.Record("reception"); !there || up {
				t.Errorf("before the call: there %v, up %v", there, up)
			}
			if there, _ := p.Record("kitchen"); there {
				t.Error("there is no line in the kitchen")
			}
			wait(3 * time.Second)
			if there, up := p.Record("reception"); !there || !up {
				t.Errorf("in the call: there %v, up %v", there, up)
			}
			wait(8 * time.Second)
		})
		k := only(t, sink)
		begin := k.opening.Start.Sub(l.start)
		if k.opening.Trigger != segment.ByRequest || begin < 2900*time.Millisecond || begin > 3200*time.Millisecond || k.closing.Number != "01632960018" {
			t.Errorf("opening %+v at %v, closing %+v", k.opening, begin, k.closing)
		}
		if s := p.Status(nil)[0]; s.Seen != 2 || s.Calls != 1 || s.Left[rule.NotAsked] != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestACallThatCameToNothingIsAnEntryWithoutSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hooked().say(false, 9*time.Second).signal(line.Ringing, 8000).number("01632960018", 8800).signal(line.Released, 24_000)
		sink := newMemSink(t)
		p := run(t, ruled(l, rule.Rule{}, 0), sink, stampEncoder, 9*time.Second, nil)
		k := only(t, sink)
		if len(k.opening.Parties) != 0 || len(k.pieces) != 0 || k.closing.Reason != segment.EndMissed || k.closing.Number != "01632960018" ||
			k.closing.Direction != line.Incoming || k.opening.Start.Sub(l.start) != time.Second {
			t.Errorf("opening %+v, closing %+v", k.opening, k.closing)
		}
		if s := p.Status(nil)[0]; s.Seen != 1 || s.Missed != 1 || s.Calls != 0 || s.Unfiled != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// sums says whether everything a line saw is accounted for.
func sums(s LineStatus) bool {
	left := uint64(0)
	for _, n := range s.Left {
		left += n
	}
	return s.Seen == s.Calls+s.Entries+s.Unfiled+left+s.Open
}

func TestP02_WhatALineSawIsAccountedForAtEveryMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hooked().say(false, 20*time.Second)
		l.signal(line.Ringing, 4000).signal(line.Released, 12_000) // missed
		l.signal(line.Seized, 16_000).number(private, 40_000).signal(line.Released, 48_000)
		l.signal(line.Seized, 56_000).signal(line.Held, 64_000).signal(line.Retrieved, 72_000).signal(line.Released, 80_000)
		l.signal(line.Ringing, 88_000).number(private, 90_000).signal(line.Released, 96_000) // missed, and excluded
		l.signal(line.Seized, 120_000).signal(line.Released, 144_000)
		for i := range l.events {
			if k := l.events[i].Kind; k == line.Held || k == line.Retrieved {
				l.events[i].Call = 7
			}
		}
		moments := 0
		run(t, ruled(l, rule.Rule{}, 2*time.Second), newMemSink(t), stampEncoder, 0, func(p *Pipeline) {
			for range 21 * 8 {
				wait(125 * time.Millisecond)
				if s := p.Status(nil)[0]; !sums(s) {
					t.Fatalf("after %v: %+v", time.Since(l.start), s)
				} else if s.Open > 0 {
					moments++
				}
			}
			if s := p.Status(nil)[0]; s.Seen != 5 || s.Calls != 2 || s.Entries != 1 || s.Left[rule.Excluded] != 2 || s.Began != 4 || s.Ended != 4 {
				t.Errorf("at the end: %+v", s)
			}
		})
		if moments == 0 {
			t.Error("no call was ever open: the lookback should keep it so")
		}
	})
}
