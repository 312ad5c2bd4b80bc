package health

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/pipeline"
	"linekeep/audio/segment"
	"linekeep/ui/api"
	"linekeep/vault"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
	"linekeep/vault/space"
)

// box is a box whose every part can be set.
type box struct {
	now   time.Time
	lines []pipeline.LineStatus
	vault vault.Status
	beats error // what a heartbeat says
	mem   Memory
	log   bytes.Buffer
	*Health
}

func (b *box) Status(dst []pipeline.LineStatus) []pipeline.LineStatus { return append(dst, b.lines...) }

type vaultOf struct{ *box }

func (v vaultOf) Status() vault.Status            { return v.vault }
func (v vaultOf) Heartbeat(context.Context) error { return v.beats }

// newBox has four lines and nothing wrong with it.
func newBox() *box {
	b := &box{now: start(), vault: vault.Status{Space: space.Status{Free: 120e9}, StopsAt: 1e9, Custody: "AB12"}}
	conf := Config{Site: "Hartley & Rowe", Box: "LK-7F3A", Version: "test", Custody: "AB12", Place: time.UTC, Memory: func() Memory { return b.mem }}
	for _, l := range []Line{{"reception", "Reception"}, {"orders", "Orders"}, {"accounts", "Accounts"}, {"workshop", "Workshop"}} {
		conf.Lines = append(conf.Lines, l)
		b.lines = append(b.lines, pipeline.LineStatus{ID: l.ID, Since: start(), LastFrame: start(), Sides: make([]pipeline.Side, 1)})
	}
	b.Health = New(conf, b, vaultOf{b}, func() time.Time { return b.now }, slog.New(slog.NewTextHandler(&b.log, nil)))
	b.pass(time.Minute)
	b.Filed(Filed{Line: "sold", Length: time.Hour, Bytes: 50e6})
	b.prove(context.Background())
	return b
}

// pass lets time go by on a box that goes on hearing its lines.
func (b *box) pass(d time.Duration) {
	b.now = b.now.Add(d)
	for i := range b.lines {
		if b.lines[i].State != pipeline.StateDown {
			b.lines[i].LastFrame = b.now
		}
	}
}

func codes(st api.Status) []string {
	var all []string
	for _, a := range st.Alarms {
		all = append(all, a.Code)
	}
	return all
}

