package epoch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"linekeep/vault/keys/pair"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
)

const (
	// chipTime is how long the chip is given to move its counter and say so. The caller's context no longer counts once the
	// counter may have moved: half a commit helps nobody.
	chipTime = 30 * time.Second
	// chipTries is how often the counter is asked to move before the attempt is given up: a command lost on the bus is not a
	// dead chip.
	chipTries = 3
)

// Attempt is a commit on its way. Begin makes it; Lock gives it its root's key; the caller changes the contents and writes
// what they speak of; Commit makes them those in force.
type Attempt struct {
	Contents *root.Contents
	ID       root.ID
	From     uint64       // the epoch in force
	Lines    []shard.Line // written under their unfinished names
	Gone     []string     // files that are worth nothing once it holds
	Held     func()       // called once it holds; wipes what is no longer needed
	Dropped  func()       // called once it is given up, and never after Held

	sealed
}

// Begin finishes what was left of earlier commits and begins another: the next epoch is announced, and what was
// abandoned is removed, before the counter may move into its epoch.
func (r *Root) Begin(ctx context.Context) (*Attempt, error) {
	if err := r.Finish(ctx); err != nil {
		return nil, err
	}
	if err := r.announce(ctx, nil); err != nil {
		return nil, fmt.Errorf("announce epoch: %w", err)
	}
	if err := r.removeAbandoned(); err != nil {
		return nil, fmt.Errorf("remove an abandoned attempt: %w", err)
	}
	r.lastSeq++
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &Attempt{Contents: r.contents.Clone(), From: r.id.Epoch, ID: root.ID{Epoch: r.announced, Seq: r.lastSeq}}
	a.Contents.Spent = a.ID.Epoch
	a.Contents.Wear = worn(a.Contents.Wear, a.ID.Epoch-a.From, r.clock())
	return a, nil
}

// Lock has the chip seal the key of an attempt's root. It takes the chip's time and touches no file, so the caller may write what
// the attempt speaks of meanwhile.
func (r *Root) Lock(ctx context.Context, a *Attempt) (err error) {
	a.lock, err = r.lockFor(ctx, a.ID.Epoch)
	return err
}

// Drop gives an attempt up before Commit. Its epoch is used up if anything was sealed for it.
func (r *Root) Drop(ctx context.Context, a *Attempt) {
	a.Dropped()
	r.giveUp(a.sealed)
	r.abandon(ctx)
}

// Commit writes the attempt's root and its key backup and moves the chip's counter. An error without ErrUnfinished
// means that the state before holds. Errors: ErrUnfinished, tpm.ErrUnavailable, and those of the disk.
func (r *Root) Commit(ctx context.Context, a *Attempt) error {
	r.announced = 0 // whatever comes of it, an epoch is sealed for once
	if err := r.lay(ctx, a); err != nil {
		r.Drop(ctx, a)
		return err
	}
	return r.move(ctx, a)
}

// lay writes everything but the chip's move.
func (r *Root) lay(ctx context.Context, a *Attempt) (err error) {
	if a.sealed, err = r.seal(a.ID, a.lock, a.Contents); err != nil {
		return err
	}
	if a.backup != nil { // from here on it may be of this root
		r.mu.Lock()
		r.backedUp = root.ID{}
		r.mu.Unlock()
	}
	if err := r.files.WriteAll(a.files()...); err != nil {
		return fmt.Errorf("write root: %w", err)
	}
	return nil
}

// Bytes is how much was written of the root and its backup, both copies together.
func (a *Attempt) Bytes() int64 { return 2 * int64(len(a.file)+len(a.backup)) }

// move moves the chip's counter up to the attempt's epoch and makes its root the one in force. Whatever comes between,
// it finds out from the chip which state holds, and if the chip does not say, no root is written until it does.
func (r *Root) move(ctx context.Context, a *Attempt) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chipTime)
	defer cancel()
	at, err := r.advance(ctx, a.Contents.Owner, a.From, a.ID.Epoch)
	switch {
	case err == nil:
		r.accept(a)
		return nil
	case at == 0:
		r.setAttempt(a)
		return fmt.Errorf("%w: it is not known whether the chip moved: %w", ErrUnfinished, err)
	case at == a.From:
		r.Drop(ctx, a)
		return err
	}
	r.setBehind(true)
	r.accept(a)
	return fmt.Errorf("%w: the chip stands at %d, the root is of epoch %d: %w", ErrUnfinished, at, a.ID.Epoch, err)
}

