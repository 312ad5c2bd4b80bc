package story

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/keys/pair"
	"linekeep/vault/vaulttest/vectors"
)

// shelf is a store in memory that can be full.
type shelf struct {
	value []byte
	saves int
	full  bool
}

func (s *shelf) Load(string) ([]byte, error) {
	if s.value == nil {
		return nil, fs.ErrNotExist
	}
	return s.value, nil
}

func (s *shelf) Save(_ string, value []byte) error {
	if s.full {
		return pair.ErrMissing
	}
	s.value = value
	s.saves++
	return nil
}

func begin(t *testing.T, s *shelf) *Book {
	t.Helper()
	b, err := Begin(s, time.Now, errors.New("the chip is gone"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func load(t *testing.T, s *shelf) Story {
	t.Helper()
	got, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestP17_ARefusalOfALockedBoxIsOnTheDiskBeforeItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		b := begin(t, s)
		began := time.Now().UTC()
		for range 5 {
			time.Sleep(time.Second)
			b.Refused(t.Context(), entry.Visitor, "recover", "wrong recovery code")
		}
		b.Refused(t.Context(), entry.Machine, "search", "the vault is locked")
		first := Refusal{Who: entry.Visitor, Act: "recover", Why: "wrong recovery code", Times: 5, First: began.Add(time.Second), Last: began.Add(5 * time.Second)}
		other := Refusal{Who: entry.Machine, Act: "search", Why: "the vault is locked", Times: 1, First: began.Add(5 * time.Second), Last: began.Add(5 * time.Second)}
		want := Story{Version: 1, Began: began, Why: "the chip is gone", Refusals: []Refusal{first, other}}
		if diff := cmp.Diff(want, load(t, s)); diff != "" { // a power cut now
			t.Error(diff)
		}
		b.Refused(t.Context(), entry.Visitor, "recover", "wrong recovery code")
		b.Keep(t.Context())
		if got := load(t, s).Refusals[0].Times; got != 6 {
			t.Errorf("a minute later: %d times", got)
		}
		b.End(t.Context())
		if got := load(t, s); !got.Ended.Equal(time.Now()) {
			t.Errorf("ended at %v", got.Ended)
		}
	})
}

func TestWhoeverAsksWithoutEndMakesANumberGreaterAndNoListLonger(t *testing.T) {
	s := &shelf{}
	b := begin(t, s)
	for i := range 3 * MaxRefusals {
		b.Refused(t.Context(), entry.Visitor, "recover", fmt.Sprint(i))
	}
	for range 10_000 {
		b.Refused(t.Context(), entry.Visitor, "recover", "7")
	}
	if s.saves > MaxRefusals+1 {
		t.Errorf("the disk was written %d times", s.saves)
	}
	b.End(t.Context())
	got := load(t, s)
	if len(got.Refusals) != MaxRefusals || got.More != 2*MaxRefusals || got.Refusals[7].Times != 10_001 {
		t.Errorf("%d kinds, %d more, %d times", len(got.Refusals), got.More, got.Refusals[7].Times)
	}
	acts := got.Entries()
	if n := len(acts); n != MaxRefusals+2 || acts[n-1].Details.Of("times") != fmt.Sprint(2*MaxRefusals) {
		t.Errorf("%d entries, the last is %v", n, acts[n-1])
	}
}

func TestOnAFullDiskMemoryKeepsWhatWasRefused(t *testing.T) {
	s := &shelf{}
	b := begin(t, s)
	s.full = true
	b.Refused(t.Context(), entry.Machine, "play", strings.Repeat("x", 2*maxText))
	if len(load(t, s).Refusals) > 0 {
		t.Fatal("the disk was not full")
	}
	s.full = false
	b.Keep(t.Context())
	if got := load(t, s); len(got.Refusals) != 1 || len(got.Refusals[0].Why) != maxText {
		t.Errorf("%+v", got)
	}
}

func TestAStoryOfNothingIsOneEntry(t *testing.T) {
	got, err := Load(&shelf{})
	if diff := cmp.Diff([]audit.Act{{What: entry.Degraded}}, got.Entries()); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// TestVector reads the worked example of FORMAT.md.
func TestVector(t *testing.T) {
	v := vectors.Read(t, "story")
	got, err := Parse(v.Bytes(t, "value"))
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	want := Story{Version: 1, Began: at, Why: "chip", Refusals: []Refusal{{Who: entry.Visitor, Act: "recover", Why: "code", Times: 2, First: at, Last: at}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	s := &shelf{}
	if err := want.Save(s); err != nil || string(s.value) != string(v.Bytes(t, "value")) {
		t.Errorf("%v: FORMAT.md has another value than %x", err, s.value)
	}
}

// FuzzParse feeds it what a damaged or foreign setting may hold.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"refusals":[{"who":4,"act":"recover","why":"code","times":2}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrBad) {
				t.Error(err)
			}
			return
		}
		if n := len(s.Entries()); n > MaxRefusals+2 {
			t.Errorf("%d entries", n)
		}
	})
}
