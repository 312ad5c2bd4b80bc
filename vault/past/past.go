// Package past is what the vault remembers of itself: the audit log, and the register whose transactions are in it.
//
// Stage: line -> call -> encode -> seal -> store -> [past] -> search -> release.
//
//	In:    the vault's folder and keys; what the journal counted of both
//	Out:   the two, opened in their order; what is wrong with either; counters for the journal
//	Owner: Run has one goroutine of its caller's
//	Full:  an entry that finds no room is an error, and the act it is about does not happen
package past

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/proof"
	"linekeep/vault/erasure"
	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/register/ledger"
)

// Names of the folders below the vault, and of what the journal counts.
const (
	AuditDir    = "audit"
	RegisterDir = "register"
	notes       = "audit/checkpoints"
)

// Config says where the vault is.
type Config struct {
	Dir      string
	Keys     *keys.Keys
	Counters []journal.Counter // of the journal's newest group
	Room     func(need int64) error
	Refused  func(error) bool
	Clock    func() time.Time
	// Accept goes on with a log that the root does not know; see audit.Config.
	Accept bool
	// Erased is the list of erasures, once it is open: its certificates name where the log ended. May be nil.
	Erased func() *erasure.List
	Log    *slog.Logger
}

// Past is both, open.
type Past struct {
	Audit    *audit.Log
	Register *ledger.Ledger
	records  *folder.Folder
	log      *slog.Logger
}

func (c Config) counted(name string) uint64 {
	i := slices.IndexFunc(c.Counters, func(c journal.Counter) bool { return c.Folder == name })
	if i < 0 {
		return 0
	}
	return c.Counters[i].Commits
}

func (c Config) audit() audit.Config {
	return audit.Config{Dir: filepath.Join(c.Dir, AuditDir), Keys: c.Keys, Clock: c.Clock, Floor: c.counted(AuditDir), Notes: c.counted(notes),
		Accept: c.Accept, Certified: c.certified, Refused: c.Refused, Log: c.Log}
}

// certified is where the log ended at each erasure, by the word of the chip that is there: before a recovery there may have been
// another log.
func (c Config) certified() []audit.Known {
	var all []audit.Known
	if c.Erased == nil {
		return nil
	}
	list := c.Erased()
	if list == nil {
		return nil
	}
	chip := c.Keys.Chip()
	_ = list.Walk(func(e erasure.Certificate, bad error) error { // what cannot be read is among the list's own findings
		if bad == nil && e.Entry.Log != nil && bytes.Equal(e.Chip.Attest, chip.Attest) {
			all = append(all, audit.Known{What: fmt.Sprintf("the certificate of erasure %d", e.Entry.Number), Size: e.Entry.Log.Size, Root: e.Entry.Log.Root})
		}
		return nil
	})
	return all
}

func (c Config) folder() folder.Options {
	return folder.Options{Name: RegisterDir, Path: filepath.Join(c.Dir, RegisterDir), Key: c.Keys.Folder(RegisterDir), Rows: true, Room: c.Room, Log: c.Log}
}

