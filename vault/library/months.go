// Package library is where filed recordings stand: one Badger folder for each class and month, opened while somebody
// needs it.
//
// Stage: line -> call -> encode -> seal -> [store] -> search -> release.
//
//	In:    the id of a recording, or the name of a month's folder
//	Out:   its manifest, its wrapped key and its sound, as ciphertext that was compared with the manifest
//	Owner: the caller; the folders' own goroutines live while a folder is open
//	Full:  at most keptReading folders stay open when nobody reads; each takes some megabytes
package library

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

const (
	// keptReading is how many older months stay open for reading when nobody reads them: each costs some
	// megabytes, and somebody who listens goes back and forth between two.
	keptReading = 2
	// keptWriting is how long a month nobody writes to any more stays open for writing.
	keptWriting = 10 * time.Minute
)

// CallsDir is where the months are, below the vault.
const CallsDir = "calls"

// Kept is the name, in the place of a class, under which stands what a hold or a case keeps beyond its month.
const Kept = "kept"

// goneSuffix marks a folder that is being removed: what a power cut leaves of it is nothing any more.
const goneSuffix = ".gone"

// MonthsConfig says where the months' folders are.
type MonthsConfig struct {
	Dir      string // the vault's
	Key      func(name string) keys.Key
	ReadOnly bool                   // never write, for looking at a vault nobody has open
	Move     func(need int64) error // asked before each write; says no before the journal has to
	Clock    func() time.Time
	Log      *slog.Logger
}

// Months opens the folders of the months, for writing only where sound is being moved to, and closes them again.
type Months struct {
	cfg MonthsConfig

	mu       sync.Mutex
	open     map[string]*month
	retiring map[string]bool // they are there no more, for whoever asks
	claims   map[string]int  // how many wait for whoever was lent a folder
	changed  chan struct{}   // closed, and made anew, when a folder is given back or a claim is over
}

type month struct {
	f        *folder.Folder
	readOnly bool
	users    int
	lent     int           // users that give way
	asked    chan struct{} // closed when those are to do so
	used     time.Time
}

// NewMonths opens nothing yet.
func NewMonths(cfg MonthsConfig) *Months {
	return &Months{cfg: cfg, open: make(map[string]*month), retiring: make(map[string]bool), claims: make(map[string]int), changed: make(chan struct{})}
}

// FolderName is the name of a month's folder, below the vault.
func FolderName(class string, m keys.Month) string { return path.Join(CallsDir, class, string(m)) }

// Names are the folders there are.
func (m *Months) Names() ([]string, error) {
	var names []string
	classes, err := os.ReadDir(filepath.Join(m.cfg.Dir, CallsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the recordings' folders: %w", err)
	}
	for _, c := range classes {
		entries, err := os.ReadDir(filepath.Join(m.cfg.Dir, CallsDir, c.Name()))
		if err != nil {
			return nil, fmt.Errorf("list the recordings' folders: %w", err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), goneSuffix) {
				continue
			}
			names = append(names, path.Join(CallsDir, c.Name(), e.Name()))
		}
	}
	return names, nil
}

// Use lends a folder until release is called. For reading, a folder that is not there is folder.ErrMissing. For writing, those who
// Borrow it give way; while anybody else reads in it for longer than a moment, it is folder.ErrBusy.
func (m *Months) Use(ctx context.Context, name string, write bool) (f *folder.Folder, release func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	write = write && !m.cfg.ReadOnly
	if write {
		if err := m.claim(ctx, name, func(mo *month) bool { return !mo.readOnly }); err != nil {
			return nil, nil, fmt.Errorf("open %s for writing: %w", name, err)
		}
	}
	mo, err := m.opened(ctx, name, write)
	if err != nil {
		return nil, nil, err
	}
	mo.users++
	return mo.f, func() { m.release(mo) }, nil
}

// opened is a folder, open as it is wanted. The lock is held.
func (m *Months) opened(ctx context.Context, name string, write bool) (*month, error) {
	if m.retiring[name] {
		return nil, fmt.Errorf("open %s, which is being removed: %w", name, folder.ErrMissing)
	}
	mo := m.open[name]
	if mo != nil && write && mo.readOnly {
		delete(m.open, name)
		if err := mo.f.Close(); err != nil {
			return nil, fmt.Errorf("close %s: %w", name, err)
		}
		mo = nil
	}
	if mo != nil {
		return mo, nil
	}
	mo, err := m.openFolder(ctx, name, write)
	if err == nil {
		m.open[name] = mo
	}
	return mo, err
}

func (m *Months) openFolder(ctx context.Context, name string, write bool) (*month, error) {
	o := folder.Options{Name: name, Path: filepath.Join(m.cfg.Dir, filepath.FromSlash(name)), Key: m.cfg.Key(name),
		ReadOnly: !write, Room: m.cfg.Move, Log: m.cfg.Log}
	if !write {
		if _, err := os.Stat(o.Path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open %s: %w", name, folder.ErrMissing)
		}
	}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for %s: %w", name, err)
	}
	f, err := folder.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return &month{f: f, readOnly: !write}, nil
}

func (m *Months) release(mo *month) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mo.users--
	mo.used = m.cfg.Clock()
	m.tell()
}

// Tidy closes folders that nobody has used for a while, but for those in keep.
func (m *Months) Tidy(keep map[string]bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for {
		name, mo := m.idle(keep)
		if mo == nil {
			return errors.Join(errs...)
		}
		delete(m.open, name)
		if err := mo.f.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", name, err))
		}
	}
}

// idle picks a folder to close: the longest unused of more than keptReading, or a writable one after keptWriting.
func (m *Months) idle(keep map[string]bool) (string, *month) {
	var oldest string
	reading := 0
	for name, mo := range m.open {
		if mo.users > 0 || keep[name] {
			continue
		}
		if !mo.readOnly {
			if m.cfg.Clock().Sub(mo.used) > keptWriting {
				return name, mo
			}
			continue
		}
		reading++
		if oldest == "" || mo.used.Before(m.open[oldest].used) {
			oldest = name
		}
	}
	if reading > keptReading {
		return oldest, m.open[oldest]
	}
	return "", nil
}

// Commits gives the commit counters of the folders open for writing.
func (m *Months) Commits() map[string]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := make(map[string]uint64)
	for name, mo := range m.open {
		if !mo.readOnly {
			n[name] = mo.f.Commits()
		}
	}
	return n
}

// Trim keeps the folders open for writing small; call it about once a minute.
func (m *Months) Trim(ctx context.Context) error {
	m.mu.Lock()
	var busy []*month
	for _, mo := range m.open {
		if !mo.readOnly {
			mo.users++
			busy = append(busy, mo)
		}
	}
	m.mu.Unlock()
	var errs []error
	for _, mo := range busy {
		errs = append(errs, mo.f.Trim(ctx))
		m.mu.Lock()
		mo.users--
		m.tell()
		m.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Close closes all folders.
func (m *Months) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for name, mo := range m.open {
		if err := mo.f.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", name, err))
		}
	}
	clear(m.open)
	return errors.Join(errs...)
}
