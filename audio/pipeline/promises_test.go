package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mono() *fakeLine                  { return &fakeLine{info: line.Info{Channels: 1}} }
func twoWay() *fakeLine                { return &fakeLine{info: line.Info{Channels: 2}} }
func hooked() *fakeLine                { return &fakeLine{info: line.Info{Channels: 2, Signals: true}} }
func at(d time.Duration) line.Position { return line.In(d) }

func (l *fakeLine) signal(kind line.Kind, at line.Position) *fakeLine {
	l.events = append(l.events, line.Event{Kind: kind, At: at})
	return l
}

func one(l *fakeLine) []LineConfig {
	return []LineConfig{{ID: "reception", Class: "standard", Line: l, Call: quick()}}
}

// only is the single recording of a sink.
func only(t *testing.T, s *memSink) *kept {
	t.Helper()
	if len(s.order) != 1 {
		t.Fatalf("%d recordings, expected 1", len(s.order))
	}
	k := s.calls[s.order[0]]
	if k.closing == nil {
		t.Fatal("the recording has no end")
	}
	return k
}

// gaps are the gaps of a track, those joined that touch and have one cause.
func (k *kept) gaps(party segment.Party) (gaps []segment.Gap) {
	for _, p := range k.pieces[party] {
		if p.Packet != nil {
			continue
		}
		if n := len(gaps); n > 0 && gaps[n-1].Cause == p.Cause && gaps[n-1].At+gaps[n-1].Len == p.At {
			gaps[n-1].Len += p.Len
			continue
		}
		gaps = append(gaps, segment.Gap{At: p.At, Len: p.Len, Cause: p.Cause})
	}
	return gaps
}

func TestACallIsRecordedFromItsPreRollToItsHoldTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := twoWay().say(false, time.Second).say(true, 2*time.Second).say(false, 2*time.Second)
		sink := newMemSink(t)
		run(t, one(l), sink, stampEncoder, 6*time.Second, nil)
		k := only(t, sink)
		if want := 200*time.Millisecond + 2*time.Second + 500*time.Millisecond; k.closing.Length.Duration() != want {
			t.Errorf("length %v, expected %v", k.closing.Length.Duration(), want)
		}
		if begin := k.opening.Start.Sub(l.start); begin != 800*time.Millisecond {
			t.Errorf("begins at %v, expected 800ms", begin)
		}
		if k.opening.Trigger != segment.BySound || k.closing.Reason != segment.EndSilence || k.closing.Silent {
			t.Errorf("trigger %v, reason %v, silent %v", k.opening.Trigger, k.closing.Reason, k.closing.Silent)
		}
		if len(k.gaps(segment.Office))+len(k.gaps(segment.Caller)) != 0 {
			t.Errorf("gaps in a recording without loss: %v", k.pieces)
		}
		last := k.pieces[segment.Office][len(k.pieces[segment.Office])-1]
		if !last.Tail {
			t.Error("the recording ends without a tail")
		}
	})
}

func TestALossIsMarkedWhereItHappenedEvenInThePreRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := twoWay().say(false, time.Second).lose(37, line.CauseOverrun).say(false, 100*time.Millisecond).
			say(true, time.Second).lose(3001, line.CauseGone).say(true, time.Second).say(false, time.Second)
		sink := newMemSink(t)
		run(t, one(l), sink, stampEncoder, 6*time.Second, nil)
		k := only(t, sink)
		begin := line.In(k.opening.Start.Sub(l.start))
		want := []segment.Gap{
			{At: 8000 - begin, Len: 37, Cause: segment.Cause(line.CauseOverrun)},
			{At: 8000 + 37 + 800 + 8000 - begin, Len: 3001, Cause: segment.Cause(line.CauseGone)},
		}
		for _, party := range k.opening.Parties {
			if got := k.gaps(party); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
				t.Errorf("%v: gaps %v, expected %v", party, got, want)
			}
		}
	})
}

