package retention

import (
	"bytes"
	"errors"
	"maps"
	"testing"
	"time"

	"linekeep/vault/keys"
	"linekeep/vault/retention/clock"
	"linekeep/vault/vaulttest/vectors"
)

// TestP12_ACallIsKeptToTheEndOfTheCorrespondingDay, or of the last of the month, by the office's calendar.
func TestP12_ACallIsKeptToTheEndOfTheCorrespondingDay(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		start string
		m     Months
		last  string
	}{
		{"2026-08-31T10:00:00Z", 6, "2027-02-28"}, {"2027-08-31T10:00:00Z", 6, "2028-02-29"}, {"2026-01-31T10:00:00Z", 1, "2026-02-28"},
		{"2026-08-30T23:30:00Z", 6, "2027-02-28"}, // the 31st in London
		{"2026-06-15T00:00:00Z", 6, "2026-12-15"}, {"2026-12-31T23:59:59Z", 2, "2027-02-28"},
		{"2024-02-29T12:00:00Z", Financial, "2029-02-28"}, {"2026-11-24T09:00:00Z", FinancialLong, "2033-11-24"},
	} {
		start, err := time.Parse(time.RFC3339, c.start)
		if err != nil {
			t.Fatal(err)
		}
		got := c.m.Expires(start, london)
		if day := got.Add(-time.Nanosecond).Format(time.DateOnly); day != c.last || got.Hour() != 0 {
			t.Errorf("%s and %d months: %v, the last day is %s, want %s", c.start, c.m, got, day, c.last)
		}
	}
}

func TestOnlyWhatIsPastItsDateAndKeptByNothingIsDue(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	ok := at.Add(clock.Tolerance)
	for _, c := range []struct {
		name string
		f    Facts
		want Verdict
	}{
		{"an hour early", Facts{Expires: at, Reached: ok.Add(-1)}, Young},
		{"past", Facts{Expires: at, Reached: ok}, Due},
		{"held", Facts{Expires: at, Reached: ok, Held: true, Frozen: true}, Held},
		{"frozen", Facts{Expires: at, Reached: ok, Frozen: true}, Frozen},
		{"just freed", Facts{Expires: at, Reached: ok, Freed: at, Now: at}, InGrace},
		{"almost a week", Facts{Expires: at, Reached: ok, Freed: at, Now: at.Add(Grace - 1)}, InGrace},
		{"a week", Facts{Expires: at, Reached: ok, Freed: at, Now: at.Add(Grace)}, Due},
	} {
		if got := Decide(c.f); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPeriodsThatNoPolicyMeansAreRefused(t *testing.T) {
	for _, m := range []Months{0, -1, Longest + 1} {
		if m.Validate() == nil {
			t.Errorf("%d months are taken", m)
		}
	}
	if Default("financial") != Financial || Default("standard") != Standard || Default("other") != Standard {
		t.Error("defaults")
	}
}

// TestNothingExpiresWhileNobodyKnowsWhatMustStay: cases that cannot be read stop a pass.
func TestNothingExpiresWhileNobodyKnowsWhatMustStay(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	w.record("short")
	w.pass(100 * day)
	w.record("short")
	w.record("short")
	w.keeper.cfg.Cases = broken{}
	w.keeper.cfg.Store = broken{Store: w}
	if err := w.keeper.Pass(t.Context()); !errors.Is(err, ErrUnsafe) || w.keeper.Status().Trouble == nil {
		t.Errorf("Pass: %v", err)
	}
}

func TestTheVectorIsAListOfGraces(t *testing.T) {
	body := vectors.Read(t, "retention").Bytes(t, "graces body")
	got, err := parseGraces(body)
	want := map[keys.ID]time.Time{{Shard: 7, Slot: 42}: {}, {Shard: 7, Slot: 43}: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	if err != nil || !maps.Equal(got, want) || !bytes.Equal(gracesBytes(got), body) {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzGraces(f *testing.F) {
	f.Add(vectors.Read(f, "retention").Bytes(f, "graces body"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if all, err := parseGraces(data); err == nil && !bytes.Equal(gracesBytes(all), data) {
			t.Errorf("%x has a second form", data)
		}
	})
}