func TestIsItRecording(t *testing.T) {
	for _, c := range []struct {
		name     string
		do       func(t *testing.T, b *box)
		want     api.Recording
		sentence string
		alarms   []string
	}{
		{name: "all well", do: func(*testing.T, *box) {}, want: api.Yes, sentence: "All 4 lines are working. No call now."},
		{name: "one call", do: func(_ *testing.T, b *box) { b.lines[0].State = pipeline.StateCall },
			want: api.Yes, sentence: "All 4 lines are working. 1 call now."},
		{name: "two calls, one of them paused", do: func(_ *testing.T, b *box) {
			b.lines[0].State = pipeline.StateCall
			b.lines[1].State = pipeline.StatePaused
		}, want: api.Yes, sentence: "All 4 lines are working. 2 calls now."},
		{name: "a line is gone", do: func(_ *testing.T, b *box) { b.lines[2].State = pipeline.StateDown; b.lines[2].Since = start() },
			want: api.Trouble, sentence: "Accounts is not heard since 09:00. The other 3 lines record.", alarms: []string{"line.gone"}},
		{name: "two lines are gone", do: func(_ *testing.T, b *box) {
			b.lines[2].State, b.lines[3].State = pipeline.StateDown, pipeline.StateDown
		},
			want: api.Trouble, sentence: "2 of 4 lines are not heard. The other 2 lines record.", alarms: []string{"line.gone", "line.gone"}},
		{name: "every line is gone", do: func(_ *testing.T, b *box) {
			for i := range b.lines {
				b.lines[i].State = pipeline.StateDown
			}
		}, want: api.No, sentence: "No line is heard. Calls are being lost.", alarms: []string{"line.gone", "line.gone", "line.gone", "line.gone"}},
		{name: "a driver gives nothing and says nothing", do: func(_ *testing.T, b *box) { b.lines[1].LastFrame = start() },
			want: api.Trouble, sentence: "Orders is not heard since 09:00. The other 3 lines record.", alarms: []string{"capture.stuck"}},
		{name: "the pipeline stands still", do: func(_ *testing.T, b *box) { b.now = b.now.Add(stuckAfter + time.Second) },
			want: api.No, sentence: "No line is heard. Calls are being lost.", alarms: []string{"capture.stuck", "capture.stuck", "capture.stuck", "capture.stuck"}},
		{name: "sound of a line is being lost", do: func(_ *testing.T, b *box) { b.lines[1].Lost[segment.CauseQueue] = 800 },
			want: api.Trouble, sentence: "Some sound of Orders is being lost. No call now.", alarms: []string{"line.lossy"}},
		{name: "paused on purpose is no loss", do: func(_ *testing.T, b *box) { b.lines[1].Lost[segment.CausePaused] = 800 },
			want: api.Yes, sentence: "All 4 lines are working. No call now."},
		{name: "the disk does not answer", do: func(t *testing.T, b *box) { b.beats = errors.New("no disk"); b.prove(t.Context()) },
			want: api.No, sentence: "The disk does not answer since 09:01. Calls are being lost.", alarms: []string{"store.silent"}},
		{name: "a heartbeat hangs", do: func(_ *testing.T, b *box) { b.pass(beatWithin + time.Second) },
			want: api.No, sentence: "The disk does not answer since 09:01. Calls are being lost.", alarms: []string{"store.silent"}},
		{name: "it has hung since yesterday", do: func(_ *testing.T, b *box) { b.pass(24 * time.Hour) }, want: api.No,
			sentence: "The disk does not answer since Monday 23 November, 09:01. Calls are being lost.", alarms: []string{"store.silent"}},
		{name: "the disk is full", do: func(_ *testing.T, b *box) { b.vault.Space.State, b.vault.Space.Since = space.Low, start() },
			want: api.No, sentence: "The disk is full since 09:00. Calls are being lost.", alarms: []string{"store.full"}},
		{name: "a full disk takes no heartbeat either, and is said to be full", do: func(t *testing.T, b *box) {
			b.vault.Space.State, b.vault.Space.Since, b.beats = space.Full, start(), errors.New("full")
			b.prove(t.Context())
		}, want: api.No, sentence: "The disk is full since 09:00. Calls are being lost.", alarms: []string{"store.full"}},
		{name: "the disk will soon be full", do: func(_ *testing.T, b *box) { b.vault.Space.Free = 2e9 },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"store.low"}},
		{name: "damage was found", do: func(_ *testing.T, b *box) { b.vault.Findings = []error{errors.New("a shard")} },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"store.mended"}},
		{name: "the custody key is another", do: func(_ *testing.T, b *box) { b.vault.Custody = "CD34" }, want: api.Trouble,
			sentence: "The key that recordings are locked with is not the printed one. No call now.", alarms: []string{"custody.altered"}},
		{name: "a call is up that the vault does not take", do: func(_ *testing.T, b *box) { b.vault.Waiting = 1 },
			want: api.Trouble, sentence: "A call is up that is not being stored. No call now.", alarms: []string{"store.waiting"}},
		{name: "the journal is not emptied", do: func(_ *testing.T, b *box) { b.vault.MoveError = "no room" },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"store.behind"}},
		{name: "something ordered is not erased", do: func(_ *testing.T, b *box) {
			b.vault.Erasing.Failed, b.vault.Erasing.Since = errors.New("the chip is away"), start()
		}, want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"erasure.waits"}},
		{name: "the counter moved as often as it may", do: func(_ *testing.T, b *box) { b.vault.Erasing.Wear = keys.Wear{Today: 20, Budget: 20, Total: 900} },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"counter.busy"}},
		{name: "the counter moved less often", do: func(_ *testing.T, b *box) { b.vault.Erasing.Wear = keys.Wear{Today: 19, Budget: 20, Total: 79_999} },
			want: api.Yes, sentence: "All 4 lines are working. No call now."},
		{name: "the counter is nearly worn out", do: func(_ *testing.T, b *box) { b.vault.Erasing.Wear = keys.Wear{Budget: 20, Total: 80_000} },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"counter.worn"}},
		{name: "the key backup is of an older root", do: func(_ *testing.T, b *box) { b.vault.Erasing.Backup.Err = errors.New("no room") },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"keys.backup"}},
		{name: "there is swap", do: func(_ *testing.T, b *box) { b.mem.Swaps = []string{"/dev/zram0"} },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"memory.swap"}},
		{name: "nobody knows whether there is swap", do: func(_ *testing.T, b *box) { b.mem.SwapsErr = errors.New("no /proc") },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"memory.swap"}},
		{name: "keys are not locked in memory", do: func(_ *testing.T, b *box) { b.mem.Keys = secret.Status{Open: 65536, Reason: errors.New("limit")} },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"memory.open"}},
		{name: "the process can be dumped", do: func(_ *testing.T, b *box) { b.mem.Dumpable = errors.New("refused") },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"memory.dumped"}},
		{name: "P02: a call was missed", do: func(_ *testing.T, b *box) { b.lines[0].Seen = 1 },
			want: api.Yes, sentence: "All 4 lines are working. No call now.", alarms: []string{"calls.missed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox()
			b.Health.Status(t.Context())
			c.do(t, b)
			st := b.Health.Status(t.Context())
			if st.Recording != c.want || st.Sentence != c.sentence {
				t.Errorf("got %q, %q; want %q, %q", st.Recording, st.Sentence, c.want, c.sentence)
			}
			if got := codes(st); !slices.Equal(got, c.alarms) {
				t.Errorf("alarms: got %v, want %v", got, c.alarms)
			}
			if st.Recording != api.Yes && len(st.Alarms) == 0 {
				t.Error("something is wrong and no alarm says what")
			}
		})
	}
}

