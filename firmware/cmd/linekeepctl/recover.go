package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"linekeep/vault"
	"linekeep/vault/custody"
)

// recovered is what is left to do, once a vault opens on a new chip.
const recovered = `The vault opens again on this security chip.

Next:
  1. Start the daemon. What was recorded while the vault was locked is filed within minutes.
  2. Have every Controller and Director claim their account anew: the keys of the old accounts died with the old chip.
  3. Have a new recovery code made. This one has been out of its envelope.
`

// recover opens the key backup with the recovery code and binds the vault to the chip that is there now.
func (p program) recover(ctx context.Context, args []string) (err error) {
	f := newFlags("recover")
	file := f.String("recovery-code", "", "")
	if err := parse(f, args); err != nil {
		return err
	}
	if *file == "" || f.NArg() > 0 {
		return fmt.Errorf("%w: recover needs --recovery-code FILE", errUsage)
	}
	typed, err := readCode(*file)
	if err != nil {
		return err
	}
	defer typed.Wipe()
	if typed.IsZero() {
		return fmt.Errorf("%w: %s is empty", custody.ErrMistyped, *file)
	}
	code, err := custody.ReadCode(typed) // its error says which group is mistyped, and never what was typed
	if err != nil {
		return err
	}
	defer code.Wipe()
	cfg, chip, err := p.offline(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chip.Close()) }()
	if err := vault.Recover(ctx, cfg.Vault(), chip, code, slog.New(slog.DiscardHandler)); err != nil {
		return fmt.Errorf("%w: %w", errNoVault, err)
	}
	if p.json {
		return p.sayJSON(map[string]bool{"recovered": true})
	}
	_, err = fmt.Fprint(p.out, recovered)
	return err
}
