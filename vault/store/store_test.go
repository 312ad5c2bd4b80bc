package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/vaulttest/talk"
)

func TestACallIsStoredMovedFiledAndPlaysBack(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	const ticks = 300 // 2.5 minutes
	r.speak(k, ticks, true, true)
	r.store.pass(t.Context())
	row := r.only()
	if row.Closing.Number != "+441632960123" || row.Opening.Line != "reception" || row.Recovered || row.Tracks[0].Gaps > 0 {
		t.Errorf("manifest: %+v", row)
	}
	if n := len(row.Tracks[0].Parts); n != 3 {
		t.Errorf("%d chunks for 2.5 minutes", n)
	}
	r.plays(row, k, ticks)
	r.stop()
	r.start()
	if f := r.store.Findings(); len(f) > 0 {
		t.Errorf("findings after a clean stop: %v", f)
	}
	r.plays(row, k, ticks)
}

func TestMinutesAreMovedWhileTheCallIsUp(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.speak(k, 250, true, false)
	r.store.pass(t.Context())
	var found int
	f, release, err := r.months.Use(t.Context(), r.store.recordings()[0].folder, false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := f.Keys([]byte{byte(recording.AtChunk)}, func([]byte) error { found++; return nil }); err != nil {
		t.Fatal(err)
	}
	if found != 4 {
		t.Errorf("%d chunks moved of a call of 2 minutes and 5 seconds with two parties, want 4", found)
	}
}

func TestACallThatEndsWhileItIsMovedIsFiledWhole(t *testing.T) {
	for nth := range 4 { // the move during which it ends
		r := newRig(t)
		k := talk.New(1, time.Now())
		r.speak(k, 130, true, false)
		moves := 0
		r.onMove = func() {
			if moves++; moves == nth+1 {
				r.onMove = nil
				r.speak(k, 2, false, true)
			}
		}
		r.store.pass(t.Context())
		if r.onMove != nil { // it had no such move
			r.onMove = nil
			r.speak(k, 2, false, true)
		}
		r.store.pass(t.Context())
		r.plays(r.only(), k, 132)
	}
}

func TestTheJournalStaysSmallWhileALongCallLasts(t *testing.T) {
	r := newRig(t)
	r.rotate = 1 << 19 // two minutes of one call
	r.kill()
	r.start()
	k := talk.New(1, time.Now())
	const ticks = 1800 // a quarter of an hour
	most := 0
	for i := range ticks / 60 {
		r.speak(k, 60, i == 0, false)
		r.store.pass(t.Context())
		_, files, _ := r.journal.Status()
		most = max(most, files)
	}
	if most > 6 {
		t.Errorf("the journal grew to %d files while one call was up", most)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "journal", "00000001.lkj")); err == nil {
		t.Error("the file that held the opening first is still there")
	}
	r.kill()
	r.start()
	r.store.pass(t.Context())
	m := r.only()
	if !m.Recovered || m.Opening.Line != k.Line || len(r.store.Findings()) > 0 {
		t.Errorf("%+v %v", m, r.store.Findings())
	}
	r.plays(m, k, ticks)
}

func TestACutCallIsClosedFromTheJournalWithoutItsKey(t *testing.T) {
	for _, moved := range []bool{false, true} {
		r := newRig(t)
		k := talk.New(1, time.Now())
		r.speak(k, 200, true, false)
		if moved {
			r.store.pass(t.Context())
		}
		r.kill()
		r.start()
		r.store.pass(t.Context())
		row := r.only()
		m := row
		if !m.Recovered || m.Closing.Reason != segment.EndRecovery || m.Closing.Length != k.At || m.Opening.Line != "reception" {
			t.Errorf("moved %v: manifest: %+v", moved, m)
		}
		r.plays(row, k, 200)
		if f := r.store.Findings(); len(f) > 0 {
			t.Errorf("a cut call is no finding: %v", f)
		}
	}
}