func TestAnAlarmIsRaisedAndClearedOnceInTheLogAndKeepsItsTime(t *testing.T) {
	b := newBox()
	b.vault.Space.Free = 2e9
	first := b.Health.Status(t.Context()).Alarms[0]
	b.pass(time.Hour)
	b.prove(t.Context())
	if again := b.Health.Status(t.Context()).Alarms[0]; again.Since != first.Since || again.Text != first.Text {
		t.Errorf("an hour later it began at %v, before at %v", again.Since, first.Since)
	}
	b.vault.Space.Free = 120e9
	b.Health.Status(t.Context())
	b.Health.Status(t.Context())
	text := b.log.String()
	for _, word := range []string{"alarm raised", "alarm cleared"} {
		if n := strings.Count(text, word); n != 1 {
			t.Errorf("%q is %d times in the log:\n%s", word, n, text)
		}
	}
}

func TestALossIsToldForAMinuteAndNoLonger(t *testing.T) {
	b := newBox()
	b.lines[0].Lost[segment.CauseStore] = 4000
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {lossyFor - time.Second, 1}, {2 * time.Second, 0}} {
		b.pass(c.after)
		b.prove(t.Context())
		if got := b.Health.Status(t.Context()); len(got.Alarms) != c.want {
			t.Errorf("%v later: alarms %v, want %d", c.after, codes(got), c.want)
		}
	}
}

func TestNoLogLineNamesALabel(t *testing.T) {
	b := newBox()
	for i := range b.lines {
		b.lines[i].State = pipeline.StateDown
	}
	b.Health.Status(t.Context())
	for _, label := range []string{"Reception", "Hartley"} {
		if strings.Contains(b.log.String(), label) {
			t.Errorf("%s is in the log:\n%s", label, b.log.String())
		}
	}
}

func TestADayEndsAtMidnightOfThePlace(t *testing.T) {
	b := newBox()
	b.lines[0].Seen, b.lines[0].Began, b.lines[0].Ended = 1, 1, 1
	b.Health.Status(t.Context())
	b.Filed(Filed{ID: keys.ID{Slot: 1}, Line: "reception", Start: b.now})
	if got := b.Health.Status(t.Context()).Today; got != (api.Totals{Seen: 1, Recorded: 1}) {
		t.Errorf("today: %+v", got)
	}
	b.pass(24 * time.Hour)
	if got := b.Health.Status(t.Context()).Today; got != (api.Totals{}) {
		t.Errorf("the next day: %+v", got)
	}
}

func TestWhatWasFiledTodayIsCountedAgainAfterARestartAndOnlyOnce(t *testing.T) {
	b := newBox()
	before := b.now.Add(-time.Hour)
	for range 2 {
		b.Filed(Filed{ID: keys.ID{Shard: 1, Slot: 1}, Line: "reception", Start: before})
		b.Filed(Filed{ID: keys.ID{Shard: 1, Slot: 2}, Line: "reception", Start: before, Gaps: true})
	}
	if got, want := b.Health.Status(t.Context()).Today, (api.Totals{Seen: 2, Recorded: 1, Gaps: 1}); got != want {
		t.Errorf("today: %+v, want %+v", got, want)
	}
	if want := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC); !b.Today().Equal(want) {
		t.Errorf("the day began at %v, want %v", b.Today(), want)
	}
}

func TestAFiledRecordingOfALineThatIsNoMoreIsNoFault(*testing.T) {
	newBox().Filed(Filed{Line: "sold"})
}

// hanging is a vault whose disk never comes back.
type hanging struct{ vaultOf }

func (hanging) Heartbeat(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestADiskThatHangsIsToldThoughNothingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		h := New(b.conf, b, hanging{vaultOf{b}}, time.Now, slog.New(slog.NewTextHandler(&b.log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		time.Sleep(beatWithin + time.Second)
		synctest.Wait()
		if st := h.Status(ctx); st.Recording != api.No || st.Store.Answers {
			t.Errorf("recording: %q, store answers: %v", st.Recording, st.Store.Answers)
		}
		if !strings.Contains(b.log.String(), "alarm=store.silent") {
			t.Errorf("nobody asked, and the log says nothing:\n%s", b.log.String())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestRoomIsToldInHoursOfCalls(t *testing.T) {
	b := newBox()
	if got := b.Health.Status(t.Context()).Store.HoursLeft; got != 2380 {
		t.Errorf("119 GB at 50 MB an hour: got %v hours, want 2380", got)
	}
	b.sound, b.bytes = 0, 0
	if got := b.Health.Status(t.Context()).Store.HoursLeft; got != 0 {
		t.Errorf("at an unknown rate: got %v hours, want 0 for unknown", got)
	}
}
