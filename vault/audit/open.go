package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/vault/audit/disk"
	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/notes"
	"linekeep/vault/audit/proof"
	"linekeep/vault/audit/tree"
	"linekeep/vault/audit/uptime"
)

// promise is what is known to have been in the log.
type promise struct {
	what string
	size int64
	root *tlog.Hash // nil where only the size is known
	firm bool       // by the vault's root: a log that breaks it is refused
}

// Open opens the log, or begins it. What a power cut left half written is cut off, if nothing says that it was whole; what is
// lost or altered is in Findings. Errors: ErrRolledBack.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	if cfg.Keys == nil || cfg.Clock == nil || cfg.Log == nil || cfg.Dir == "" {
		return nil, errors.New("audit: Config needs Dir, Keys, Clock and Log")
	}
	if cfg.FS == nil {
		cfg.FS = disk.Disk{}
	}
	if cfg.Uptime == nil {
		cfg.Uptime = uptime.Now
	}
	if cfg.perFile == 0 {
		cfg.perFile = perFile
	}
	l := newLog(cfg)
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the audit log: %w", err), l.Close())
	}
	return l, nil
}

func newLog(cfg Config) *Log {
	l := &Log{cfg: cfg, vaultID: cfg.Keys.VaultID(), outer: cfg.Keys.Outer(Outer)}
	l.notes = notes.File{Dir: cfg.Dir, FS: cfg.FS, VaultID: l.vaultID, Chip: cfg.Keys.Chip, Failed: l.find,
		Altered: func(err error) { l.find(fmt.Errorf("%w: %w", ErrAltered, err)) }}
	return l
}

func (l *Log) open(ctx context.Context) error {
	if err := l.cfg.FS.MkdirAll(l.cfg.Dir); err != nil {
		return err
	}
	if err := l.openParts(); err != nil {
		return err
	}
	var err error
	if l.tree.File, err = l.cfg.FS.Open(l.path(treeName), true); err != nil {
		return err
	}
	if n := len(l.files); n > 0 {
		if err := l.changeChip(l.files[n-1]); err != nil {
			return err
		}
	}
	promises, err := l.promises()
	if err != nil {
		return err
	}
	if len(l.files) == 0 {
		return l.first(ctx, promises)
	}
	if err := l.base(); err != nil {
		return err
	}
	return l.settle(ctx, promises)
}

// first begins a log where there is none; the promises say whether there was one.
func (l *Log) first(ctx context.Context, promises []promise) error {
	for _, p := range promises {
		if p.size > 0 {
			return l.lose(ctx, p)
		}
	}
	return l.begin(0)
}

// openParts opens the files and reads their headers.
func (l *Log) openParts() error {
	names, err := l.cfg.FS.List(l.cfg.Dir)
	if err != nil {
		return err
	}
	var firsts []uint64
	for _, name := range names {
		if first, ok := parseFileName(name); ok {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	for i, first := range firsts {
		p, err := l.openPart(first, i == len(firsts)-1)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		l.follows(p)
		if n := len(l.files); n > 0 {
			if err := l.files[n-1].close(); err != nil {
				return errors.Join(err, p.close())
			}
		}
		l.files = append(l.files, p)
	}
	return nil
}

// openPart opens a file. The newest one, when it has no more than part of a header, was just being made: it goes.
func (l *Log) openPart(first uint64, newest bool) (*part, error) {
	p := &part{name: fileName(first), header: header{first: first}}
	var err error
	if p.f, err = l.cfg.FS.Open(l.path(p.name), false); err != nil {
		return nil, err
	}
	if p.size, err = p.f.Size(); err != nil {
		return nil, errors.Join(err, p.f.Close())
	}
	b := make([]byte, min(p.size, headerSize))
	if _, err := p.f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, p.f.Close())
	}
	h, err := parseHeader(b, l.vaultID, l.outer)
	if err == nil && h.first != first {
		err = errors.New("under another name")
	}
	if err == nil {
		p.header = h
		return p, nil
	}
	if newest && p.size <= headerSize {
		return nil, errors.Join(p.f.Close(), l.cfg.FS.Remove(l.path(p.name)), l.cfg.FS.SyncDir(l.cfg.Dir))
	}
	l.find(fmt.Errorf("%w: the beginning of %s: %w", ErrAltered, p.name, err))
	return p, nil
}