// advance moves the chip's counter up to an epoch, from where it is said to stand. With an error it tells where the
// counter stands, and 0 if the chip does not say.
func (r *Root) advance(ctx context.Context, owner secret.Key, at, to uint64) (uint64, error) {
	var faults []error
	for at < to {
		var next uint64
		var err error
		secret.Do(func() { // the authorisation passes through the sessions of the library that speaks to the chip
			owner.Use(func(auth []byte) { next, err = r.chip.Advance(ctx, auth, at) })
		})
		if err != nil {
			faults = append(faults, err)
			if next, err = r.chip.Epoch(ctx); err != nil {
				return 0, errors.Join(append(faults, err)...)
			}
			if next == at && len(faults) >= chipTries {
				return at, fmt.Errorf("move the chip's counter: %w", errors.Join(faults...))
			}
		}
		at = next
	}
	return at, nil
}

// certain finds out whether an attempt holds of which that is not known. As long as the chip does not say, no root may
// be written over it.
func (r *Root) certain(ctx context.Context) error {
	a := r.attempt
	if a == nil {
		return nil
	}
	at, err := r.chip.Epoch(ctx)
	if err != nil {
		return fmt.Errorf("%w: it is not known whether the chip moved: %w", ErrUnfinished, err)
	}
	r.setAttempt(nil)
	if at == a.From {
		r.Drop(ctx, a)
		return nil
	}
	r.setBehind(at < a.ID.Epoch)
	r.accept(a)
	return nil
}

func (r *Root) setAttempt(a *Attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempt, r.unsure = a, a != nil
}

func (r *Root) setBehind(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.behind = yes
}

// Finish finishes what was left of earlier commits: it finds out whether the last one holds, and moves the chip's counter up to
// the epoch of the root in force. Until then a root that was abandoned on the way may open. Errors: ErrUnfinished.
func (r *Root) Finish(ctx context.Context) error {
	if err := r.certain(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	behind, owner, to := r.behind, r.contents.Owner, r.id.Epoch
	r.mu.Unlock()
	if !behind {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chipTime)
	defer cancel()
	at, err := r.chip.Epoch(ctx)
	if err == nil {
		_, err = r.advance(ctx, owner, at, to)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	r.setBehind(false)
	return r.removeOtherRoots()
}

// accept makes the state of an attempt the one in force: on the disk, then in memory, and at last the files of the state
// before go. None of it needs to last: what a power cut undoes of it, and what fails, is done at the next opening. The state holds.
func (r *Root) accept(a *Attempt) {
	r.Note(r.files.Later(Naming(a.Lines)...))
	r.adopt(a.sealed, nil)
	a.Held()
	gone, err := r.otherRoots()
	r.Note(err, r.files.Later(pair.Removals(append(gone, a.Gone...))...))
}

// abandon writes the root in force once more, so that the backup is of it again, with the next epoch announced, and removes
// what an attempt left. What fails of it is done by the next commit before all else.
func (r *Root) abandon(ctx context.Context) {
	if err := r.announce(ctx, nil); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.backup.Off && r.backedUp != r.id {
			r.backup.Err = fmt.Errorf("key backup is of a root that was given up: %w", err)
		}
		return
	}
	r.Note(r.removeAbandoned())
}

var errNotBackedUp = errors.New("keys: the key backup is not of the root in force")

// removeAbandoned removes roots of epochs to come and unfinished shards, which an attempt that was given up left.
func (r *Root) removeAbandoned() error {
	if !r.Settled() {
		return errors.Join(errNotBackedUp, r.Backup().Err)
	}
	names, err := r.files.List()
	if err != nil {
		return err
	}
	id, c := r.ID(), r.Contents()
	var gone []string
	for _, name := range names {
		if other, isRoot := root.ParseName(name); isRoot && other.Epoch > id.Epoch || shard.IsNew(name) && !awaited(c, name) {
			gone = append(gone, name)
		}
	}
	return r.files.Remove(gone...)
}

// awaited says whether a file is a shard of the root in force that still waits for its name.
func awaited(c *root.Contents, name string) bool {
	return slices.ContainsFunc(c.Shards, func(l shard.Line) bool { return l.NewName() == name })
}
