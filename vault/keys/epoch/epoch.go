// Package epoch keeps the root in force: it opens the right one at the start, writes new ones within an epoch, and
// moves on to the next epoch, after which nothing of before ever opens again.
//
//	In:    a tpm.Sealer, and the folder keys/; changes to the root's contents
//	Out:   the contents in force; a key backup beside every root
//	Owner: no goroutine. Readers may be many; those who write take turns, which the caller sees to
//	Full:  a root that finds no room leaves the one before it in force
//
// What a root is for (shards, slots) it does not know, but for the names of their files.
package epoch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/keys/pair"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
)

var (
	// ErrAltered reports a key file that is not as it was written.
	ErrAltered = errors.New("keys: key file altered")
	// ErrOlder reports that every root here is older than the TPM: the chip has moved past all of them, as when an old
	// copy of the disk is put back. It is a tpm.ErrRefused: the chip will never open one of them again.
	ErrOlder = fmt.Errorf("keys: every root here is older than the TPM: an old copy of the disk was put back: %w", tpm.ErrRefused)
	// ErrOtherChip reports roots of another chip than the one that is there. It is a tpm.ErrRefused.
	ErrOtherChip = fmt.Errorf("keys: the root belongs to another chip: %w", tpm.ErrRefused)
	// ErrNoVault reports a folder in which no keys were ever made.
	ErrNoVault = errors.New("keys: no vault here")
	// ErrUnfinished reports a commit whose counter the chip has not moved all the way, or of which it is not known whether it
	// did. Commit again, with or without more to do, to finish it.
	ErrUnfinished = errors.New("keys: erasure not finished")
	// ErrClosed reports a use after Close.
	ErrClosed = errors.New("keys: closed")
)

// Config says where the roots are.
type Config struct {
	Files    *pair.Folder
	Chip     tpm.Sealer
	Clock    func() time.Time
	NoBackup bool // keeps no key backup, and removes one that is there
}

// Root is the root in force.
type Root struct {
	clock    func() time.Time
	files    *pair.Folder
	chip     tpm.Sealer
	identity tpm.Identity
	noBackup bool
	vaultID  [root.VaultIDSize]byte

	// What only those who write look at.
	lastSeq uint64 // the newest sequence ever tried, used up or not
	// announced is an epoch that the root in force calls spent and that nothing was sealed for; 0: none.
	announced uint64
	attempt   *Attempt // a commit of which it is not known whether it holds
	lock      lock     // of the root in force

	mu       sync.Mutex // guards all below; never held over the chip or the disk
	closed   bool
	behind   bool // the chip's counter has yet to be moved up to the root's epoch
	unsure   bool // attempt is not nil
	id       root.ID
	file     []byte // as it lies there, to compare with
	contents *root.Contents
	backup   BackupState
	backedUp root.ID // what the backup is of
	findings []error
	// checkpoint goes into every root from now on, once somebody has set it.
	checkpoint    []byte
	hasCheckpoint bool
}

func begin(c Config) *Root {
	return &Root{clock: c.Clock, files: c.Files, chip: c.Chip, noBackup: c.NoBackup}
}

// Create makes the first root of a new vault, on a chip without an owner, and becomes its owner. Next is the number of
// the first shard. The vault's id is drawn unless one is given. Errors: tpm.ErrOwned, tpm.ErrUnavailable.
func Create(ctx context.Context, c Config, vaultID [root.VaultIDSize]byte, next uint32) (*Root, error) {
	r := begin(c)
	at, err := r.prepareChip(ctx)
	if err != nil {
		return nil, err
	}
	if r.vaultID = vaultID; vaultID == [root.VaultIDSize]byte{} {
		rand.Read(r.vaultID[:])
	}
	r.lastSeq = 1
	first := &root.Contents{Vault: secret.New(), Owner: secret.New(), Commissioning: secret.New(), Spare: secret.New(), NextShard: next, Spent: at}
	// The owner's authorisation is on the disk before the chip has it; Open gives it to a chip that a power cut left without.
	if err := r.write(ctx, root.ID{Epoch: at, Seq: r.lastSeq}, first); err != nil {
		return nil, err
	}
	return r, r.own(ctx)
}

// VaultID names the vault.
func (r *Root) VaultID() [root.VaultIDSize]byte { return r.vaultID }

// Chip is the identity of the chip that opens the root.
func (r *Root) Chip() tpm.Identity { return r.identity }

// ID is the name of the root in force.
func (r *Root) ID() root.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.id
}

// Contents are those of the root in force. Nobody changes them: a change makes others.
func (r *Root) Contents() *root.Contents {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.contents
}

// File is the root in force as it lies on the disk.
func (r *Root) File() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file
}

// Seq is the sequence of the root that is being written; files that come with it are named after it.
func (r *Root) Seq() uint64 { return r.lastSeq }

// Note keeps what was found wrong; nil is passed over.
func (r *Root) Note(findings ...error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range findings {
		if f != nil {
			r.findings = append(r.findings, fmt.Errorf("%w: %w", ErrAltered, f))
		}
	}
}

// Findings are what was found wrong since Open.
func (r *Root) Findings() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.findings)
}

// SetCheckpoint has a checkpoint of the audit log stand in every root from the next one on; nil for none. It writes nothing.
func (r *Root) SetCheckpoint(note []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checkpoint, r.hasCheckpoint = slices.Clone(note), true
}

// takeCheckpoint puts it into contents that are about to be written.
func (r *Root) takeCheckpoint(c *root.Contents) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hasCheckpoint {
		c.Checkpoint = r.checkpoint
	}
}

// Unfinished says whether a commit waits for the chip.
func (r *Root) Unfinished() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.behind || r.unsure
}

// Close wipes the contents. The caller sees to it that nobody uses them any more.
func (r *Root) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	r.contents.Wipe()
	r.lock.key.Wipe()
	if r.attempt != nil {
		r.attempt.Contents.Wipe()
		r.attempt.lock.key.Wipe()
	}
}

// otherRoots are the names of all roots but the one in force.
func (r *Root) otherRoots() ([]string, error) {
	id := r.ID()
	names, err := r.files.List()
	return slices.DeleteFunc(names, func(name string) bool {
		other, isRoot := root.ParseName(name)
		return !isRoot || other == id
	}), err
}

// removeOtherRoots removes every root but the one in force.
func (r *Root) removeOtherRoots() error {
	gone, err := r.otherRoots()
	if err != nil {
		return err
	}
	if err := r.files.Remove(gone...); err != nil {
		return fmt.Errorf("remove older root: %w", err)
	}
	return nil
}

// Naming gives shards the names they have once their root is in force.
func Naming(lines []shard.Line) []pair.Step {
	steps := make([]pair.Step, len(lines))
	for i, l := range lines {
		steps[i] = pair.Step{From: l.NewName(), To: l.FileName()}
	}
	return steps
}
