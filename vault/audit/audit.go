// Package audit is the log of who did what with the box and its recordings. Nobody can switch it off, and nobody can
// alter it unseen.
//
// Stage: line -> call -> encode -> seal -> store -> search -> [audit] -> release.
//
//	In:    acts, each before it is done
//	Out:   nil from Append = the entry is on the disk; checkpoints that the chip signed; proofs that need no box
//	Owner: Run has one goroutine of its caller's; acts may come from many, and share one sync
//	Full:  an entry that finds no room on the disk is an error, and the act it is about does not happen; one about what has
//	       happened already waits in memory (maxLate), and the log goes on by itself when there is room
//
// The log is a Merkle tree (RFC 6962) over entries that show nothing personal (package entry); details are sealed under the
// slot of what they concern, so that they die with it and the log stays whole. Whoever has an earlier checkpoint sees
// whether anything before it was altered, taken out, put in another order or cut off (package proof). FORMAT.md
// section "Audit log" has the bytes, THREATS.md what it is good for.
package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/drivers/tpm"
	"linekeep/vault/audit/disk"
	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/notes"
	"linekeep/vault/audit/proof"
	"linekeep/vault/audit/tree"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

var (
	// ErrRolledBack reports a log that is older than the root of the vault's keys knows it, or another one.
	ErrRolledBack = errors.New("audit: the log is not the one the vault's root knows: it was rolled back, cut off or written anew")
	// ErrLost reports that the log ends before what is known to have been written.
	ErrLost = errors.New("audit: part of the log is lost")
	// ErrAltered reports an entry or a file that is not as it was written.
	ErrAltered = errors.New("audit: altered")
	// ErrErased reports details whose slot is erased.
	ErrErased = errors.New("audit: the details are erased")
	// ErrNotThere reports a number that no entry has.
	ErrNotThere = errors.New("audit: no such entry")
	// ErrClosed reports a use after Close.
	ErrClosed = errors.New("audit: closed")
	// ErrNotWritten reports an act that was not done, because it could not be written down.
	ErrNotWritten = errors.New("audit: the act was not written down, so it was not done")
)

// perFile is how many entries a file has: opening reads all of the newest one, some 4 MB.
const perFile = 1 << 14

// CheckpointPeriod is how often a checkpoint is made while there are new entries.
const CheckpointPeriod = time.Minute

// Keys is what the log asks of vault/keys.
type Keys interface {
	VaultID() [keys.VaultIDSize]byte
	Outer(purpose string) keys.Key
	Chip() tpm.Identity
	Epoch() uint64
	Slot(id keys.ID) (keys.Slot, error)
	Next(ctx context.Context, class string, at time.Time) (keys.Slot, error)
	Certify(ctx context.Context, qualifying [32]byte) (tpm.Certificate, error)
	// Checkpoint is the one that stands in the root in force; nil if none does.
	Checkpoint() []byte
	// SetCheckpoint has it stand in the roots to come.
	SetCheckpoint(note []byte)
}

// Config says where the log is.
type Config struct {
	Dir   string
	Keys  Keys
	Clock func() time.Time
	// Uptime tells which start of the machine it is and how long ago that was; nil asks the kernel.
	Uptime func() (boot [16]byte, up time.Duration)
	// Floor is how many entries the journal knows of: fewer mean that some are lost.
	Floor uint64
	// Notes is the size that the newest checkpoint beside the log had, as far as the journal knows.
	Notes uint64
	// Accept goes on with a log that the root does not know, and writes into it that part is lost. Only a recovery may.
	Accept bool
	// Certified are states of the log that certificates of erasure vouch for: Verify holds the log against them. nil: there are none.
	Certified func() []Known
	// Refused tells an error that is a refusal from one that is a failure; nil says that none is.
	Refused func(error) bool
	FS      disk.FS // nil for the real disk
	Log     *slog.Logger

	perFile int64 // for tests
}

// Known is a state of the log that something else than a checkpoint vouches for.
type Known struct {
	What string // vouches for it
	Size uint64
	Root [32]byte
}

