package view_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"linekeep/ui/api"
	"linekeep/ui/uitest"
	"linekeep/ui/view"
)

func built(t testing.TB) *view.View {
	t.Helper()
	v, err := view.New(view.Files{Style: "/assets/a.css", Script: "/assets/a.js", Icon: "/assets/a.svg"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func home(t testing.TB, v *view.View, st api.Status) string {
	t.Helper()
	var b bytes.Buffer
	if err := v.Home(&b, st); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAPageWithoutAssetsIsWholeAndSaysWhatToDo(t *testing.T) {
	v, err := view.New(view.Files{})
	if err != nil {
		t.Fatal(err)
	}
	page := home(t, v, uitest.Quiet())
	for _, want := range []string{"This page has lost its looks", "scripts/assets", "Every call today has been recorded.", "Reception"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<link") || strings.Contains(page, "<script") {
		t.Error("the page loads what is not there")
	}
	if strings.Contains(home(t, built(t), uitest.Quiet()), "lost its looks") {
		t.Error("a page with its assets says that they are missing")
	}
}

func TestNothingInAPageIsInline(t *testing.T) {
	v := built(t)
	for _, s := range uitest.Scenes() {
		page := home(t, v, s.Status)
		for _, bad := range []string{" style=", "<style", "javascript:", " onclick", " onload", "<script>", "http://", "https://"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: the page has %q", s.Name, bad)
			}
		}
		if strings.Contains(page, "ZgotmplZ") {
			t.Errorf("%s: a value was refused by its place in the template", s.Name)
		}
	}
}

func TestAPieceChangesOnlyWhenSomethingHappened(t *testing.T) {
	v := built(t)
	st := uitest.Quiet()
	before, _, err := v.Live(st)
	if err != nil {
		t.Fatal(err)
	}
	st.Now = st.Now.Add(7 * time.Second)
	st.Lines[0].Sides[0].Level, st.Store.Lag = -3, 900*time.Millisecond
	after, texts, err := v.Live(st)
	if err != nil {
		t.Fatal(err)
	}
	for i := range before {
		if before[i] != after[i] {
			t.Errorf("%s changed with time and sound alone", before[i].ID)
		}
	}
	for key, want := range map[string]string{"clock": "09:15:31", "for-0": "4\u00a0min 19\u00a0s", "m-0-0": "good, −3 decibels", "lag": "0.9\u00a0s"} {
		if texts[key] != want {
			t.Errorf("text %s is %q, want %q", key, texts[key], want)
		}
	}
	st.Lines[1].State = api.Ringing
	rung, _, err := v.Live(st)
	if err != nil {
		t.Fatal(err)
	}
	var changed []string
	for i := range rung {
		if rung[i] != after[i] {
			changed = append(changed, rung[i].ID)
		}
	}
	if got := strings.Join(changed, " "); got != "lines lamps" {
		t.Errorf("when a line rang, %q changed, want lines and lamps", got)
	}
}

func TestEveryPieceStandsOnThePageUnderItsID(t *testing.T) {
	v := built(t)
	for _, s := range uitest.Scenes() {
		page := home(t, v, s.Status)
		parts, _, err := v.Live(s.Status)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			if id := fmt.Sprintf(` id="%s"`, p.ID); strings.Count(page, id) != 1 || !strings.Contains(p.HTML[:min(len(p.HTML), 60)], id) {
				t.Errorf("%s: piece %s does not stand once on the page", s.Name, p.ID)
			}
		}
		if meters, gauges := strings.Count(page, "<svg class=\"meter"), len(view.Gauges(s.Status, nil)); meters != gauges {
			t.Errorf("%s: %d meters on the page, %d gauges", s.Name, meters, gauges)
		}
	}
}

func TestAWriterThatFailsIsReported(t *testing.T) {
	r, w := io.Pipe()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := built(t).Home(w, uitest.Quiet()); err == nil || !strings.Contains(err.Error(), "send page") {
		t.Errorf("Home: %v", err)
	}
}

// FuzzWords: whatever stands in the configuration, it is shown as text and never becomes part of the page's code.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"Reception", "<script>alert(1)</script>", `" onload="x`, "</svg>", "{{.}}", "\x00\xff", "javascript:1", "&lt;"} {
		f.Add(s, 0.0, int64(0), uint64(0))
	}
	f.Add("x", math.NaN(), int64(math.MinInt64), uint64(math.MaxUint64))
	v := built(f)
	tags := strings.Count(home(f, v, api.Status{Lines: []api.Line{line("x", 0)}, Alarms: []api.Alarm{{Title: "x", Text: "x", Todo: "x"}}, Site: "x", Box: "x", Sentence: "x", Version: "x"}), "<")
	f.Fuzz(func(t *testing.T, s string, db float64, ns int64, n uint64) {
		if strings.TrimSpace(s) == "" {
			return // then a part of the page is left out
		}
		st := api.Status{Site: s, Box: s, Sentence: s, Version: s, Lines: []api.Line{line(s, db)},
			Alarms: []api.Alarm{{Title: s, Text: s, Todo: s}}}
		if got := strings.Count(home(t, v, st), "<"); got != tags {
			t.Errorf("%q makes %d tags, want %d", s, got, tags)
		}
		// And no figure, however odd, stops a page.
		st.Now, st.Store.Lag, st.Store.HoursLeft = time.Unix(0, ns), time.Duration(ns), db
		st.Lines[0].Since, st.Lines[0].State = time.Unix(ns>>32, 0), api.Call
		st.Today = api.Totals{Seen: n, Recorded: n / 2, Missed: n, Now: n}
		if _, _, err := v.Live(st); err != nil {
			t.Error(err)
		}
		home(t, v, st)
	})
}

func line(s string, db float64) api.Line {
	return api.Line{ID: s, Label: s, Fault: s, State: api.Fault, Sides: []api.Side{{Name: s, Level: db, Peak: db}}}
}

func BenchmarkLiveOf32Lines(b *testing.B) {
	v := built(b)
	var st api.Status
	for _, s := range uitest.Scenes() {
		if s.Name == "many-lines" {
			st = s.Status
		}
	}
	for b.Loop() {
		if _, _, err := v.Live(st); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(home(b, v, st))), "page-bytes")
}
