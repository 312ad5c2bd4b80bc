package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"linekeep/drivers/tpm"
	"linekeep/vault/keys/pair"
)

// Open opens the keys of a vault with the newest root that is whole, and mends what has only one good copy.
// No slot is handed out of a shard made before, until Resume says where it had got to.
// Errors: ErrNoVault, ErrAltered (no copy of the root is whole), ErrRolledBack, tpm.ErrRefused, tpm.ErrUnavailable.
func Open(ctx context.Context, c Config, chip tpm.Sealer) (*Keys, error) {
	return open(ctx, c, chip, pair.Disk{})
}

func open(ctx context.Context, c Config, chip tpm.Sealer, fs pair.FS) (*Keys, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	k := &Keys{clock: c.Clock, files: pair.At(c.Dir, fs), chip: chip}
	names, err := k.files.Names()
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	if len(names) > 0 { // the copy may have been lost whole
		if err := k.files.Make(); err != nil {
			return nil, fmt.Errorf("open keys: %w", err)
		}
	}
	if err := k.openRoot(ctx, names); err != nil {
		return nil, fmt.Errorf("open keys in %s: %w", c.Dir, err)
	}
	if err := k.settle(names); err != nil {
		return nil, fmt.Errorf("open keys in %s: %w", c.Dir, err)
	}
	return k, nil
}

// openRoot opens the newest root. An older one counts only when a newer one is not whole: it is removed
// last, so where it still stands the newer one was not yet relied on.
func (k *Keys) openRoot(ctx context.Context, names []string) error {
	var roots []rootID
	shards := false
	for _, name := range names {
		if id, isRoot := parseRootName(name); isRoot {
			roots = append(roots, id)
		}
		shards = shards || isShardName(name)
	}
	if len(roots) == 0 {
		if shards {
			return fmt.Errorf("%w: shards stand there without a root", ErrAltered)
		}
		return ErrNoVault
	}
	slices.SortFunc(roots, func(a, b rootID) int {
		if b.less(a) {
			return -1
		}
		return 1
	})
	k.lastSeq = roots[0].seq
	var faults []error
	for _, id := range roots {
		err := k.tryRoot(ctx, id)
		if err == nil {
			for _, f := range faults {
				k.note(f)
			}
			return nil
		}
		if errors.Is(err, tpm.ErrRefused) || errors.Is(err, tpm.ErrUnavailable) {
			return err
		}
		faults = append(faults, err)
	}
	return fmt.Errorf("%w: no copy of the root is whole: %w", ErrAltered, errors.Join(faults...))
}

func (k *Keys) tryRoot(ctx context.Context, id rootID) error {
	var vaultID [VaultIDSize]byte
	var c *contents
	file, findings, err := k.files.Read(id.fileName(), func(file []byte) (err error) {
		vaultID, c, err = k.unsealRoot(ctx, id, file)
		return err
	})
	if err != nil {
		return err
	}
	k.vaultID, k.id, k.root, k.contents = vaultID, id, file, c
	k.epoch = id.epoch
	k.note(findings...)
	return nil
}

func (k *Keys) unsealRoot(ctx context.Context, id rootID, file []byte) (vaultID [VaultIDSize]byte, c *contents, err error) {
	r, err := parseRoot(file)
	if err != nil {
		return vaultID, nil, err
	}
	if r.id != id {
		return vaultID, nil, fmt.Errorf("says it is %s", r.id.fileName())
	}
	secret, err := k.chip.Unseal(ctx, r.blob, r.id.epoch)
	if err != nil {
		return vaultID, nil, fmt.Errorf("unseal root key: %w", err)
	}
	defer clear(secret)
	rootKey, err := KeyFrom(secret)
	if err != nil {
		return vaultID, nil, err
	}
	defer rootKey.Wipe()
	c, err = r.open(rootKey)
	return r.vaultID, c, err
}

// settle brings the folder to what the root says: it finishes or forgets shards that a power cut caught,
// finds a root that was put back, names shards that are missing, and removes older roots.
func (k *Keys) settle(names []string) error {
	known := make(map[string]bool)
	for _, l := range k.contents.shards {
		known[l.fileName()] = true
		if slices.Contains(names, l.newName()) {
			if err := k.finish(l); err != nil {
				return err
			}
		}
	}
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, newSuffix):
			if err := k.files.Remove(name); err != nil {
				return fmt.Errorf("remove unfinished shard: %w", err)
			}
		case isShardName(name) && !known[name]:
			if err := k.stranger(name); err != nil {
				return err
			}
		}
	}
	for _, l := range k.contents.shards {
		want := int64(l.fileSize())
		if k.files.Sizes(l.fileName()) == [2]int64{want, want} {
			continue
		}
		_, findings, err := k.files.Read(l.fileName(), func(file []byte) error { return checkShard(l, file) })
		k.note(findings...)
		if err != nil {
			k.note(err) // its recordings are lost; all others are not, so the vault opens
		}
	}
	return k.removeOlder()
}

// finish gives a shard its name, after a power cut between the writing of its root and that.
func (k *Keys) finish(l shardLine) error {
	_, _, err := k.files.Read(l.newName(), func(file []byte) error { return checkShard(l, file) })
	if err == nil { // otherwise its copies under the final name are all there is; they are looked at next
		err = k.files.Rename(l.newName(), l.fileName())
		if err != nil {
			return fmt.Errorf("finish shard: %w", err)
		}
	}
	return nil
}

// stranger judges a shard that the root does not name. One that came with a newer root means that this root was put back.
func (k *Keys) stranger(name string) error {
	var l shardLine
	_, _, err := k.files.Read(name, func(file []byte) error {
		vaultID, line, err := readShardHeader(file)
		if err == nil && vaultID != k.vaultID {
			err = errors.New("a shard of another vault")
		}
		l = line
		return err
	})
	if err != nil {
		k.note(err)
		return nil
	}
	if l.seq > k.id.seq {
		return fmt.Errorf("%w: %s came with root sequence %d, the newest root is %d", ErrRolledBack, name, l.seq, k.id.seq)
	}
	k.note(fmt.Errorf("%s: the root does not name it", name))
	return nil
}