func TestP02_WhenTheQueueIsFullTheNewestIsDroppedCountedAndMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := twoWay().say(true, 20*time.Second).say(false, time.Second)
		sink := newMemSink(t)
		held := false
		sink.commit = func(*segment.Group) error {
			if !held {
				held = true
				<-time.After(8 * time.Second) // the queue takes 4 s of them
			}
			return nil
		}
		p := run(t, one(l), sink, stampEncoder, 25*time.Second, nil)
		k := only(t, sink)
		gaps := k.gaps(segment.Office)
		if len(gaps) != 1 || gaps[0].Cause != segment.CauseQueue || gaps[0].Len != line.In(time.Duration(p.Totals().Dropped)*segment.Tick) {
			t.Errorf("gaps %v for %d dropped groups", gaps, p.Totals().Dropped)
		}
		if d := p.Totals().Dropped; d < 6 || d > 9 {
			t.Errorf("%d groups dropped, expected 8 s less the 4 s of the queue", d)
		}
		if got := p.Status(nil)[0].Lost[segment.CauseQueue]; got != gaps[0].Len {
			t.Errorf("status counts %d samples lost, the recording %d", got, gaps[0].Len)
		}
	})
}

func TestP02_AWholeCallThatDidNotFitTheQueueIsStillTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := twoWay().say(true, 3*time.Second).say(false, 9*time.Second).say(true, time.Second).say(false, 20*time.Second)
		long := twoWay().say(true, 40*time.Second)
		sink := newMemSink(t)
		sink.commit = func(*segment.Group) error {
			if time.Since(l.start) < 10*time.Second {
				<-time.After(10 * time.Second)
			}
			return nil
		}
		lines := append(one(l), LineConfig{ID: "other", Line: long, Call: quick()})
		run(t, lines, sink, stampEncoder, 40*time.Second, nil)
		if len(sink.order) != 3 {
			t.Fatalf("%d recordings, expected 3", len(sink.order))
		}
		for _, id := range sink.order {
			if k := sink.calls[id]; k.closing == nil || k.at[segment.Office] != k.closing.Length {
				t.Errorf("call %d: %d samples, closing %+v", id, k.at[segment.Office], k.closing)
			}
		}
	})
}

type fullDisk struct{}

func (fullDisk) Error() string        { return "disk full" }
func (fullDisk) Cause() segment.Cause { return 21 }

func TestWhatTheSinkRefusesIsAGapAndTheRecordingGoesOn(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want segment.Cause
	}{
		"any error":               {errors.New("no"), segment.CauseStore},
		"one that says its cause": {fullDisk{}, 21},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := twoWay().say(true, 10*time.Second).lose(77, line.CauseGone).say(true, time.Second).say(false, time.Second)
				sink := newMemSink(t)
				sink.commit = func(*segment.Group) error {
					if s := time.Since(l.start); s > 3*time.Second && s < 12*time.Second {
						return tt.err
					}
					return nil
				}
				p := run(t, one(l), sink, stampEncoder, 20*time.Second, nil)
				k := only(t, sink)
				if k.at[segment.Caller] != k.closing.Length || k.closing.Length != line.In(10*time.Second)+77+line.In(1500*time.Millisecond) {
					t.Errorf("track of %d, length %d", k.at[segment.Caller], k.closing.Length)
				}
				gaps := k.gaps(segment.Office)
				if len(gaps) != 3 || gaps[0].Cause != tt.want || gaps[1].Cause != segment.Cause(line.CauseGone) || gaps[1].Len != 77 || gaps[2].Cause != tt.want {
					t.Errorf("gaps %v", gaps)
				}
				if gaps[0].At%line.In(segment.Tick) != 0 || gaps[0].At > line.In(3500*time.Millisecond) {
					t.Errorf("the gap begins at %d", gaps[0].At)
				}
				if p.Totals().Failed < 17 {
					t.Errorf("%d failed groups counted", p.Totals().Failed)
				}
			})
		})
	}
}

