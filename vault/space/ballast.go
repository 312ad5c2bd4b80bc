package space

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ballastName is the ballast's file below the vault.
const ballastName = "ballast"

// disk is the kernel's side of the guard; a test puts a disk of its own here to walk through the states.
type disk interface {
	free() (free, total Bytes, err error)
	ballast() (Bytes, error)
	fill(size Bytes) error
	drop() error
}

// Release gives the ballast's blocks back, before the vault is closed or opened on a full disk. It comes back
// by itself, by Run or the next Start, once there is room.
func (g *Guard) Release(ctx context.Context) error {
	g.mu.Lock()
	held := g.status.Ballast
	g.status.Ballast = 0
	g.mu.Unlock()
	if err := g.disk.drop(); err != nil {
		return fmt.Errorf("giving up the ballast: %w", err)
	}
	if held > 0 {
		g.log.WarnContext(ctx, "ballast given up", slog.Int64("bytes", int64(held)))
	}
	return nil
}

// fillBallast makes the ballast when StopCalls stays free beside it. When not, that is no error: the guard's
// thresholds hold without it, and it is tried again at every look.
func (g *Guard) fillBallast(ctx context.Context) error {
	held, err := g.disk.ballast()
	if err != nil {
		return err
	}
	free, _, err := g.disk.free()
	if err != nil {
		return fmt.Errorf("asking for free space: %w", err)
	}
	if held < g.cfg.Ballast && free-(g.cfg.Ballast-held) >= g.cfg.StopCalls {
		if err := g.disk.fill(g.cfg.Ballast); err != nil {
			return fmt.Errorf("making the ballast: %w", err)
		}
		held = g.cfg.Ballast
		g.log.DebugContext(ctx, "ballast made", slog.Int64("bytes", int64(held)))
	}
	g.mu.Lock()
	g.status.Ballast = held
	g.mu.Unlock()
	return nil
}

// kernel is the disk that is really there.
type kernel struct{ dir string }

func (k kernel) free() (free, total Bytes, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(k.dir, &st); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", k.dir, err)
	}
	free = Bytes(st.Bavail) * Bytes(st.Bsize) // not Bfree: the reserve for root is what keeps ext4 itself going
	if st.Files > 0 && st.Ffree < fewestFiles {
		free = 0
	}
	return free, Bytes(st.Blocks) * Bytes(st.Bsize), nil
}

// ballast counts blocks, not length: a sparse file would hold nothing back.
func (k kernel) ballast() (Bytes, error) {
	var st unix.Stat_t
	err := unix.Stat(filepath.Join(k.dir, ballastName), &st)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking at the ballast: %w", err)
	}
	return Bytes(min(st.Blocks*512, st.Size)), nil
}

func (k kernel) fill(size Bytes) (err error) {
	f, err := os.OpenFile(filepath.Join(k.dir, ballastName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(size)); err != nil {
		return fmt.Errorf("fallocate: %w", err)
	}
	return f.Sync()
}

// drop removes the file and syncs its folder: blocks of a removed file come back to statfs only when the
// journal of ext4 has committed the removal.
func (k kernel) drop() (err error) {
	err = os.Remove(filepath.Join(k.dir, ballastName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	d, err := os.Open(k.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}
