package keys

import (
	"fmt"
	"slices"

	"linekeep/vault/keys/shard"
)

// settle brings the folder to what the root says: it finishes or forgets shards that a power cut caught, finds a
// root that was put back, removes shards that were written anew or dropped, and names shards that are missing.
func (k *Keys) settle(names []string) error {
	known := make(map[string]bool)
	for _, l := range k.root.Contents().Shards {
		known[l.FileName()] = true
		if slices.Contains(names, l.NewName()) {
			if err := k.finish(l); err != nil {
				return err
			}
		}
	}
	var gone []string
	for _, name := range names {
		if shard.IsName(name) && !known[name] {
			worthless, err := k.stranger(name)
			if err != nil {
				return err
			}
			if worthless {
				gone = append(gone, name)
			}
		}
		if shard.IsNew(name) && k.root.Settled() { // otherwise the backup may be of a root that needs it
			gone = append(gone, name)
		}
	}
	if err := k.files.Remove(gone...); err != nil {
		return fmt.Errorf("remove shards of the past: %w", err)
	}
	for _, l := range k.root.Contents().Shards {
		want := int64(l.FileSize())
		if k.files.Sizes(l.FileName()) == [2]int64{want, want} {
			continue
		}
		_, findings, err := k.files.Read(l.FileName(), l.Check)
		k.root.Note(findings...)
		k.root.Note(err) // its recordings are lost; all others are not, so the vault opens
	}
	return nil
}

// finish gives a shard its name, after a power cut between the writing of its root and that.
func (k *Keys) finish(l shard.Line) error {
	if _, _, err := k.files.Read(l.NewName(), l.Check); err == nil { // otherwise all there is is under its name; that is looked at later
		if err := k.files.Rename(l.NewName(), l.FileName()); err != nil {
			return fmt.Errorf("finish shard: %w", err)
		}
	}
	return nil
}

// stranger judges a shard that the root does not name. One that came with a newer root means that this root was put back;
// one that was written anew or dropped since is worth nothing.
func (k *Keys) stranger(name string) (worthless bool, err error) {
	copies, err := k.files.Copies(name)
	if err != nil {
		k.root.Note(err)
	}
	var l shard.Line
	found := false
	for _, file := range copies {
		vaultID, line, err := shard.ReadHeader(file)
		if err == nil && vaultID == k.vaultID {
			l, found = line, true
			break
		}
	}
	if !found {
		k.root.Note(fmt.Errorf("%s: not a shard of this vault", name))
		return false, nil
	}
	now := k.root.ID()
	if l.Seq > now.Seq {
		return false, fmt.Errorf("%w: %s came with root sequence %d, the newest root is %d", ErrRolledBack, name, l.Seq, now.Seq)
	}
	standing, ok := k.root.Contents().Shard(l.Number)
	if ok && l.Rewrite < standing.Rewrite || !ok && k.root.Contents().Knew(l.Number) {
		return true, nil
	}
	k.root.Note(fmt.Errorf("%s: the root does not name it", name))
	return false, nil
}
