package degraded

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
)

const month = "calls/standard/2026-11"

// errCut is what a main vault answers when the power is gone.
var errCut = errors.New("the power is gone")

// paper is a main vault in memory, which dies at its n-th change.
type paper struct {
	values map[string][]byte
	filed  map[keys.ID]int
	doomed map[keys.ID]bool
	left   int // changes until it dies; 0 is never
	made   int
}

func newPaper() *paper {
	return &paper{values: map[string][]byte{}, filed: map[keys.ID]int{}, doomed: map[keys.ID]bool{}}
}

func (p *paper) change() error {
	p.made++
	if p.left > 0 && p.made >= p.left {
		return errCut
	}
	return nil
}

func (p *paper) Keep(_ context.Context, name string, entries ...folder.Entry) error {
	if err := p.change(); err != nil {
		return err
	}
	for _, e := range entries {
		p.values[name+string(e.Key)] = bytes.Clone(e.Value)
	}
	return nil
}

func (p *paper) Get(_ context.Context, name string, key []byte) ([]byte, error) {
	v, ok := p.values[name+string(key)]
	if !ok {
		return nil, folder.ErrMissing
	}
	return v, nil
}

func (p *paper) File(_ context.Context, rows ...catalog.Row) error {
	if err := p.change(); err != nil {
		return err
	}
	for _, r := range rows {
		p.filed[r.ID]++
	}
	return nil
}

func (p *paper) Doom(_ context.Context, ids ...keys.ID) error {
	if err := p.change(); err != nil {
		return err
	}
	for _, id := range ids {
		p.doomed[id] = true
	}
	return nil
}