// Act is something that is about to be done.
type Act struct {
	Who     entry.Actor
	What    entry.Action
	About   []keys.ID
	Hashes  [][32]byte
	Case    keys.ID
	Under   keys.ID // slot that the details die with; zero: one of the log's own
	Details Details

	Outcome  entry.Outcome
	Of       uint64 // of an outcome: number of the entry that began it, plus one
	Register uint64
}

// Say is a detail.
func Say(name, value string) Detail { return Detail{Name: name, Value: value} }

// Log is an open log. Its methods may be called from several goroutines.
type Log struct {
	cfg     Config
	vaultID [keys.VaultIDSize]byte
	outer   keys.Key
	tree    tree.Hashes
	reading bool // Read opened it: nothing is written

	turn   sync.Mutex // one writer at a time; guards what follows
	files  []*part    // oldest first; the newest is written to
	broken bool       // what the newest file ends with is not known: another one is begun
	fresh  keys.ID    // a slot for the next file, from an attempt to begin one that found no room
	owing  bool       // hashes of the tree wait in memory for room
	buf    []byte

	mu       sync.Mutex // guards what follows; never held over the disk or the chip
	closed   bool
	batch    *batch
	head     tree.Tree
	register mark
	office   keys.ID // of the newest file
	findings []error
	newest   proof.Signed // zero before the first
	failed   error        // why the last checkpoint was not made
	chip     bool         // the newest checkpoint is of the chip that is there
	late     []Act        // has happened, and waits for room; at most maxLate
	untold   int          // happened beyond those

	signing sync.Mutex // one checkpoint at a time; before turn
	notes   notes.File // beside the log
}

// part is a file of entries.
type part struct {
	header
	name string
	f    disk.File // nil but for the newest: a log of years has more files than a process may hold open
	size int64     // as far as it counts
}

// close gives the handle back; whoever reads the file opens it anew.
func (p *part) close() error {
	f := p.f
	if p.f = nil; f == nil {
		return nil
	}
	return f.Close()
}

// batch is acts that are written with one sync.
type batch struct {
	acts  []*pending
	done  chan struct{}
	err   error
	first uint64
}

// pending is an act whose details are sealed.
type pending struct {
	entry.Entry
	sealed []byte
	place  int
}

// Append writes acts down, in one piece: nil = all are on the disk, and first is the number of the first. An error = none is,
// and none may be done. Errors: ErrNotWritten, and what was in the way.
func (l *Log) Append(_ context.Context, acts ...Act) (first uint64, err error) {
	if len(acts) == 0 {
		return 0, nil
	}
	ready := make([]*pending, len(acts))
	for i := range acts {
		if ready[i], err = l.ready(&acts[i]); err != nil {
			return 0, fmt.Errorf("%w: %s: %w", ErrNotWritten, acts[i].What, err)
		}
	}
	b, err := l.join(ready)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrNotWritten, acts[0].What, err)
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	select {
	case <-b.done: // another one's turn took ours with it
	default:
		l.mu.Lock()
		l.batch = nil
		l.mu.Unlock()
		b.first, b.err = l.write(b.acts)
		close(b.done)
	}
	if b.err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrNotWritten, acts[0].What, b.err)
	}
	return b.first + uint64(ready[0].place), nil
}

// Do writes an act down and then does it. Where it is refused or fails, a second entry says so.
func (l *Log) Do(ctx context.Context, a Act, do func() error) error {
	n, err := l.Append(ctx, a)
	if err != nil {
		return err
	}
	if err = do(); err == nil {
		return nil
	}
	return l.Undone(ctx, a, n, err)
}

// Undone writes down that an act whose entry is n was refused or failed, and gives why back.
func (l *Log) Undone(ctx context.Context, a Act, n uint64, why error) error {
	a.Of, a.Details = n+1, nil
	return l.Unbegun(ctx, a, why)
}