func TestStopInMidCallKeepsEverythingHeardAndEndsTheCall(t *testing.T) {
	for _, lookback := range []time.Duration{0, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l := twoWay().say(true, 100*time.Second)
			lines := one(l)
			lines[0].Lookback = lookback
			sink := newMemSink(t)
			run(t, lines, sink, stampEncoder, 7310*time.Millisecond, nil)
			k := only(t, sink)
			if k.closing.Reason != segment.EndStop || k.closing.Length != at(7300*time.Millisecond) {
				t.Errorf("lookback %v: reason %v, length %v", lookback, k.closing.Reason, k.closing.Length.Duration())
			}
		})
	}
}

func TestALineWhoseSourceStoppedEndsItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := twoWay().say(true, 3*time.Second)
		l.ends = true
		sink := newMemSink(t)
		run(t, one(l), sink, stampEncoder, 0, func(p *Pipeline) {
			wait(5 * time.Second)
			if s := p.Status(nil)[0].State; s != StateDown {
				t.Errorf("state %v, expected down", s)
			}
		})
		if k := only(t, sink); k.closing.Length != at(3*time.Second) {
			t.Errorf("length %d", k.closing.Length)
		}
	})
}

func TestPausedSoundNeverReachesTheSinkNotEvenThatHeardBeforeThePause(t *testing.T) {
	for _, lookback := range []time.Duration{0, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l := twoWay().say(true, 20*time.Second).say(false, time.Second)
			lines := one(l)
			lines[0].Lookback = lookback
			sink := newMemSink(t)
			var from, to time.Duration
			p := run(t, lines, sink, stampEncoder, 0, func(p *Pipeline) {
				wait(5010 * time.Millisecond)
				p.Pause("reception")
				p.Pause("reception")
				from = time.Since(l.start) - lookback
				wait(3030 * time.Millisecond)
				if s := p.Status(nil)[0].State; s != StatePaused {
					t.Errorf("state %v, expected paused", s)
				}
				p.Resume("reception")
				to = time.Since(l.start)
				wait(16 * time.Second)
			})
			k := only(t, sink)
			gaps := k.gaps(segment.Office)
			// Whole frames are cut: those that end after from and begin before to.
			first, last := at(from)/160*160, (at(to)+159)/160*160
			if len(gaps) != 1 || gaps[0] != (segment.Gap{At: first, Len: last - first, Cause: segment.CausePaused}) {
				t.Errorf("lookback %v: gaps %v, expected one from %d to %d", lookback, gaps, first, last)
			}
			if k.closing.Length != at(20500*time.Millisecond) {
				t.Errorf("length %d", k.closing.Length)
			}
			if got := p.Status(nil)[0].Lost[segment.CausePaused]; got != last-first {
				t.Errorf("status counts %d", got)
			}
			if there, _ := p.Resume("nobody"); there || p.Pause("nobody") {
				t.Error("a line that is not there was paused")
			}
		})
	}
}

func TestACallThatBeginsInAPauseKeepsThePauseOutOfItsPreRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := twoWay().say(false, 2*time.Second).say(true, 3*time.Second).say(false, time.Second)
		sink := newMemSink(t)
		run(t, one(l), sink, stampEncoder, 0, func(p *Pipeline) {
			wait(time.Second)
			p.Pause("reception")
			wait(2 * time.Second)
			p.Resume("reception")
			wait(5 * time.Second)
		})
		k := only(t, sink)
		if gaps := k.gaps(segment.Caller); len(gaps) != 1 || gaps[0].At != 0 || gaps[0].Len != at(1200*time.Millisecond) {
			t.Errorf("gaps %v, expected the 200 ms of pre-roll and the first second of speech", gaps)
		}
	})
}

