package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/vault/audit/proof"
	"linekeep/vault/audit/tree"
)

// maxTold bounds how many altered entries are named one by one.
const maxTold = 100

// Report is what a verification found.
type Report struct {
	Entries  uint64
	Root     tlog.Hash
	Findings []error
}

// verification is one under way.
type verification struct {
	Report
	l      *Log
	want   []wanted // by size; those up to where it is are compared already
	tree   tree.Tree
	stored *tree.Comparison
	told   int
}

// wanted is a state that the log must have been in.
type wanted struct {
	Known
	stranger bool // of another vault
}

func (v *verification) wants(checkpoints ...proof.Checkpoint) {
	for i := range checkpoints {
		c := &checkpoints[i]
		v.want = append(v.want, wanted{Known{"the checkpoint of " + c.At.Format(told), c.Size, c.Root}, c.VaultID != v.l.vaultID})
	}
}

// Verify reads every entry again, makes the tree anew, and holds it against the head, every checkpoint beside the log, the
// root's, the certificates of erasure, and the checkpoints that the caller brings from elsewhere. It needs no key but those of the running box, and opens no details.
func (l *Log) Verify(ctx context.Context, earlier ...proof.Checkpoint) (Report, error) {
	l.signing.Lock()
	notes, err := l.notes.Read()
	l.signing.Unlock()
	if err != nil {
		return Report{}, fmt.Errorf("read the checkpoints beside the log: %w", err)
	}
	v := &verification{l: l, stored: l.tree.Compare()}
	v.wants(earlier...)
	for _, s := range notes {
		v.wants(s.Checkpoint)
	}
	if s, err := proof.Read(l.cfg.Keys.Checkpoint()); err == nil {
		v.wants(s.Checkpoint)
	}
	if l.cfg.Certified != nil {
		for _, k := range l.cfg.Certified() {
			v.want = append(v.want, wanted{Known: k})
		}
	}
	slices.SortStableFunc(v.want, func(a, b wanted) int { return cmp.Compare(a.Size, b.Size) })
	_, head := l.snapshot() // after what it is held against: what was certified since is no part of it
	v.compare()
	err = l.Walk(ctx, 0, func(s Stored, err error) error {
		if int64(s.Seq) >= head.Size {
			return errStop
		}
		v.entry(s, err)
		return nil
	})
	if err != nil && v.tree.Size < head.Size {
		return v.Report, err
	}
	v.Entries, v.Root = uint64(v.tree.Size), v.tree.Root()
	if v.tree.Size != head.Size || v.Root != head.Root() {
		v.tell(fmt.Errorf("%w: the entries are not those that were written", ErrAltered))
	}
	for _, w := range v.want {
		if w.stranger {
			v.tell(fmt.Errorf("%w: %s is of another vault", ErrAltered, w.What))
			continue
		}
		v.tell(fmt.Errorf("%w: the log has %d entries; %s knows of %d", ErrLost, v.Entries, w.What, w.Size))
	}
	if v.told > maxTold {
		v.Findings = append(v.Findings, fmt.Errorf("%w: %d findings more", ErrAltered, v.told-maxTold))
	}
	return v.Report, nil
}

// told is how the time of a checkpoint is told.
const told = "2006-01-02 15:04:05"

func (v *verification) tell(err error) {
	if err == nil {
		return
	}
	if v.told++; v.told <= maxTold {
		v.Findings = append(v.Findings, err)
	}
}

// entry takes one entry in. For one that cannot be read its old hash stands, so that what follows it can be judged.
func (v *verification) entry(s Stored, err error) {
	v.tell(err)
	leaf, _ := v.l.tree.Leaf(int64(s.Seq))
	if err == nil {
		leaf = tlog.RecordHash(s.Core)
	}
	at := v.tree.Size
	v.tell(v.stored.Next(at, v.tree.Add(nil, leaf), err == nil && !v.l.reading))
	v.compare()
}

// compare holds the tree against the checkpoints of its size.
func (v *verification) compare() {
	for len(v.want) > 0 && v.want[0].Size <= uint64(v.tree.Size) {
		w := v.want[0]
		v.want = v.want[1:]
		switch {
		case w.stranger:
			v.tell(fmt.Errorf("%w: %s is of another vault", ErrAltered, w.What))
		case tlog.Hash(w.Root) != v.tree.Root():
			v.tell(fmt.Errorf("%w: the first %d entries are not those that %s knows", ErrAltered, w.Size, w.What))
		}
	}
}
