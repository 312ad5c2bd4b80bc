package degraded

import (
	"context"
	"strconv"
	"time"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/degraded/story"
	"linekeep/vault/journal"
)

// tell writes into the main vault's log that the box recorded beside it, and what it refused meanwhile: once, however often a merge is
// begun anew. A power cut between the log and the word that it has it makes the log say it twice.
func (h Home) tell(ctx context.Context, d *Vault) (story.Story, error) {
	kept, err := d.settings()
	if err != nil {
		return story.Story{}, err
	}
	s, err := story.Load(kept)
	if err != nil { // damaged: that it was so is told all the same
		h.Find(ctx, err)
	}
	if s.Told {
		return s, nil
	}
	if _, err := h.Audit.Append(ctx, s.Entries()...); err != nil {
		return s, err
	}
	s.Told = true
	return s, s.Save(kept)
}

// tellEnd writes down that all of it is in the main vault. Where nobody ended it in good order, its newest group says until when it went on.
func (h Home) tellEnd(ctx context.Context, s story.Story, last journal.Replay, r Report) error {
	until, order := s.Ended, "yes"
	if until.IsZero() {
		until, order = last.Last.At, "no"
	}
	act := audit.Act{What: entry.DegradedEnd, Details: audit.Details{audit.Say("until", until.UTC().Format(time.RFC3339)), audit.Say("in good order", order),
		audit.Say("recordings merged", strconv.Itoa(r.Recordings)), audit.Say("left out", strconv.Itoa(r.Excluded)),
		audit.Say("cut off", strconv.Itoa(last.CutOff())), audit.Say("unreadable", strconv.Itoa(len(r.Damage)))}}
	_, err := h.Audit.Append(ctx, act)
	return err
}
