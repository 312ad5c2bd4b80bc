package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"linekeep/vault/audit/proof"
	"linekeep/vault/audit/tree"
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
	return s, l.notes.Keep(s.Note)
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
	return l.notes.Aside(last.chip[:8])
}