// made is a source of so many recordings of three minutes and two parties, and what is in it.
func made(t *testing.T, n int) (Source, map[string][]byte, []keys.ID) {
	t.Helper()
	clock := func() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }
	k, err := keys.Create(t.Context(), keys.Config{Dir: filepath.Join(t.TempDir(), "keys"), Clock: clock, FirstShard: keys.FirstDegraded + 5, NoBackup: true},
		Record([keys.VaultIDSize]byte{1}, spare(t).Public()))
	if err != nil {
		t.Fatal(err)
	}
	months := library.NewMonths(library.MonthsConfig{Dir: t.TempDir(), Key: k.Folder, Clock: clock, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		if err := errors.Join(months.Close(), k.Close()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	f, release, err := months.Use(t.Context(), month, true)
	if err != nil {
		t.Fatal(err)
	}
	var ids []keys.ID
	all := map[string][]byte{}
	for i := range n {
		slot, err := k.Next(t.Context(), "standard", clock())
		if err != nil || slot.ID.Slot != uint32(i) {
			t.Fatalf("Next: %v, %v", slot.ID, err)
		}
		ids = append(ids, slot.ID)
		for _, e := range entries(k.VaultID(), slot) {
			all[month+string(e.Key)] = e.Value
			if err := f.Put(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	release()
	if err := months.Close(); err != nil {
		t.Fatal(err)
	}
	return Source{Library: &library.Library{Keys: k, Months: months}}, all, ids
}

func entries(vaultID [keys.VaultIDSize]byte, slot keys.Slot) []folder.Entry {
	id := slot.ID
	forms := recording.Forms{VaultID: vaultID, ID: id, Meta: slot.Meta()}
	wrap := bytes.Repeat([]byte{byte(id.Slot)}, 120)
	m := recording.Manifest{ID: id, Opening: recording.Opening{Line: "desk", Class: "standard", Start: time.Unix(1.8e9, 0).UTC(),
		Parties: []segment.Party{segment.Office, segment.Caller}}, Closing: recording.Closing{End: time.Unix(1.8e9+180, 0).UTC(), Length: 180 * line.RateHz,
		Number: line.Number("+4416329600" + string(rune('0'+id.Slot)))}}
	var all []folder.Entry
	for _, p := range m.Opening.Parties {
		track := recording.Track{Party: p}
		for minute := range uint32(3) {
			c := recording.Chunk{ID: id, Party: p, Number: minute, Segments: []recording.Sealed{{Seq: minute, Start: line.Samples(minute) * recording.ChunkLength,
				Len: 4000, Body: bytes.Repeat([]byte{byte(minute), byte(p)}, 2000)}}}
			value := c.Append(nil)
			all = append(all, folder.Entry{Key: recording.ChunkKey(id, p, minute), Value: value})
			track.Parts = append(track.Parts, c.Part(value))
		}
		m.Tracks = append(m.Tracks, track)
	}
	body := forms.SealOpening(wrap, m.Opening)
	m.Wrap = recording.Hash(body)
	return append(all, folder.Entry{Key: recording.WrapKey(id), Value: body}, folder.Entry{Key: recording.ManifestKey(id), Value: m.Seal(forms)})
}

func same(t *testing.T, what string, got, want map[string][]byte) {
	t.Helper()
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%s: %d values came over, want %d, byte for byte", what, len(got), len(want))
	}
}

// The power goes at each change of the main vault; done again, the merge ends as if nothing had been.
func TestAMergeCutAtEveryStepIsFinishedByTheNext(t *testing.T) {
	src, want, _ := made(t, 3)
	for n := 1; ; n++ {
		main := newPaper()
		main.left = n
		_, err := Merge(t.Context(), src, main)
		if err != nil && !errors.Is(err, errCut) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		for _, e := range halfDone(main) {
			t.Errorf("cut at %d: %s", n, e)
		}
		main.left = 0
		report, again := Merge(t.Context(), src, main)
		if again != nil || report.Recordings != 3 || len(report.Damage) > 0 {
			t.Fatalf("after a cut at %d: %+v, %v", n, report, again)
		}
		same(t, "after a cut", main.values, want)
		if len(main.filed) != 3 {
			t.Errorf("after a cut at %d: %d are filed", n, len(main.filed))
		}
		if err == nil {
			if n < 9 {
				t.Errorf("only %d changes were made: nothing was tried", n)
			}
			return
		}
	}
}

// halfDone finds a wrap without its manifest: to the store that is a call which a power cut ended.
func halfDone(p *paper) (faults []string) {
	for key := range p.values {
		if rest, ok := bytes.CutPrefix([]byte(key), []byte(month+"w")); ok {
			if _, whole := p.values[month+"m"+string(rest)]; !whole {
				faults = append(faults, "a wrap stands alone")
			}
		}
	}
	return faults
}

func TestWhatIsDamagedIsReportedAndTheRestComesOver(t *testing.T) {
	src, want, ids := made(t, 2)
	bad := ids[1]
	f, release, err := src.Library.Months.Use(t.Context(), month, true)
	if err != nil {
		t.Fatal(err)
	}
	gone := recording.ChunkKey(bad, segment.Caller, 1)
	if err := f.Put(t.Context(), folder.Entry{Key: gone, Value: []byte("another chunk")}); err != nil {
		t.Fatal(err)
	}
	release()
	delete(want, month+string(gone))
	main := newPaper()
	report, err := Merge(t.Context(), src, main)
	if err != nil || report.Recordings != 2 || len(report.Damage) != 1 || !errors.Is(report.Damage[0], library.ErrAltered) {
		t.Errorf("%+v, %v", report, err)
	}
	same(t, "all but the damaged minute", main.values, want)
}

func TestAnIdThatIsTakenIsNeverOverwritten(t *testing.T) {
	src, want, ids := made(t, 1)
	main := newPaper()
	key := month + string(recording.ManifestKey(ids[0]))
	main.values[month+string(recording.WrapKey(ids[0]))] = []byte("somebody else's")
	main.values[key] = []byte("somebody else's")
	if _, err := Merge(t.Context(), src, main); !errors.Is(err, ErrDiffers) || string(main.values[key]) != "somebody else's" {
		t.Errorf("Merge: %v, want ErrDiffers", err)
	}
	if len(want) == 0 {
		t.Error("nothing was to come over")
	}
}

func TestExcludedCallsAreLeftOutAndTheirKeysOrderedAway(t *testing.T) {
	src, _, ids := made(t, 3)
	src.Excluded = func(r catalog.Row) bool { return r.Number.Reveal() == "+44163296001" }
	told := 0
	src.Merged = func(recording.Manifest) { told++ }
	main := newPaper()
	report, err := Merge(t.Context(), src, main)
	if err != nil || report.Recordings != 2 || report.Excluded != 1 || told != 2 {
		t.Errorf("%+v, %d told, %v", report, told, err)
	}
	id := ids[1]
	if !main.doomed[id] || len(main.doomed) != 1 || main.filed[id] != 0 {
		t.Errorf("doomed %v, filed %v", main.doomed, main.filed)
	}
	for key := range main.values {
		if bytes.Contains([]byte(key), id.Append(nil)) {
			t.Error("something of the excluded call came over")
		}
	}
}