// Unbegun writes down that an act was refused, or failed, before there was an entry of it, and gives why back.
func (l *Log) Unbegun(ctx context.Context, a Act, why error) error {
	a.Outcome, a.Hashes, a.Register = entry.Failed, nil, 0
	a.Details = append(slices.Clip(a.Details), Say("why", why.Error()))
	if l.cfg.Refused != nil && l.cfg.Refused(why) {
		a.Outcome = entry.Refused
	}
	return errors.Join(why, l.Happened(ctx, a))
}

// ready seals an act's details.
func (l *Log) ready(a *Act) (*pending, error) {
	p := &pending{Entry: entry.Entry{Actor: a.Who, Action: a.What, Outcome: a.Outcome, Of: a.Of, Case: a.Case, Register: a.Register,
		About: a.About, Hashes: a.Hashes}}
	if !a.What.Known() {
		return nil, fmt.Errorf("it is not in the table of acts")
	}
	if len(a.About) > entry.MaxAbout || len(a.Hashes) > entry.MaxAbout {
		return nil, fmt.Errorf("it is about %d things, at most %d", len(a.About), entry.MaxAbout)
	}
	if len(a.Details) == 0 {
		return p, nil
	}
	plain, err := a.Details.Bytes()
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	slot, err := l.slot(a.Under)
	if err != nil {
		return nil, fmt.Errorf("the key for its details: %w", err)
	}
	defer slot.Wipe()
	key := slot.Audit()
	defer key.Wipe()
	p.Slot = slot.ID
	p.sealed = seal.Box(key, plain, []byte(detailsBox), l.vaultID[:], slot.ID.Append(nil))
	p.Details = sha256.Sum256(p.sealed)
	return p, nil
}

// slot is the one that details are sealed under: the one asked for, or where that is erased, or none is named, the log's own.
func (l *Log) slot(under keys.ID) (keys.Slot, error) {
	if under != (keys.ID{}) {
		slot, err := l.cfg.Keys.Slot(under)
		if !errors.Is(err, keys.ErrNoSlot) {
			return slot, err
		}
	}
	l.mu.Lock()
	office := l.office
	l.mu.Unlock()
	return l.cfg.Keys.Slot(office)
}

// join adds acts to those that are written next.
func (l *Log) join(ready []*pending) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.reading {
		return nil, ErrClosed
	}
	if l.batch == nil {
		l.batch = &batch{done: make(chan struct{})}
	}
	for _, p := range ready {
		p.place = len(l.batch.acts)
		l.batch.acts = append(l.batch.acts, p)
	}
	return l.batch, nil
}

// Head is how many entries the log has, and the root of the tree over them.
func (l *Log) Head() (size uint64, root tlog.Hash) {
	l.mu.Lock()
	head := l.head
	l.mu.Unlock()
	return uint64(head.Size), head.Root()
}

// Size is how many entries the log has. The journal keeps it: it costs nothing.
func (l *Log) Size() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(l.head.Size)
}

// Registered is the newest transaction of the register that the log has a leaf for; zeros where there is none.
func (l *Log) Registered() (seq uint64, hash [32]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.register.seq, l.register.hash
}

// Findings are what was found wrong since Open.
func (l *Log) Findings() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]error(nil), l.findings...)
}

func (l *Log) find(err error) {
	l.mu.Lock()
	l.findings = append(l.findings, err)
	l.mu.Unlock()
	if !l.reading { // it is in the report
		l.cfg.Log.ErrorContext(context.Background(), "audit log damaged", slog.Any("err", err))
	}
}

// Close ends the log. What was appended is on the disk already.
func (l *Log) Close() error {
	late := l.catchUp(context.Background())
	l.mu.Lock()
	over := l.closed
	l.closed = true
	l.mu.Unlock()
	if over {
		return nil
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	errs := []error{late}
	for _, p := range l.files {
		errs = append(errs, p.close())
	}
	if l.tree.File != nil {
		errs = append(errs, l.tree.File.Close())
	}
	l.outer.Wipe()
	return errors.Join(errs...)
}

func (l *Log) path(name string) string { return filepath.Join(l.cfg.Dir, name) }
