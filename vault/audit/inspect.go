package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/vault/audit/disk"
	"linekeep/vault/audit/proof"
	"linekeep/vault/audit/tree"
)

// Inspect verifies the log of a vault that nobody has open, and changes nothing. Errors are of the disk alone.
func Inspect(ctx context.Context, cfg Config, earlier ...proof.Checkpoint) (r Report, err error) {
	l, err := Read(ctx, cfg)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r, err = l.Verify(ctx, earlier...)
	r.Findings = append(l.Findings(), r.Findings...)
	return r, err
}

// Read opens the log of a vault that nobody has open, for Walk, Entry, Details and Verify. It changes nothing; what is
// wrong is in Findings.
func Read(ctx context.Context, cfg Config) (*Log, error) {
	if cfg.FS == nil {
		cfg.FS = disk.Disk{}
	}
	cfg.FS = disk.ReadOnly{FS: cfg.FS}
	if cfg.perFile == 0 {
		cfg.perFile = perFile
	}
	l := newLog(cfg)
	l.reading = true
	if err := l.read(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read the audit log: %w", err), l.Close())
	}
	return l, nil
}

func (l *Log) read(ctx context.Context) error {
	err := l.openParts()
	if err == nil {
		l.tree.File, err = l.cfg.FS.Open(l.path(treeName), false)
	}
	if missing(err) {
		l.find(fmt.Errorf("%w: a file of it is gone: %w", ErrLost, err))
		l.tree.File, err = disk.Nothing{}, nil
	}
	if err != nil {
		return err
	}
	promises, err := l.promises()
	if err != nil {
		return err
	}
	if n := len(l.files); n > 0 {
		l.head.Size = int64(l.files[n-1].first) // Walk gives what is not there with an error
		end := l.head.Size
		err := l.records(l.files[n-1], func(r found) error {
			if r.size > 0 && r.err == nil && r.Seq == uint64(end) {
				end++
				return nil
			}
			if _, ok := l.tree.Leaf(end); !ok || r.size == 0 {
				return errStop
			}
			end++
			return nil
		})
		if err != nil {
			return err
		}
		for _, p := range promises {
			end = max(end, p.size)
		}
		l.head.Size = end
	}
	return l.settleReading(ctx, promises)
}

// settleReading makes the head from what there is, and compares it with what was promised.
func (l *Log) settleReading(ctx context.Context, promises []promise) error {
	size := l.head.Size
	var t tree.Tree
	roots := make(map[int64]tlog.Hash)
	err := l.Walk(ctx, 0, func(s Stored, err error) error {
		leaf, _ := l.tree.Leaf(int64(s.Seq))
		if err == nil {
			leaf = tlog.RecordHash(s.Core)
			l.register.follow(&s.Entry)
		}
		t.Add(nil, leaf)
		for _, p := range promises {
			if p.size == t.Size {
				roots[t.Size] = t.Root()
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.head = t
	for _, p := range promises {
		root, ok := roots[p.size]
		switch {
		case p.size > 0 && (!ok || p.size > size):
			l.find(fmt.Errorf("%w: the log ends before entry %d; %s knows of %d", ErrLost, t.Size, p.what, p.size))
		case p.root != nil && p.size > 0 && root != *p.root:
			l.find(fmt.Errorf("%w: the first %d entries are not those that %s knows", ErrAltered, p.size, p.what))
		}
	}
	return nil
}