func TestARecordingGoesOnInAnotherOneWithoutALostOrDoubledSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := twoWay().say(true, 150*time.Second).say(false, time.Second)
		lines := one(l)
		lines[0].Call.MaxLength = time.Minute
		sink := newMemSink(t)
		p := run(t, lines, sink, stampEncoder, 160*time.Second, nil)
		checkLine(t, p, l, lines[0], sink)
		if len(sink.order) != 3 {
			t.Fatalf("%d recordings, expected 3", len(sink.order))
		}
		for i, id := range sink.order {
			k := sink.calls[id]
			if i > 0 && (k.opening.Continues != sink.order[i-1] || k.opening.Trigger != segment.ByLength) {
				t.Errorf("recording %d continues %d by %v", i, k.opening.Continues, k.opening.Trigger)
			}
			if i < 2 && (k.closing.Reason != segment.EndLength || k.closing.Length != at(time.Minute)) {
				t.Errorf("recording %d ends by %v after %v", i, k.closing.Reason, k.closing.Length.Duration())
			}
		}
	})
}

func TestAnEncoderThatRefusesLeavesAGapOfOneFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mono().say(true, 2*time.Second).say(false, time.Second)
		n := 0
		codec := &stampCodec{refuse: func() bool { n++; return n == 20 }}
		sink := newMemSink(t)
		var log strings.Builder
		l.start = time.Now()
		p, err := New(Config{NewEncoder: func() (Encoder, error) { return codec, nil }}, one(l), sink, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
		defer stop()
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if err := p.Run(ctx); err == nil {
			t.Error("a second Run was taken")
		}
		gaps := only(t, sink).gaps(segment.Both)
		if len(gaps) != 1 || gaps[0] != (segment.Gap{At: 19 * 160, Len: 160, Cause: segment.CauseEncoder}) {
			t.Errorf("gaps %v, expected the 20th frame", gaps)
		}
		if !strings.Contains(log.String(), "encoder refused sound") || codec.resets < 2 {
			t.Errorf("log %q, %d resets", log.String(), codec.resets)
		}
	})
}

func TestSignalsMakeTheCallAndItsFacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hooked().say(false, 10*time.Second)
		l.signal(line.Seized, 8010)
		l.events = append(l.events, line.Event{Kind: line.Numbered, At: 9000, Side: line.Remote, Number: "02079460123"})
		l.signal(line.Answered, 16_000).signal(line.Released, 40_010)
		sink := newMemSink(t)
		p := run(t, one(l), sink, stampEncoder, 9*time.Second, nil)
		k := only(t, sink)
		if k.opening.Trigger != segment.BySignal || k.closing.Reason != segment.EndSignal || !k.closing.Answered || !k.closing.Silent ||
			k.closing.Direction != line.Outgoing || k.closing.Number.Reveal() != "02079460123" {
			t.Errorf("opening %+v, closing %+v", k.opening, k.closing)
		}
		if s := p.Status(nil)[0]; s.Seen != 1 || s.Began != 1 || s.Ended != 1 || s.ID != "reception" || len(s.Sides) != 2 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	good := func() (Config, []LineConfig) { return Config{NewEncoder: stampEncoder}, one(mono()) }
	for name, spoil := range map[string]func(*Config, *[]LineConfig){
		"no encoder": func(c *Config, _ *[]LineConfig) { c.NewEncoder = nil },
		"an encoder that fails": func(c *Config, _ *[]LineConfig) {
			c.NewEncoder = func() (Encoder, error) { return nil, errors.New("no") }
		},
		"workers":           func(c *Config, _ *[]LineConfig) { c.Workers = -1 },
		"no id":             func(_ *Config, l *[]LineConfig) { (*l)[0].ID = "" },
		"no line":           func(_ *Config, l *[]LineConfig) { (*l)[0].Line = nil },
		"lookback":          func(_ *Config, l *[]LineConfig) { (*l)[0].Lookback = time.Minute },
		"call settings":     func(_ *Config, l *[]LineConfig) { (*l)[0].Call.Hold = 0 },
		"the same id twice": func(_ *Config, l *[]LineConfig) { *l = append(*l, (*l)[0]) },
	} {
		cfg, lines := good()
		spoil(&cfg, &lines)
		if _, err := New(cfg, lines, newMemSink(t), time.Now, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestWithoutLinesThePipelineWaitsForItsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run(t, nil, newMemSink(t), stampEncoder, time.Minute, nil)
	})
}
