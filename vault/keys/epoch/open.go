package epoch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"linekeep/drivers/tpm"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
)

// Open opens the root in force, and sees to the key backup. Names are those in the folder. Finish is still to be called, once
// the files that the root speaks of are settled. Errors: ErrNoVault, ErrAltered (no copy of the root is whole); ErrOlder,
// ErrOtherChip, tpm.ErrNotReady, all of which are tpm.ErrRefused: trying again cannot help; tpm.ErrUnavailable: it may.
func Open(ctx context.Context, c Config, names []string) (*Root, error) {
	r := begin(c)
	if err := r.openRoot(ctx, names); err != nil {
		return nil, err
	}
	r.checkBackup()
	return r, nil
}

// roots are the names of roots in a folder, as the chip's counter sorts them: newest first.
type roots struct {
	now, later, past []root.ID
}

func sortRoots(names []string, epoch uint64) (s roots) {
	for _, name := range names {
		id, isRoot := root.ParseName(name)
		switch {
		case !isRoot:
		case id.Epoch == epoch:
			s.now = append(s.now, id)
		case id.Epoch > epoch:
			s.later = append(s.later, id)
		default:
			s.past = append(s.past, id)
		}
	}
	for _, ids := range [][]root.ID{s.now, s.later, s.past} {
		slices.SortFunc(ids, func(a, b root.ID) int { return b.Compare(a) })
	}
	return s
}

// openRoot opens the root in force: the newest of the epoch at which the chip's counter stands. Roots of later epochs are
// attempts that were given up, and only where none of this epoch is whole has the counter been stopped on its way
// up to one of them. Roots of the past the chip no longer opens.
func (r *Root) openRoot(ctx context.Context, names []string) error {
	if err := hasRoot(names); err != nil {
		return err
	}
	epoch, err := r.askChip(ctx)
	if err != nil {
		return err
	}
	found := sortRoots(names, epoch)
	for _, id := range slices.Concat(found.now, found.later, found.past) {
		r.lastSeq = max(r.lastSeq, id.Seq)
	}
	var faults []error
	for _, id := range slices.Concat(found.now, found.later) {
		err := r.tryRoot(ctx, id)
		if err == nil {
			r.Note(faults...)
			r.behind = id.Epoch > epoch
			return nil
		}
		if errors.Is(err, tpm.ErrUnavailable) || errors.Is(err, tpm.ErrRefused) && !errors.Is(err, ErrOtherChip) {
			return err
		}
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); errors.Is(err, ErrOtherChip) || err == nil && r.strange(found.past) {
		return errors.Join(ErrOtherChip, err)
	} else if err != nil {
		return fmt.Errorf("%w: no copy of the root is whole: %w", ErrAltered, err)
	}
	return fmt.Errorf("%w (newest root: epoch %d; the chip's counter: %d)", ErrOlder, found.past[0].Epoch, epoch)
}

func hasRoot(names []string) error {
	if slices.ContainsFunc(names, func(name string) bool { _, isRoot := root.ParseName(name); return isRoot }) {
		return nil
	}
	if slices.ContainsFunc(names, shard.IsName) {
		return fmt.Errorf("%w: shards stand there without a root", ErrAltered)
	}
	return ErrNoVault
}

func (r *Root) askChip(ctx context.Context) (epoch uint64, err error) {
	if r.identity, err = r.chip.Identity(ctx); err != nil {
		return 0, fmt.Errorf("ask the chip who it is: %w", err)
	}
	if epoch, err = r.chip.Epoch(ctx); err != nil {
		return 0, fmt.Errorf("ask the chip for its epoch: %w", err)
	}
	return epoch, nil
}

// strange says whether the newest of ids that can be read is of another chip.
func (r *Root) strange(ids []root.ID) bool {
	for _, id := range ids {
		copies, _ := r.files.Copies(id.FileName()) // what cannot be read tells nothing
		for _, file := range copies {
			if f, err := root.Parse(file); err == nil {
				return !root.SameChip(f.Chip, r.identity)
			}
		}
	}
	return false
}

func (r *Root) tryRoot(ctx context.Context, id root.ID) error {
	var f root.File
	var c *root.Contents
	var rootKey secret.Key
	file, findings, err := r.files.Read(id.FileName(), func(file []byte) (err error) {
		f, c, rootKey, err = r.unsealRoot(ctx, id, file)
		return err
	})
	if err != nil {
		return err
	}
	r.vaultID, r.id, r.file, r.contents = f.VaultID, id, file, c
	r.lock = lock{epoch: id.Epoch, key: rootKey, blob: f.Blob}
	r.Note(findings...)
	return nil
}

func (r *Root) unsealRoot(ctx context.Context, id root.ID, file []byte) (f root.File, c *root.Contents, key secret.Key, err error) {
	secret.Do(func() { f, c, key, err = r.unsealed(ctx, id, file) })
	return f, c, key, err
}

func (r *Root) unsealed(ctx context.Context, id root.ID, file []byte) (root.File, *root.Contents, secret.Key, error) {
	fail := func(err error) (root.File, *root.Contents, secret.Key, error) {
		return root.File{}, nil, secret.Key{}, err
	}
	f, err := root.Parse(file)
	if err != nil {
		return fail(err)
	}
	if f.ID != id {
		return fail(fmt.Errorf("says it is %s", f.ID.FileName()))
	}
	if !root.SameChip(f.Chip, r.identity) {
		return fail(ErrOtherChip)
	}
	plain, err := r.chip.Unseal(ctx, f.Blob, id.Epoch)
	if err != nil {
		return fail(fmt.Errorf("unseal root key: %w", err))
	}
	defer clear(plain)
	rootKey, err := secret.From(plain)
	if err != nil {
		return fail(err)
	}
	c, err := f.Open(rootKey)
	if err != nil {
		rootKey.Wipe()
		return fail(err)
	}
	return f, c, rootKey, nil
}

// Tidy does what the vault can do without until the next opening: the counter that was stopped on its way, roots that no
// longer count, an ownership that a power cut caught. What fails is among the findings; that the chip was away is no
// fault of a file.
func (r *Root) Tidy(ctx context.Context) {
	err := r.Finish(ctx)
	if err == nil {
		err = r.removeOtherRoots()
	}
	for _, err := range []error{err, r.own(ctx)} {
		if err != nil {
			r.mu.Lock()
			r.findings = append(r.findings, err)
			r.mu.Unlock()
		}
	}
}