// follows compares a file with the one before it.
func (l *Log) follows(p *part) {
	if len(l.files) == 0 {
		if p.first > 0 {
			l.find(fmt.Errorf("%w: the entries before %s are gone", ErrLost, p.name))
		}
		return
	}
	last := l.files[len(l.files)-1]
	if p.before == 0 {
		return // its header cannot be read
	}
	if last.first != p.prev {
		l.find(fmt.Errorf("%w: the file before %s, %s", ErrLost, p.name, fileName(p.prev)))
		return
	}
	if last.size < int64(p.before) {
		l.find(fmt.Errorf("%w: %s has %d bytes of %d", ErrLost, last.name, last.size, p.before))
	}
	last.size = min(last.size, int64(p.before))
}

// base brings the tree to where the newest file begins.
func (l *Log) base() error {
	last := l.files[len(l.files)-1]
	l.office, l.register = last.office, last.register
	t, err := l.tree.At(int64(last.first))
	if err == nil && (last.office.Shard == 0 || t.Root() == tlog.Hash(last.root)) {
		l.head = t
		return nil
	}
	if err := l.rebuild(len(l.files) - 1); err != nil {
		return err
	}
	if last.office.Shard > 0 && l.head.Root() != tlog.Hash(last.root) {
		l.find(fmt.Errorf("%w: the entries before %s are not those it goes on from", ErrAltered, last.name))
	}
	return nil
}

// rebuild makes the tree's hashes anew from the first n files. Of an entry that cannot be read the old hash is kept.
func (l *Log) rebuild(n int) error {
	l.head = tree.Tree{}
	for i, p := range l.files[:n] {
		end := int64(l.files[i+1].first)
		err := l.records(p, func(r found) error {
			leaf, ok := l.tree.Leaf(l.head.Size)
			if r.err == nil {
				leaf, ok = tlog.RecordHash(r.Core), true
			}
			if !ok || l.head.Size >= end {
				return errStop
			}
			return l.grow(leaf)
		})
		if err != nil {
			return err
		}
		for l.head.Size < end { // what cannot be read any more
			leaf, ok := l.tree.Leaf(l.head.Size)
			if !ok {
				l.find(fmt.Errorf("%w: entry %d in %s, and its hash", ErrLost, l.head.Size, p.name))
				leaf = tlog.Hash{}
			}
			if err := l.grow(leaf); err != nil {
				return err
			}
		}
	}
	return nil
}

// grow adds one leaf to the tree in memory and in the file.
func (l *Log) grow(leaf tlog.Hash) error {
	before := l.head.Size
	return l.tree.Write(before, l.head.Add(nil, leaf))
}

// promises gathers what is known to have been in the log.
func (l *Log) promises() ([]promise, error) {
	all := []promise{{what: "the journal", size: int64(l.cfg.Floor)}}
	if text := l.cfg.Keys.Checkpoint(); len(text) > 0 {
		s, err := proof.Read(text)
		if err != nil {
			return nil, fmt.Errorf("the checkpoint in the vault's root: %w", err)
		}
		all = append(all, promise{what: "the vault's root", size: int64(s.Size), root: &s.Root, firm: true})
		l.newest = s
	}
	notes, err := l.notes.Read()
	if err != nil {
		return nil, err
	}
	if n := len(notes); l.cfg.Notes > 0 && (n == 0 || notes[n-1].Size < l.cfg.Notes) {
		l.find(fmt.Errorf("%w: checkpoints beside it; the newest was of %d entries", ErrLost, l.cfg.Notes))
	}
	if n := len(notes); n > 0 {
		all = append(all, promise{what: "the newest checkpoint beside the log", size: int64(notes[n-1].Size), root: &notes[n-1].Root})
		l.newest, l.chip = notes[n-1], notes[n-1].Counter > 0
	}
	return all, nil
}