// Open opens the log, and the register that stands on it. Errors: audit.ErrRolledBack.
func Open(ctx context.Context, c Config) (*Past, error) {
	p := &Past{log: c.Log}
	var err error
	if p.Audit, err = audit.Open(ctx, c.audit()); err != nil {
		return nil, err
	}
	if p.records, err = folder.Open(ctx, c.folder()); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.Register, err = ledger.Open(ledger.Config{Folder: p.records, Keys: c.Keys, Log: p.Audit, Clock: c.Clock, Floor: c.counted(RegisterDir)})
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Counters are for the journal's groups: what there is at the least.
func (p *Past) Counters() []journal.Counter {
	return []journal.Counter{{Folder: AuditDir, Commits: p.Audit.Size()}, {Folder: notes, Commits: p.Audit.Newest().Size},
		{Folder: RegisterDir, Commits: p.Register.Newest()}}
}

// Findings are what was found wrong since Open.
func (p *Past) Findings() []error {
	return slices.Concat(p.Audit.Findings(), p.records.Findings(), p.Register.Findings())
}

// Verify reads both again.
func (p *Past) Verify(ctx context.Context) []error {
	r, err := p.Audit.Verify(ctx)
	found := append(r.Findings, p.records.Verify(ctx)...)
	if err != nil {
		found = append(found, err)
	}
	return found
}

// Inspect verifies both in a vault that nobody has open, and changes nothing.
func Inspect(ctx context.Context, c Config, earlier ...proof.Checkpoint) (r audit.Report, err error) {
	l, err := audit.Read(ctx, c.audit())
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if r, err = l.Verify(ctx, earlier...); err != nil {
		return r, err
	}
	r.Findings = append(l.Findings(), r.Findings...)
	o := c.folder()
	o.ReadOnly = true
	records, err := folder.Open(ctx, o)
	if err != nil {
		r.Findings = append(r.Findings, err)
		return r, nil
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	r.Findings = slices.Concat(r.Findings, records.Findings(), records.Verify(ctx))
	book, err := ledger.Open(ledger.Config{Folder: records, Keys: c.Keys, Log: l, Clock: c.Clock, Floor: c.counted(RegisterDir)})
	if err != nil {
		r.Findings = append(r.Findings, err)
		return r, nil
	}
	r.Findings = append(r.Findings, book.Findings()...)
	return r, nil
}

// Walk visits the log's entries in a vault that nobody has open, as audit.Log does in one that is.
func Walk(c Config) func(ctx context.Context, from uint64, visit func(s audit.Stored, err error) error) error {
	return func(ctx context.Context, from uint64, visit func(s audit.Stored, err error) error) (err error) {
		l, err := audit.Read(ctx, c.audit())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		return l.Walk(ctx, from, visit)
	}
}

// Box writes down what the box does by itself, and makes a checkpoint if the chip is there; Run tries again where it is not.
func (p *Past) Box(ctx context.Context, acts ...audit.Act) error {
	if _, err := p.Audit.Append(ctx, acts...); err != nil {
		return err
	}
	p.Checkpoint(ctx)
	return nil
}

// Start is how the box came up.
type Start struct {
	Version string // of the program
	Clean   bool   // it was stopped in good order
	CutOff  int    // recordings that are closed by recovery
	Torn    int64  // bytes of a half-written group that were cut off
	Damage  int    // places of the journal that are altered or missing
}

// Started writes down that the box came up, and where it had not been stopped in good order, that too and what is repaired.
func (p *Past) Started(ctx context.Context, s Start) error {
	acts := []audit.Act{{What: entry.BoxStart, Details: audit.Details{audit.Say("version", cmp.Or(s.Version, "unknown"))}}}
	if !s.Clean {
		acts = append(acts, audit.Act{What: entry.Unclean, Details: audit.Details{audit.Say("recordings cut off", strconv.Itoa(s.CutOff)),
			audit.Say("half-written bytes", strconv.FormatInt(s.Torn, 10)), audit.Say("damaged places of the journal", strconv.Itoa(s.Damage))}})
	}
	return p.Box(ctx, acts...)
}

// Checkpoint makes one if the chip is there.
func (p *Past) Checkpoint(ctx context.Context) {
	if _, err := p.Audit.Checkpoint(ctx); err != nil {
		p.log.ErrorContext(ctx, "no checkpoint of the audit log", slog.Any("err", err))
	}
}

// Run makes checkpoints until ctx ends.
func (p *Past) Run(ctx context.Context) error { return p.Audit.Run(ctx) }

// Close closes both.
func (p *Past) Close() error {
	var errs []error
	if p.records != nil {
		errs = append(errs, p.records.Close())
	}
	return errors.Join(append(errs, p.Audit.Close())...)
}
