package service

import (
	"context"
	"errors"
	"fmt"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/keys"
)

// allow asks the permission table. A refusal is written down before it is told. Errors: ErrNotAllowed.
func (s *Service) allow(ctx context.Context, who Caller, a Act) error {
	err := allowed(who, a)
	if err == nil || s.vault == nil {
		return err
	}
	return errors.Join(err, s.vault.Denied(ctx, who, a))
}

// Denied writes a refusal into the log.
func (o opened) Denied(ctx context.Context, who Caller, a Act) error {
	return o.denied(ctx, entry.Actor{Kind: kindOf(who)}, a)
}

// denied writes down that somebody may not do something. Whoever asked may have gone: it is written all the same.
func (o opened) denied(ctx context.Context, who entry.Actor, a Act, about ...keys.ID) error {
	act := audit.Act{Who: who, What: entry.Denied, Outcome: entry.Refused, About: about, Details: audit.Details{audit.Say("act", string(a))}}
	if _, err := o.vault.Audit().Append(context.WithoutCancel(ctx), act); err != nil {
		return fmt.Errorf("write a refusal into the audit log: %w", err)
	}
	return nil
}
