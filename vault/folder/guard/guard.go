// Package guard keeps the files of a Badger folder that Badger does not survive damage of.
//
// Stage: line -> call -> encode -> seal -> [store] -> search -> release.
//
//	In:    a folder that no Badger has open; later, word that tables and logs are new, or that all is closed
//	Out:   the same folder, mended as far as copies reach, and findings that name what was altered
//	Owner: no goroutine; one caller at a time
//	Full:  copies are written with write(2): without room that is an error, and the stop counts as unclean
//
// What must be whole (manifest, key registry, tables, the first bytes of logs) stands in a list under a MAC, with
// real copies in the sub-folder guard/. After a clean stop everything must be as listed; after another, everything
// that never changes must. FORMAT.md section 7 has the bytes.
package guard

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"linekeep/vault/keys"
)

var (
	// ErrAltered reports a file that is not what was written.
	ErrAltered = errors.New("folder: altered")
	// ErrBusy reports that another process, or another part of this one, has the folder open.
	ErrBusy = errors.New("folder: open elsewhere")
	// ErrUnclean reports a folder to be read that was not closed: it must be opened for writing, and closed, first.
	ErrUnclean = errors.New("folder: was not closed")
)

// Options of a guard.
type Options struct {
	Name     string // of the folder below the vault
	Path     string
	Cloak    keys.Key // Badger's encryption key
	List     keys.Key // authenticates the list
	Mapped   int64    // the length at which Badger maps a value log it writes to
	ReadOnly bool
	Log      *slog.Logger
}

// Guard holds the lock of one folder.
type Guard struct {
	o        Options
	path     string   // absolute, without symbolic links: as the kernel names it in /proc/self/maps
	lock     *os.File // flock on guard/
	alone    bool     // no other reader has it open: what is altered may be mended
	list     list
	aside    string // where this Open's copies lie; empty after a clean stop
	findings []error
	unlisted error // a folder that was not closed and has no list
}

// Make makes the folder where it is not there yet, and gives the name the kernel has for it.
func Make(path string) (string, error) {
	if err := os.MkdirAll(filepath.Join(path, guardDir), 0o700); err != nil {
		return "", err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// Open takes the lock and brings the files into a state that Badger opens without harm. Path is as Make gave it.
// Errors: ErrBusy, ErrUnclean.
func Open(ctx context.Context, o Options) (*Guard, error) {
	g := &Guard{o: o, path: o.Path}
	if err := g.acquire(); err != nil {
		return nil, err
	}
	if err := g.prepare(ctx); err != nil {
		return nil, errors.Join(err, g.lock.Close())
	}
	return g, nil
}

// Release lets go of the lock.
func (g *Guard) Release() error { return g.lock.Close() }

// Findings are what Open found altered; each names its file.
func (g *Guard) Findings() []error { return g.findings }

// Commits is the commit counter when the list was made: the folder must not have less.
func (g *Guard) Commits() uint64 { return g.list.commits }

// Unlisted is an error when there was no list. Of a folder that nothing was ever put into that is what a power cut
// during its first opening leaves; only who counts the commits can tell it from damage.
func (g *Guard) Unlisted() error { return g.unlisted }

func (g *Guard) find(err error) { g.findings = append(g.findings, err) }
