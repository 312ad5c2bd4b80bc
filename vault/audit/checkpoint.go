package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"linekeep/vault/audit/proof"
	"linekeep/vault/audit/tree"
)

const (
	// mostNotes is when the file of checkpoints is thinned: some 3,500 of them.
	mostNotes = 2 << 20
	// keptNotes is how many of the newest stay whole; of those before, the last of each day.
	keptNotes = 1000
)

// Checkpoint has the chip sign how the log stands now, and keeps that beside the log and for the next root. While nothing was
// written since the last one it gives that.
func (l *Log) Checkpoint(ctx context.Context) (proof.Signed, error) {
	l.signing.Lock()
	defer l.signing.Unlock()
	l.mu.Lock()
	head, last, same := l.head, l.newest, l.chip
	l.mu.Unlock()
	if same && last.Size == uint64(head.Size) && head.Size > 0 && last.Epoch == l.cfg.Keys.Epoch() {
		return last, nil
	}
	s, err := l.checkpoint(ctx, head, last)
	l.mu.Lock()
	l.failed = err
	if err == nil {
		l.newest, l.chip = s, true
	}
	l.mu.Unlock()
	if err != nil {
		return s, fmt.Errorf("make a checkpoint of the audit log: %w", err)
	}
	l.cfg.Keys.SetCheckpoint(s.Note)
	return s, nil
}

func (l *Log) checkpoint(ctx context.Context, head tree.Tree, last proof.Signed) (proof.Signed, error) {
	c := proof.Checkpoint{VaultID: l.vaultID, Size: uint64(head.Size), Root: head.Root(), Epoch: l.cfg.Keys.Epoch(), At: l.cfg.Clock().UTC()}
	if len(last.Note) > 0 {
		c.Before = last.Hash()
	}
	s, err := proof.Sign(ctx, c, l.cfg.Keys.Chip(), l.cfg.Keys.Certify)
	if err != nil {
		return s, err
	}
	return s, l.keepNote(s.Note)
}

// Newest is the newest checkpoint: what leaves the box on a stick, in a mail, on a printed sheet.
func (l *Log) Newest() proof.Signed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

// Trouble is why the last checkpoint could not be made; nil when it was.
func (l *Log) Trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Run makes a checkpoint a minute while there are new entries, and one a day at the least, until ctx ends.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(CheckpointPeriod)
	defer tick.Stop()
	for {
		_ = l.catchUp(ctx) // it was told when it began to wait, and waits on
		had := l.Trouble() != nil
		if _, err := l.Checkpoint(ctx); err != nil && ctx.Err() == nil && !had {
			l.cfg.Log.ErrorContext(ctx, "no checkpoint of the audit log", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// changeChip puts the checkpoints of the chip before a recovery aside: this one did not sign them.
func (l *Log) changeChip(last *part) error {
	if last.office.Shard == 0 || last.chip == l.chipHash() {
		return nil // its header cannot be read, or it is the same chip
	}
	l.broken = true // the next file names the chip that is there
	err := l.cfg.FS.Rename(l.path(notesName), l.path(fmt.Sprintf("%s.%x", notesName, last.chip[:8])))
	if err != nil && !missing(err) {
		return fmt.Errorf("put the checkpoints of another chip aside: %w", err)
	}
	return nil
}

// readNotes reads the checkpoints beside the log. What is left of one that a power cut caught is cut off. One that cannot be
// read is a finding.
func (l *Log) readNotes() (all []proof.Signed, err error) {
	f, err := l.cfg.FS.Open(l.path(notesName), true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	notes, rest := proof.Split(b)
	chip := l.cfg.Keys.Chip()
	for i, text := range notes {
		s, err := proof.Open(text, chip)
		if err != nil || s.VaultID != l.vaultID {
			l.find(fmt.Errorf("%w: checkpoint %d beside the log: %w", ErrAltered, i+1, errors.Join(err, proof.ErrBad)))
			continue
		}
		all = append(all, s)
	}
	l.notes = size - int64(len(rest))
	if len(rest) > 0 {
		err = f.Truncate(l.notes)
	}
	return all, err
}

// keepNote appends a checkpoint to those beside the log.
func (l *Log) keepNote(text []byte) (err error) {
	if l.notes > mostNotes {
		if err := l.thin(); err != nil {
			l.find(fmt.Errorf("thin the checkpoints beside the log: %w", err))
		}
	}
	f, err := l.cfg.FS.Open(l.path(notesName), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(text, l.notes); err != nil {
		return errors.Join(err, f.Truncate(l.notes))
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if l.notes == 0 { // a new file: its name must last, too
		if err := l.cfg.FS.SyncDir(l.cfg.Dir); err != nil {
			return err
		}
	}
	l.notes += int64(len(text))
	return nil
}

// thin writes the file anew with the last checkpoint of each day, and all of the newest.
func (l *Log) thin() (err error) {
	all, err := l.readNotes()
	if err != nil {
		return err
	}
	var b []byte
	for i, s := range all {
		day := func(i int) string { return all[i].At.Format(time.DateOnly) }
		if i >= len(all)-keptNotes || day(i) != day(i+1) {
			b = append(b, s.Note...)
		}
	}
	f, err := l.cfg.FS.Open(l.path(notesTemp), true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Truncate(int64(len(b)))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := l.cfg.FS.Rename(l.path(notesTemp), l.path(notesName)); err != nil {
		return err
	}
	l.notes = int64(len(b))
	return l.cfg.FS.SyncDir(l.cfg.Dir)
}
