package health

import (
	"fmt"
	"strings"
	"time"

	"linekeep/vault/scrub"
)

// readingRules are about what is found when the vault is read again, and about not reading it.
func readingRules() []rule {
	return []rule{
		{code: "store.mended", severity: SeverityDue, title: "Something on the disk was damaged",
			text: "Found since %s. The box used its second copy, or can name what is lost.",
			todo: "Run a check of the vault, and think of changing the disk.",
			box:  func(f facts) (bool, time.Time) { return len(f.vault.Findings) > 0, time.Time{} }},
		{code: "store.damaged", severity: SeverityDue, title: "Reading the vault again found damage",
			text: "Noticed at %s. Part of what is kept is not as it was written.",
			todo: "linekeepctl scrub --status names each recording and what of it can still be heard. Change the disk if more of it comes.",
			box:  func(f facts) (bool, time.Time) { return len(f.vault.Scrub.Findings) > 0, time.Time{} },
			more: func(f facts) string { return damaged(f.vault.Scrub) }},
		{code: "store.unread", severity: SeverityDue, title: "The vault is not being read again",
			text: "Noticed at %s. Damage would be found only when somebody wants to hear a recording.",
			todo: "Ring whoever looks after the box: the log says why.",
			box:  func(f facts) (bool, time.Time) { return f.vault.Scrub.Trouble != "", time.Time{} }},
		{code: "store.unproved", severity: SeverityDue, title: "The vault was not read whole for 45 days",
			text: "Not all of it was read since %s. Damage would be found only when somebody wants to hear a recording.",
			todo: "Leave the box on by night, and run linekeepctl scrub: it reads the rest at once. If this stays, ring whoever looks after the box.",
			box:  func(f facts) (bool, time.Time) { return f.vault.Scrub.Late(f.now) }},
	}
}

// mostNamed is how many damaged recordings an alarm names: more do not fit a line of the front page.
const mostNamed = 5

// damaged names recordings by their ids, which tell nobody anything about a call.
func damaged(s scrub.Status) string {
	ids, rest, other := s.Damaged(mostNamed)
	other += s.More
	var parts []string
	switch {
	case rest > 0:
		parts = append(parts, fmt.Sprintf("Recordings %s and %d more.", strings.Join(ids, ", "), rest))
	case len(ids) > 1:
		parts = append(parts, fmt.Sprintf("Recordings %s.", strings.Join(ids, ", ")))
	case len(ids) == 1:
		parts = append(parts, fmt.Sprintf("Recording %s.", ids[0]))
	}
	if other == 1 {
		parts = append(parts, "One finding is not about one recording.")
	} else if other > 1 {
		parts = append(parts, fmt.Sprintf("%d findings are not about one recording, or are not listed.", other))
	}
	return strings.Join(parts, " ")
}
