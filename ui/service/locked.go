package service

import (
	"context"
	"fmt"
	"io"

	"linekeep/vault/check"
)

// Locked is a vault that records and whose root does not open: nothing can be found in it, heard, checked or erased.
func Locked(why error) Vault { return locked{why} }

type locked struct{ why error }

func (l locked) err() error { return fmt.Errorf("%w: %w", ErrVaultLocked, l.why) }

func (l locked) Find(context.Context, Query) (List, error)      { return List{}, l.err() }
func (l locked) Play(context.Context, io.Writer, Playing) error { return l.err() }
func (l locked) Check(context.Context) (check.Report, error)    { return check.Report{}, l.err() }
func (l locked) Scrub(context.Context, Scrubbing) (Scrubbed, error) {
	return Scrubbed{}, l.err()
}
func (l locked) Keys(context.Context) (Keys, error) { return Keys{}, l.err() }
func (l locked) People(context.Context, PeopleOrder) (PeopleDone, error) {
	return PeopleDone{}, l.err()
}

func (l locked) Retention(context.Context, RetentionOrder) (Retention, error) {
	return Retention{}, l.err()
}

func (l locked) Erase(context.Context, Erasure) (Erased, error) { return Erased{}, l.err() }

func (l locked) Audit(context.Context, AuditQuestion) (AuditAnswer, error) {
	return AuditAnswer{}, l.err()
}

// Denied has no log to write to: it opens with the vault, and a refusal shows nobody anything.
func (l locked) Denied(context.Context, Caller, Act) error { return nil }
