package pipeline

import (
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/segment"
)

// A pause that somebody forgets must not be the end of recording; and the sound from its end on is all there.
func TestAPauseThatNobodyEndsEndsByItselfAndTheGapSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := twoWay().say(true, 40*time.Second).say(false, time.Second)
		lines := one(l)
		lines[0].PauseFor = 15 * time.Second
		sink := newMemSink(t)
		run(t, lines, sink, stampEncoder, 0, func(p *Pipeline) {
			wait(5 * time.Second)
			if !p.Pause("reception") {
				t.Error("no such line")
			}
			wait(20 * time.Second)
			if s := p.Status(nil)[0].State; s != StateCall {
				t.Errorf("after its time: %v, expected a call", s)
			}
			if there, paused := p.Resume("reception"); !there || paused {
				t.Errorf("Resume: there %v, paused %v", there, paused)
			}
			wait(20 * time.Second)
		})
		want := segment.Gap{At: at(5 * time.Second), Len: at(15 * time.Second), Cause: segment.CausePaused}
		if gaps := only(t, sink).gaps(segment.Office); len(gaps) != 1 || gaps[0] != want {
			t.Errorf("gaps %v, expected %v", gaps, want)
		}
	})
}

func TestASecondPauseNeverMakesTheFirstShorter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := twoWay().say(true, 60*time.Second)
		run(t, one(l), newMemSink(t), stampEncoder, 0, func(p *Pipeline) {
			wait(time.Second)
			long, _, err := p.PauseFor("reception", 30*time.Second)
			if want := time.Now().Add(30 * time.Second); err != nil || !long.Equal(want) {
				t.Errorf("until %v, %v; expected %v", long, err, want)
			}
			if until, _, err := p.PauseFor("reception", 10*time.Second); err != nil || !until.Equal(long) {
				t.Errorf("a shorter one: until %v, %v; expected %v", until, err, long)
			}
			if until, _, err := p.PauseFor("reception", time.Minute); err != nil || !until.Equal(time.Now().Add(time.Minute)) {
				t.Errorf("a longer one: until %v, %v", until, err)
			}
			if there, paused := p.Resume("reception"); !there || !paused {
				t.Errorf("Resume: there %v, paused %v", there, paused)
			}
			wait(time.Second)
			if until, _, err := p.PauseFor("reception", 10*time.Second); err != nil || !until.Equal(time.Now().Add(10*time.Second)) {
				t.Errorf("after Resume: until %v, %v; the long one is over", until, err)
			}
			if until, there, err := p.PauseFor("reception", 0); !there || err != nil || !until.Equal(time.Now().Add(DefaultPause)) {
				t.Errorf("the line's own time: %v, %v, %v", until, there, err)
			}
		})
	})
}

func TestAPauseHasBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run(t, one(twoWay().say(false, 3*time.Second)), newMemSink(t), stampEncoder, 0, func(p *Pipeline) {
			for _, d := range []time.Duration{-time.Second, time.Second, 2 * time.Hour} {
				if _, there, err := p.PauseFor("reception", d); !there || err == nil {
					t.Errorf("%v: there %v, %v", d, there, err)
				}
			}
			if _, there, _ := p.PauseFor("kitchen", time.Minute); there {
				t.Error("there is no line in the kitchen")
			}
			wait(time.Second)
			if s := p.Status(nil)[0].State; s == StatePaused {
				t.Error("a pause that was refused is on")
			}
		})
	})
	lines := one(twoWay())
	lines[0].PauseFor = 24 * time.Hour
	if _, err := New(Config{NewEncoder: stampEncoder}, lines, newMemSink(t), time.Now, nil); err == nil {
		t.Error("a line with a pause of a day was taken")
	}
}
