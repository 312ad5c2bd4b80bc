package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/proof"
	"linekeep/vault/audit/tree"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// snapshot is the files as far as they count now, and how many entries they have.
func (l *Log) snapshot() ([]part, tree.Tree) {
	l.turn.Lock()
	defer l.turn.Unlock()
	files := make([]part, len(l.files))
	for i, p := range l.files {
		files[i] = *p
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return files, l.head
}

// Walk visits the entries from number from on, in order; one that cannot be read comes with an error that names it. An
// error of visit ends it and is given back. What visit gets is its to keep.
func (l *Log) Walk(ctx context.Context, from uint64, visit func(s Stored, err error) error) error {
	files, head := l.snapshot()
	for i := range files {
		end := uint64(head.Size)
		if i+1 < len(files) {
			end = files[i+1].first
		}
		if end <= from {
			continue
		}
		if err := l.walkPart(ctx, &files[i], end, from, visit); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) walkPart(ctx context.Context, p *part, end, from uint64, visit func(s Stored, err error) error) error {
	n := p.first
	var out error
	err := l.records(p, func(r found) error {
		if n >= end || r.size == 0 {
			return errStop
		}
		seq := n
		n++
		if seq < from {
			return nil
		}
		if r.err == nil && r.Seq != seq {
			r.err = fmt.Errorf("in the place of entry %d", seq)
		}
		bad := r.err
		if bad != nil {
			r.Stored.Entry.Seq = seq
			bad = fmt.Errorf("%w: entry %d in %s: %w", ErrAltered, seq, p.name, bad)
		}
		r.Core, r.Sealed = slices.Clone(r.Core), slices.Clone(r.Sealed)
		if out = errors.Join(ctx.Err(), visit(r.Stored, bad)); out != nil {
			return errStop
		}
		return nil
	})
	err = errors.Join(err, out)
	for ; err == nil && n < end; n++ {
		if n >= from {
			s := Stored{}
			s.Seq = n
			err = visit(s, fmt.Errorf("%w: entry %d in %s", ErrLost, n, p.name))
		}
	}
	return err
}

// Entry is the entry of a number. Errors: ErrNotThere, ErrAltered, ErrLost.
func (l *Log) Entry(ctx context.Context, n uint64) (s Stored, err error) {
	bad := fmt.Errorf("%w: %d", ErrNotThere, n)
	err = l.Walk(ctx, n, func(got Stored, err error) error {
		s, bad = got, err
		return errStop
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return s, errors.Join(err, bad)
}

// Details opens what an entry tells under seal; nil where it tells nothing. Errors: ErrErased, ErrAltered.
func (l *Log) Details(s Stored) (Details, error) {
	if len(s.Sealed) == 0 {
		return nil, nil
	}
	slot, err := l.cfg.Keys.Slot(s.Slot)
	if errors.Is(err, keys.ErrNoSlot) {
		return nil, fmt.Errorf("%w: of entry %d", ErrErased, s.Seq)
	}
	if err != nil {
		return nil, fmt.Errorf("the key for details of entry %d: %w", s.Seq, err)
	}
	defer slot.Wipe()
	key := slot.Audit()
	defer key.Wipe()
	plain, err := seal.OpenBox(key, s.Sealed, []byte(detailsBox), l.vaultID[:], s.Slot.Append(nil))
	if err != nil {
		return nil, fmt.Errorf("%w: details of entry %d: %w", ErrAltered, s.Seq, err)
	}
	d, err := entry.ParseDetails(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: details of entry %d: %w", ErrAltered, s.Seq, err)
	}
	return d, nil
}

// Prove makes a proof that an entry is in the log of the newest checkpoint; a new one is made if that is older than the entry.
func (l *Log) Prove(ctx context.Context, n uint64) (proof.Proof, error) {
	s, err := l.Entry(ctx, n)
	if err != nil {
		return proof.Proof{}, err
	}
	signed := l.Newest()
	if n >= signed.Size {
		if signed, err = l.Checkpoint(ctx); err != nil {
			return proof.Proof{}, err
		}
	}
	hashes, err := tlog.ProveRecord(int64(signed.Size), int64(n), &l.tree)
	if err != nil {
		return proof.Proof{}, fmt.Errorf("prove entry %d: %w", n, err)
	}
	if err := tlog.CheckRecord(hashes, int64(signed.Size), signed.Root, int64(n), tlog.RecordHash(s.Core)); err != nil {
		return proof.Proof{}, fmt.Errorf("%w: entry %d is not the one in the tree: %w", ErrAltered, n, err)
	}
	return proof.Proof{Entry: s.Core, Index: n, Hashes: hashes, Note: signed.Note}, nil
}

// Continues makes the proof that the log of now goes on where one of that size ended.
func (l *Log) Continues(older, newer uint64) (tlog.TreeProof, error) {
	if older == 0 {
		return nil, nil
	}
	p, err := tlog.ProveTree(int64(newer), int64(older), &l.tree)
	if err != nil {
		return nil, fmt.Errorf("prove that a log of %d goes on from one of %d: %w", newer, older, err)
	}
	return p, nil
}

// Key is the public key that checkpoints are signed with, as a line that whoever verifies elsewhere keeps.
func (l *Log) Key() string { return proof.Key(l.vaultID, l.cfg.Keys.Chip()) }
