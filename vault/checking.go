package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"linekeep/drivers/tpm"
	"linekeep/vault/audit"
	"linekeep/vault/audit/proof"
	"linekeep/vault/catalog"
	"linekeep/vault/check"
	"linekeep/vault/check/aside"
	"linekeep/vault/custody"
	"linekeep/vault/custody/office"
	"linekeep/vault/eraser"
	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/lock"
	"linekeep/vault/past"
	"linekeep/vault/scrub"
	"linekeep/vault/settings"
)

// checked is the open vault as a check sees it.
func (v *Vault) checked() *check.Vault {
	return &check.Vault{Dir: v.cfg.Dir, Library: v.library, Keys: v.verifyKeys, Custody: v.verifyCustody,
		Journal: v.journal.Verify, Catalog: v.catalog, Rows: v.rows.Verify, Erased: v.eraser.List().Verify, Audit: v.past.Verify, Log: v.past.Audit.Walk, Ballast: filepath.Join(v.cfg.Dir, ballastName),
		Settings: v.settings.Verify, Unfiled: v.store.UnfiledIDs, Shards: v.keys.Shards(), Marks: v.keys.Marks(), Found: v.Findings()}
}

// Check reads the whole vault again, while it records; see vault/check.
func (v *Vault) Check(ctx context.Context) (check.Report, error) { return check.Run(ctx, v.checked()) }

// CheckHearing is Check, and every recording is opened with the custody key of whoever is signed in. Errors: as Check, and
// check.ErrStop when the session ends on the way.
func (v *Vault) CheckHearing(ctx context.Context, s *office.Session) (check.Report, error) {
	all := v.checked()
	all.Hear = func(ctx context.Context, id keys.ID) (*Recording, error) {
		r, err := v.Hear(ctx, id, s)
		if errors.Is(err, office.ErrEnded) || errors.Is(err, office.ErrNoGrant) {
			err = errors.Join(check.ErrStop, err)
		}
		return r, err
	}
	return check.Run(ctx, all)
}

// openScrub makes what reads the vault again by night.
func (v *Vault) openScrub(ctx context.Context) (err error) {
	if err = v.openSettings(); err != nil {
		return err
	}
	v.scrub, err = scrub.New(ctx, scrub.Config{Store: v.settings, Clock: v.cfg.Clock, Log: v.log,
		Begin: func(ctx context.Context, due ...check.Share) (scrub.Reader, error) {
			return check.Begin(ctx, v.checked(), due...)
		}})
	return err
}

// Scrub has the rest of this month's reading done now; see vault/scrub.
func (v *Vault) Scrub() { v.scrub.Now() }

// CheckStopped checks a vault that no process has open. Errors: ErrLocked, those of Open. A vault so damaged that
// it cannot be opened is an error, too: nothing in it can be compared then.
func CheckStopped(ctx context.Context, cfg Config, chip tpm.Sealer, log *slog.Logger) (report check.Report, err error) {
	v := &Vault{cfg: cfg, log: log}
	defer func() { err = errors.Join(err, v.release()) }()
	replay, err := v.openStopped(ctx, chip)
	if err != nil {
		return report, err
	}
	in := &check.Vault{Dir: cfg.Dir, Library: v.library, Keys: v.verifyKeys,
		Custody: func() []error { return office.Inspect(officeConfig(cfg, v.keys, v.ring)) },
		Journal: func() ([]*journal.Damage, error) { return replay.Damages, nil },
		Log:     past.Walk(v.pastConfig(replay)),
		Settings: func() []error {
			return settings.Inspect(filepath.Join(cfg.Dir, settingsDir), v.keys.VaultID(), v.keys.Outer(outerSettings))
		},
		Ballast: filepath.Join(cfg.Dir, ballastName), Erased: v.eraser.List().Findings, Found: v.keys.Findings()}
	if !replay.Clean { // its unfinished recordings are finished at the next start
		in.Unfiled, in.Shards, in.Marks = replay.Unfiled, v.keys.Shards(), replay.Marks()
	}
	v.inspectCatalog(ctx, in)
	in.Audit = func(ctx context.Context) []error {
		r, err := v.inspectPast(ctx, replay)
		if err != nil {
			r.Findings = append(r.Findings, err)
		}
		return r.Findings
	}
	return check.Run(ctx, in)
}

// openStopped opens what a look at a vault needs that no process has open. Whatever a month's folder or the catalogue needs to be
// opened after a power cut, its owner does at the next start; here nothing is written.
func (v *Vault) openStopped(ctx context.Context, chip tpm.Sealer) (replay *journal.Replay, err error) {
	dir := v.cfg.Dir
	if v.lock, err = lock.Take(dir); err != nil {
		return nil, err
	}
	if err = v.openKeys(ctx, chip); err != nil {
		return nil, fmt.Errorf("open the vault in %s: %w", dir, err)
	}
	if v.ring, err = custody.Load(filepath.Join(dir, keysDir), v.keys.VaultID(), v.keys.Outer(custody.Outer)); err != nil {
		return nil, fmt.Errorf("open the vault in %s: %w", dir, err)
	}
	if v.eraser, err = eraser.Inspect(v.eraserConfig()); err != nil {
		return nil, err
	}
	v.months = library.NewMonths(library.MonthsConfig{Dir: dir, Key: v.keys.Folder, ReadOnly: true, Clock: v.cfg.Clock, Log: v.log})
	v.library = &library.Library{Keys: v.keys, Months: v.months, Hidden: v.eraser.Hides}
	return journal.Inspect(journal.Config{Dir: filepath.Join(dir, journalDir), VaultID: v.keys.VaultID(), Key: v.keys.Outer(outerJournal)})
}

// AuditStopped verifies the audit log and the register of a vault that no process has open, and holds them against checkpoints that
// left the box before. Errors: as CheckStopped.
func AuditStopped(ctx context.Context, cfg Config, chip tpm.Sealer, log *slog.Logger, earlier ...proof.Checkpoint) (r audit.Report, err error) {
	v := &Vault{cfg: cfg, log: log}
	defer func() { err = errors.Join(err, v.release()) }()
	replay, err := v.openStopped(ctx, chip)
	if err != nil {
		return r, err
	}
	return v.inspectPast(ctx, replay, earlier...)
}

// inspectCatalog opens the catalogue for reading. One that cannot be opened is a finding: the recordings can still
// be checked, and the catalogue is made again from them. What an older version wrote is brought into the form of now in memory.
func (v *Vault) inspectCatalog(ctx context.Context, in *check.Vault) {
	o := v.catalogOptions()
	o.ReadOnly = true
	rows, err := folder.Open(ctx, o)
	if err != nil {
		in.Rows = func(context.Context) []error { return []error{err} }
		return
	}
	v.rows = rows
	in.Rows = func(ctx context.Context) []error { return append(rows.Findings(), rows.Verify(ctx)...) }
	opened, err := catalog.Open(ctx, v.catalogConfig(), aside.Over(rows), &aside.Slots{Under: v.keys}, v.log)
	if err != nil {
		in.Rows = func(context.Context) []error { return append(rows.Findings(), err) }
		return
	}
	v.catalog, in.Catalog = opened, opened
}
