package service

import (
	"context"
	"errors"
	"fmt"
	"io"

	"linekeep/vault/audit/entry"
	"linekeep/vault/check"
	"linekeep/vault/custody"
)

// Memory keeps what a box with a locked vault refuses, until the vault opens and its log is told: vault.Degraded is one.
type Memory interface {
	Refused(ctx context.Context, who entry.Kind, act, why string)
}

// Why something was refused, as the log has it: one text for each kind of refusal, and nothing of what was typed.
const (
	whyLocked   = "the vault is locked"
	whyTable    = "not allowed"
	whyButton   = "the button was not pressed"
	whyTooMany  = "too many codes in a short time"
	whyCode     = "wrong recovery code"
	whyMistyped = "mistyped recovery code"
	whyElse     = "it could not be carried out"
)

// Locked is a vault that records and whose root does not open: nothing can be found in it, heard, checked or erased. What it
// refuses it tells memory.
func Locked(why error, memory Memory) Vault { return locked{why, memory} }

type locked struct {
	why    error
	memory Memory
}

func (l locked) refuse(ctx context.Context, a Act) error {
	l.memory.Refused(ctx, entry.Machine, string(a), whyLocked)
	return fmt.Errorf("%w: %w", ErrVaultLocked, l.why)
}

func (l locked) Find(ctx context.Context, _ Query) (List, error) {
	return List{}, l.refuse(ctx, ActSearch)
}

func (l locked) Play(ctx context.Context, _ io.Writer, _ Playing) error {
	return l.refuse(ctx, ActPlay)
}

func (l locked) Check(ctx context.Context) (check.Report, error) {
	return check.Report{}, l.refuse(ctx, ActCheck)
}

func (l locked) Scrub(ctx context.Context, _ Scrubbing) (Scrubbed, error) {
	return Scrubbed{}, l.refuse(ctx, ActScrub)
}

func (l locked) Keys(ctx context.Context) (Keys, error) { return Keys{}, l.refuse(ctx, ActKeys) }

func (l locked) People(ctx context.Context, _ PeopleOrder) (PeopleDone, error) {
	return PeopleDone{}, l.refuse(ctx, ActPeople)
}

func (l locked) Retention(ctx context.Context, _ RetentionOrder) (Retention, error) {
	return Retention{}, l.refuse(ctx, ActRetention)
}

func (l locked) Erase(ctx context.Context, _ Erasure) (Erased, error) {
	return Erased{}, l.refuse(ctx, ActErase)
}

func (l locked) Audit(ctx context.Context, _ AuditQuestion) (AuditAnswer, error) {
	return AuditAnswer{}, l.refuse(ctx, ActAudit)
}

// Denied has memory keep it: there is no log to write to before the vault opens.
func (l locked) Denied(ctx context.Context, who Caller, a Act) error {
	l.memory.Refused(ctx, kindOf(who), string(a), whyTable)
	return nil
}

// kindOf is who asks, in the log's words. A caller the table does not know is no more than a visitor.
func kindOf(who Caller) entry.Kind {
	if who == Machine {
		return entry.Machine
	}
	return entry.Visitor
}

// whyRefused is why a recovery was refused.
func whyRefused(err error) string {
	for _, k := range []struct {
		is  error
		why string
	}{{ErrNotAllowed, whyTable}, {ErrNoButton, whyButton}, {ErrTooMany, whyTooMany}, {custody.ErrMistyped, whyMistyped}, {ErrWrongCode, whyCode}} {
		if errors.Is(err, k.is) {
			return k.why
		}
	}
	return whyElse
}
