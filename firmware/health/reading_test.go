package health

import (
	"strings"
	"testing"
	"time"

	"linekeep/ui/api"
	"linekeep/vault/check"
	"linekeep/vault/scrub"
)

// alarm is the text of the alarm with a code; empty when it is not up.
func alarm(st api.Status, code string) string {
	for _, a := range st.Alarms {
		if a.Code == code {
			return a.Text
		}
	}
	return ""
}

func TestTheAlarmOfDamageNamesFiveRecordingsAndCountsTheRest(t *testing.T) {
	found := func(whats ...string) (all []check.Finding) {
		for _, w := range whats {
			all = append(all, check.Finding{Kind: check.Altered, What: w, Text: "The sound of office from 0s to 1m0s is altered."})
		}
		return all
	}
	for _, c := range []struct {
		found []check.Finding
		more  int
		want  string
	}{
		{found: found("recording 2-7"), want: "Recording 2-7."},
		{found: found("recording 2-7", "recording 2-7", "recording 2-9"), want: "Recordings 2-7, 2-9."},
		{found: found("recording 2-1", "recording 2-2", "recording 2-3", "recording 2-4", "recording 2-5", "recording 2-6", "recording 2-7", "calls/standard/2026-11"),
			want: "Recordings 2-1, 2-2, 2-3, 2-4, 2-5 and 2 more. One finding is not about one recording."},
		{found: found("keys", "audit"), more: 3, want: "5 findings are not about one recording, or are not listed."},
	} {
		b := newBox()
		b.vault.Scrub = scrub.Status{Findings: c.found, More: c.more}
		if got := alarm(b.Health.Status(t.Context()), "store.damaged"); !strings.HasSuffix(got, "not as it was written. "+c.want) {
			t.Errorf("%v: %q, want %q", c.found, got, c.want)
		}
	}
}

func TestAVaultThatWasNotReadWholeFor45DaysIsAnAlarm(t *testing.T) {
	b := newBox()
	b.vault.Scrub = scrub.Status{Since: b.now.Add(-100 * 24 * time.Hour), Whole: b.now.Add(-scrub.Longest)}
	if got := alarm(b.Health.Status(t.Context()), "store.unproved"); got != "" {
		t.Errorf("after 45 days: %q", got)
	}
	b.pass(time.Hour)
	want := "Not all of it was read since " + b.vault.Scrub.Whole.Format("Monday 2 January, 15:04") + "."
	if got := alarm(b.Health.Status(t.Context()), "store.unproved"); !strings.HasPrefix(got, want) {
		t.Errorf("an hour later: %q, want %q", got, want)
	}
}