// settle reads the newest file and holds what is there against what was promised.
func (l *Log) settle(ctx context.Context, promises []promise) error {
	last := l.files[len(l.files)-1]
	there := last.size
	end, err := l.scan(last)
	if err != nil {
		return err
	}
	var most promise
	for _, p := range promises {
		if p.size > most.size || p.size == most.size && p.firm {
			most = p
		}
	}
	last.size = end
	if l.head.Size < most.size && !l.fromTree(promises, most) {
		return l.lose(ctx, firmest(promises, l.head.Size, most))
	}
	if l.broken {
		last.size = there // all of it belongs to the log, though part of it cannot be read
	} else if there > end {
		l.cfg.Log.WarnContext(ctx, "an audit entry that a power cut left half written is cut off", slog.Int64("bytes", there-end))
		if err := errors.Join(last.f.Truncate(end), last.f.Sync()); err != nil {
			return err
		}
	}
	for _, p := range promises {
		if p.root == nil || p.size == 0 {
			continue
		}
		if root, err := l.tree.RootAt(p.size); err != nil || root != *p.root {
			return errors.Join(err, l.differ(ctx, p))
		}
	}
	return nil
}

func firmest(promises []promise, size int64, most promise) promise {
	for _, p := range promises {
		if p.firm && p.size > size {
			return p
		}
	}
	return most
}

// scan reads the newest file into the tree, and gives where its whole entries end.
func (l *Log) scan(last *part) (end int64, err error) {
	sure, tentative := l.head, 0
	end = headerSize
	err = l.records(last, func(r found) error {
		if r.err == nil && int64(r.Seq) == l.head.Size {
			if err := l.grow(tlog.RecordHash(r.Core)); err != nil {
				return err
			}
			for ; tentative > 0; tentative-- {
				l.find(fmt.Errorf("%w: entry %d in %s", ErrAltered, int64(r.Seq)-int64(tentative), last.name))
			}
			l.register.follow(&r.Entry)
			sure, end = l.head, r.off+r.size
			return nil
		}
		// Its hash is there only if it was written and synced: then it is damaged, and what follows it counts.
		leaf, ok := l.tree.Leaf(l.head.Size)
		if !ok || r.size == 0 {
			return errStop
		}
		tentative++
		l.head.Add(nil, leaf)
		return nil
	})
	l.head = sure
	return end, err
}

// fromTree goes on from the tree's hashes where entries cannot be read any more, if the hashes are those promised.
func (l *Log) fromTree(promises []promise, most promise) bool {
	t := l.head
	for t.Size < most.size {
		leaf, ok := l.tree.Leaf(t.Size)
		if !ok {
			return false
		}
		t.Add(nil, leaf)
		for _, p := range promises {
			if p.size == t.Size && p.root != nil && *p.root != t.Root() {
				return false
			}
		}
	}
	l.find(fmt.Errorf("%w: entries %d to %d cannot be read; their hashes are those that %s knows", ErrLost, l.head.Size, t.Size-1, most.what))
	l.head, l.broken = t, true
	return true
}

// lose goes on with a log that ends too early, and says so in it. One that breaks the root's promise is refused.
func (l *Log) lose(ctx context.Context, p promise) error {
	err := fmt.Errorf("%w: the log ends before entry %d; %s knows of %d", ErrLost, l.head.Size, p.what, p.size)
	return l.goOn(ctx, p, err)
}

func (l *Log) differ(ctx context.Context, p promise) error {
	return l.goOn(ctx, p, fmt.Errorf("%w: the first %d entries are not those that %s knows", ErrAltered, p.size, p.what))
}

func (l *Log) goOn(ctx context.Context, p promise, why error) error {
	if p.firm && !l.cfg.Accept {
		return fmt.Errorf("%w: %w", ErrRolledBack, why)
	}
	l.find(why)
	if n := len(l.files); n == 0 || l.files[n-1].first < uint64(l.head.Size) {
		if err := l.begin(flagLost); err != nil {
			return err
		}
	}
	a := Act{Who: entry.Actor{Kind: entry.Box}, What: entry.LogLoss, Details: Details{Say("what", why.Error())}}
	if p.root != nil {
		a.Hashes = [][32]byte{*p.root}
	}
	_, err := l.Append(ctx, a)
	l.newest = proof.Signed{} // the chain of checkpoints begins anew
	l.cfg.Keys.SetCheckpoint(nil)
	return err
}
