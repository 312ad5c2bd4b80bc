package vault

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/retention"
	"linekeep/vault/retention/hold"
	"linekeep/vault/retention/kept"
	"linekeep/vault/retention/note"
)

const (
	retentionDir   = "retention"
	outerRetention = "retention"
)

// ErrHeld reports an order to erase a recording that is under a hold or a restriction: that is ended first.
var ErrHeld = errors.New("vault: under a hold or a restriction")

// Retention is how long the vault keeps what it records.
type Retention struct {
	Periods map[string]retention.Months // by class; a class without one has retention.Default
	Place   *time.Location              // the office's calendar; nil is that of Clock
	Cases   retention.Cases             // which recordings open cases freeze; nil where there is no register
	// Uptime is how long the box is up, by a clock nobody can set; nil is since Open.
	Uptime func() time.Duration
	// Audit writes into the audit log before an act happens; nil is the vault's own.
	Audit func(ctx context.Context, a retention.Act) error
}

func (v *Vault) openRetention(ctx context.Context) (err error) {
	c := v.cfg.Retention
	if c.Uptime == nil {
		began := time.Now()
		c.Uptime = func() time.Duration { return time.Since(began) }
	}
	if c.Place == nil {
		c.Place = v.cfg.Clock().Location()
	}
	if c.Audit == nil {
		c.Audit = kept.Audit(v.past.Audit)
	}
	periods := make(map[string]retention.Months)
	for _, class := range v.cfg.Classes {
		if periods[class] = c.Periods[class]; periods[class] == 0 {
			periods[class] = retention.Default(class)
		}
	}
	p := &kept.Parts{Keys: v.keys, Catalog: v.catalog, Library: v.library, Months: v.months, Store: v.store, Eraser: v.eraser, Blocks: catalogDir, Clock: v.cfg.Clock, Step: &v.step}
	notes := note.Config{Dir: filepath.Join(v.cfg.Dir, retentionDir), VaultID: v.keys.VaultID(), Key: v.keys.Outer(outerRetention), FS: pair.Disk{},
		Fresh: func() uint64 { return uint64(v.cfg.Clock().UnixNano()) }}
	v.retention, err = retention.Open(ctx, retention.Config{Periods: periods, Place: c.Place, Store: p, Cases: c.Cases, Slots: v.keys, Register: kept.Register{Ledger: v.past.Register}, Note: notes,
		Wall: v.cfg.Clock, Up: c.Uptime, Marks: p.Marks, Newest: p.Newest, Audit: c.Audit, Log: v.log})
	return err
}

// Retention lets recordings go when their time is over, and keeps those that are held.
func (v *Vault) Retention() *retention.Keeper { return v.retention }

// HoldFound puts one hold or restriction on whatever meets the criteria now, also on what is restricted: a fixed list, so that what is
// made later is not held, and one id, that ends it for all. Errors: as Keeper.Hold; hold.ErrBad where nothing was asked or found.
func (v *Vault) HoldFound(ctx context.Context, q catalog.Query, h hold.Hold) (hold.Hold, error) {
	ids, err := kept.Matching(ctx, v.catalog, v.library, q)
	if err != nil {
		return h, err
	}
	h.Calls = ids
	return v.retention.Hold(ctx, h)
}

func (v *Vault) mayErase(ids []keys.ID) error {
	if v.retention.Held(ids...) {
		return fmt.Errorf("%w: end that first", ErrHeld)
	}
	return nil
}