func TestACallSoonAfterACutOneOnItsLineContinuesIt(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.speak(k, 10, true, false)
	r.kill()
	r.start()
	next := talk.New(1, k.Now().Add(20*time.Second))
	r.speak(next, 2, true, true)
	other := talk.New(2, k.Now().Add(20*time.Second))
	r.speak(other, 2, true, true)
	r.store.pass(t.Context())
	var cut, joined keys.ID
	for id, row := range r.rows.all {
		if row.Recovered {
			cut = id
		}
		if row.Opening.Continues != (keys.ID{}) {
			joined = row.Opening.Continues
		}
	}
	if len(r.rows.all) != 3 || joined != cut || cut == (keys.ID{}) {
		t.Errorf("%d filed, cut %v, joined to %v", len(r.rows.all), cut, joined)
	}
}

func TestALongCallGoesOnInTheNextRecording(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.speak(k, 2, true, false)
	g := segment.Group{}
	k.Speak(&g, true)
	end := k.Closing()
	end.Reason = segment.EndLength
	g.Closings = append(g.Closings, end)
	next := talk.New(2, k.Now())
	o := next.Opening()
	o.Continues, o.Trigger = 1, segment.ByLength
	g.Openings = append(g.Openings, o)
	if err := r.store.Commit(t.Context(), &g); err != nil {
		t.Fatal(err)
	}
	r.speak(next, 2, false, true)
	r.store.pass(t.Context())
	var continued int
	for _, row := range r.rows.all {
		if c := row.Opening.Continues; c != (keys.ID{}) {
			continued++
			if r.rows.all[c].Closing.Reason != segment.EndLength {
				t.Error("continues another recording")
			}
		}
	}
	if continued != 1 || len(r.rows.all) != 2 {
		t.Errorf("%d filed, %d continue one", len(r.rows.all), continued)
	}
}

func TestANearlyFullDiskRefusesNewCallsOnly(t *testing.T) {
	r := newRig(t)
	up := talk.New(1, time.Now())
	r.speak(up, 4, true, false)
	r.guard.err = errors.New("low")
	late := talk.New(2, time.Now())
	r.speak(late, 4, true, false)
	if st := r.store.Status(); st.Waiting != 1 || st.Up != 1 || st.Lost != 8*talk.Tick {
		t.Errorf("status: %+v", st)
	}
	r.guard.err = nil
	r.speak(late, 4, false, true)
	r.speak(up, 4, false, true)
	r.store.pass(t.Context())
	for _, row := range r.rows.all {
		m := row
		if late := m.Closing.Length == late.At && m.Tracks[0].Lost > 0; late && (m.Tracks[0].Gaps != 1 || m.Tracks[0].Lost != 4*talk.Tick) {
			t.Errorf("the call that waited: %+v", m)
		}
	}
	if len(r.rows.all) != 2 {
		t.Errorf("%d filed", len(r.rows.all))
	}
}

func TestP02_WhatIsNotStoredIsCountedByLine(t *testing.T) {
	r := newRig(t)
	r.guard.err = errors.New("low")
	k := talk.New(1, time.Now())
	r.speak(k, 4, true, true)
	o := k.Groups(1, true, true)[0].Openings[0]
	if got := r.store.Status().Refusals[o.Line]; got.Calls != 1 || got.Lost != 4*talk.Tick {
		t.Errorf("of line %q: %+v, expected one call of %d samples", o.Line, got, 4*talk.Tick)
	}
}

func TestOfAFailedGroupOnlyOpeningAndClosingCount(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	groups := k.Groups(10, true, true)
	for i := range groups {
		r.full = i == 0 || i == 5 || i == 9
		err := r.store.Commit(t.Context(), &groups[i])
		if r.full != errors.Is(err, ErrFull) {
			t.Fatalf("group %d: %v", i, err)
		}
	}
	if st := r.store.Status(); st.Failed != 3 {
		t.Errorf("status: %+v", st)
	}
	r.full = false
	if err := r.store.Heartbeat(t.Context()); err != nil { // no group comes by any more
		t.Fatal(err)
	}
	r.store.pass(t.Context())
	m := r.only()
	for _, track := range m.Tracks {
		if track.Gaps != 3 || track.Lost != 3*talk.Tick || track.Parts[0].Segments != 7 || track.Parts[0].FirstSeq != 1 {
			t.Errorf("track: %+v", track)
		}
	}
	if m.Closing.Reason != segment.EndSilence || m.Recovered {
		t.Errorf("closing: %+v", m.Closing)
	}
}

