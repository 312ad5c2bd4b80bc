package service

import (
	"context"
	"fmt"
	"time"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/proof"
)

// maxEntries bounds a list of audit entries.
const maxEntries = 1000

// AuditQuestion is one thing to be asked of the audit log.
type AuditQuestion struct {
	Do string // verify, checkpoint, list or prove
	// Earlier are checkpoints that left the box before, as text: verify holds the log against them.
	Earlier string
	Last    int    // list: how many of the newest
	Entry   uint64 // prove
}

// AuditAnswer is what it says.
type AuditAnswer struct {
	Size       uint64
	Findings   []string     `json:",omitempty"`
	Checkpoint string       `json:",omitempty"` // as it is handed out
	Key        string       `json:",omitempty"` // of the chip that signed it
	Chip       string       `json:",omitempty"` // its fingerprint
	Entries    []AuditEntry `json:",omitempty"`
	Proof      string       `json:",omitempty"`
}

// AuditEntry is an entry as it is shown: nothing that is sealed.
type AuditEntry struct {
	Number  uint64
	At      time.Time
	Actor   string
	Act     string
	Outcome string
	About   []string `json:",omitempty"`
}

// Audit asks the audit log. Errors: ErrNotAllowed, ErrBadQuestion.
func (s *Service) Audit(ctx context.Context, who Caller, q AuditQuestion) (AuditAnswer, error) {
	if err := s.allow(ctx, who, ActAudit); err != nil {
		return AuditAnswer{}, err
	}
	return s.vault.Audit(ctx, q)
}

// Audit answers from the log of an open vault. That it was read stands in it.
func (o opened) Audit(ctx context.Context, q AuditQuestion) (a AuditAnswer, err error) {
	act := entry.LogRead
	if q.Do == "checkpoint" {
		act = entry.Checkpoint
	}
	err = o.do(ctx, machine(), act, nil, func() error { return o.askLog(ctx, q, &a) }, audit.Say("asked", q.Do))
	return a, err
}

func (o opened) askLog(ctx context.Context, q AuditQuestion, a *AuditAnswer) error {
	log := o.vault.Audit()
	a.Size = log.Size()
	switch q.Do {
	case "verify":
		earlier, err := Checkpoints(q.Earlier)
		if err != nil {
			return err
		}
		r, err := log.Verify(ctx, earlier...)
		if err != nil {
			return fmt.Errorf("verify the audit log: %w", err)
		}
		a.Size = r.Entries
		for _, f := range append(log.Findings(), r.Findings...) {
			a.Findings = append(a.Findings, f.Error())
		}
		return nil
	case "checkpoint":
		c, err := log.Checkpoint(ctx)
		if err != nil {
			return err
		}
		a.Size, a.Checkpoint, a.Key, a.Chip = c.Size, string(c.Note), log.Key(), o.vault.KeyState().Chip
		return nil
	case "list":
		return listEntries(ctx, log, q.Last, a)
	case "prove":
		p, err := log.Prove(ctx, q.Entry)
		a.Proof, a.Key = string(p.Text()), log.Key()
		return err
	}
	return fmt.Errorf("%w: %q is nothing to ask of the audit log", ErrBadQuestion, q.Do)
}

// Checkpoints reads those that somebody brought. Whether the chip signed them the caller finds out: what an auditor kept may be of
// a chip that is gone. Errors: ErrBadQuestion.
func Checkpoints(text string) ([]proof.Checkpoint, error) {
	notes, rest := proof.Split([]byte(text))
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: these are no checkpoints", ErrBadQuestion)
	}
	var all []proof.Checkpoint
	for _, n := range notes {
		c, err := proof.Read(n)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadQuestion, err)
		}
		all = append(all, c.Checkpoint)
	}
	return all, nil
}

func listEntries(ctx context.Context, log *audit.Log, last int, a *AuditAnswer) error {
	if last <= 0 || last > maxEntries {
		last = maxEntries
	}
	from := uint64(0)
	if a.Size > uint64(last) {
		from = a.Size - uint64(last)
	}
	return log.Walk(ctx, from, func(s audit.Stored, err error) error {
		if err != nil {
			a.Findings = append(a.Findings, err.Error())
			return nil
		}
		e := AuditEntry{Number: s.Seq, At: s.At, Actor: s.Actor.String(), Act: s.Action.String(), Outcome: s.Outcome.String()}
		for _, id := range s.About {
			e.About = append(e.About, id.String())
		}
		a.Entries = append(a.Entries, e)
		return nil
	})
}