func TestTheLostEndOfACallIsAMarkedGapInItsSound(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	groups := k.Groups(10, true, true)
	for i := range groups[:9] {
		if err := r.store.Commit(t.Context(), &groups[i]); err != nil {
			t.Fatal(err)
		}
	}
	r.full = true
	if err := r.store.Commit(t.Context(), &groups[9]); !errors.Is(err, ErrFull) {
		t.Fatalf("the last group: %v", err)
	}
	r.full = false
	owed := segment.Group{At: k.Now(), Closings: groups[9].Closings} // as the pipeline brings it with its next group
	for _, s := range groups[9].Segments {
		owed.Segments = append(owed.Segments, segment.Segment{Call: s.Call, Party: s.Party, Start: s.Start, Len: s.Len, Last: true,
			Gaps: []segment.Gap{{At: s.Start, Len: s.Len, Cause: segment.CauseStore}}})
	}
	if err := r.store.Commit(t.Context(), &owed); err != nil {
		t.Fatal(err)
	}
	if st := r.store.Status(); st.Lost != 0 {
		t.Errorf("%d samples are counted as lost beside the gap that says so", st.Lost)
	}
	r.store.pass(t.Context())
	for _, track := range r.only().Tracks {
		last := track.Parts[len(track.Parts)-1]
		if track.Gaps != 1 || track.Lost != talk.Tick || !last.Last || last.LastSeq != 10 || last.End != k.At {
			t.Errorf("track: %+v", track)
		}
	}
}

func TestWhatCannotBeMovedWaitsInTheJournal(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.noRoom = true
	r.speak(k, 200, true, true)
	r.store.pass(t.Context())
	if st := r.store.Status(); st.MoveError == "" || len(r.rows.all) != 0 {
		t.Errorf("status: %+v", st)
	}
	r.kill()
	r.start()
	r.noRoom = false
	r.store.pass(t.Context())
	r.plays(r.only(), k, 200)
}

func TestADoneThingDoneTwiceIsTheSame(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.speak(k, 200, true, true)
	r.rows.err = errors.New("catalogue away")
	r.store.pass(t.Context()) // all is moved, the manifest stands, nothing is filed
	r.kill()
	r.start()
	r.rows.err = nil
	r.store.pass(t.Context())
	first := r.only()
	r.kill() // the word "filed" never reached the journal
	r.start()
	r.store.pass(t.Context())
	if again := r.only(); !reflect.DeepEqual(again, first) {
		t.Error("the manifest changed")
	}
	r.plays(first, k, 200)
}

// copyTree copies a folder, to put an older state of it back later.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatLostItsTailIsMendedFromTheJournalAndSaidSo(t *testing.T) {
	r := newRig(t)
	first := talk.New(1, time.Now())
	r.speak(first, 150, true, true)
	r.stop()
	month := filepath.Join(r.dir, filepath.FromSlash(library.FolderName("standard", keys.MonthOf(first.Start))))
	old := filepath.Join(t.TempDir(), "old")
	copyTree(t, month, old)
	r.start()
	second := talk.New(1, time.Now())
	r.speak(second, 150, true, true)
	r.stop()
	if err := os.RemoveAll(month); err != nil {
		t.Fatal(err)
	}
	copyTree(t, old, month)
	r.start()
	r.store.pass(t.Context())
	told := false
	for _, err := range r.store.Findings() {
		told = told || errors.Is(err, ErrTailLost)
	}
	if !told {
		t.Errorf("nobody said that the folder lost its tail: %v", r.store.Findings())
	}
	for id, row := range r.rows.all {
		k := first
		if row.Opening.Start.Equal(second.Start) {
			k = second
		}
		r.plays(row, k, 150)
		_ = id
	}
}

func TestNothingPersonalStandsInKeysOrNames(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	k.Line = "VERY-PERSONAL-LINE"
	r.speak(k, 20, true, true)
	r.stop()
	err := filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, marker := range []string{"VERY-PERSONAL-LINE", "1632960123"} {
			if bytes.Contains(b, []byte(marker)) || strings.Contains(path, marker) {
				t.Errorf("%s holds %q in clear", path, marker)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
