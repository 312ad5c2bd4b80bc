package library

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"linekeep/vault/folder"
	"linekeep/vault/keys/pair"
)

// Retire removes a folder, which gives its room back to the disk. Before that, last looks at it once more, while nobody else can:
// an error of it leaves the folder as it is. A folder that is not there is no error. Those who Borrow it give way. Errors: folder.ErrBusy while
// somebody else reads in it; those of last.
func (m *Months) Retire(ctx context.Context, name string, last func(f *folder.Folder) error) (err error) {
	mo, err := m.seize(ctx, name)
	if errors.Is(err, folder.ErrMissing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	defer func() {
		m.mu.Lock()
		delete(m.retiring, name)
		m.tell()
		m.mu.Unlock()
	}()
	if err := errors.Join(last(mo.f), mo.f.Close()); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	path := filepath.Join(m.cfg.Dir, filepath.FromSlash(name))
	// Renamed first: a folder of which half is removed would be opened at the next start, and found damaged.
	if err := os.Rename(path, path+goneSuffix); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	if err := (pair.Disk{}).SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	if err := os.RemoveAll(path + goneSuffix); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// seize takes a folder out of everybody's hands.
func (m *Months) seize(ctx context.Context, name string) (*month, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cfg.ReadOnly {
		return nil, folder.ErrReadOnly
	}
	if err := m.claim(ctx, name, func(*month) bool { return false }); err != nil {
		return nil, err
	}
	mo := m.open[name]
	switch {
	case m.retiring[name]:
		return nil, folder.ErrBusy
	case mo == nil:
		var err error
		if mo, err = m.openFolder(ctx, name, false); err != nil {
			return nil, err
		}
	}
	delete(m.open, name)
	m.retiring[name] = true
	return mo, nil
}

// Sweep removes what a power cut has left of folders that were being removed.
func (m *Months) Sweep() error {
	left, err := filepath.Glob(filepath.Join(m.cfg.Dir, CallsDir, "*", "*"+goneSuffix))
	errs := []error{err}
	for _, path := range left {
		if name, rerr := filepath.Rel(m.cfg.Dir, strings.TrimSuffix(path, goneSuffix)); rerr == nil && m.leaving(filepath.ToSlash(name)) {
			continue
		}
		errs = append(errs, os.RemoveAll(path))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove what is left of dropped months: %w", err)
	}
	return nil
}

func (m *Months) leaving(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.retiring[name]
}

// Has says whether there is such a folder, without opening it. One that is being removed is there no more.
func (m *Months) Has(name string) bool {
	if m.leaving(name) {
		return false
	}
	_, err := os.Stat(filepath.Join(m.cfg.Dir, filepath.FromSlash(name)))
	return !errors.Is(err, fs.ErrNotExist)
}
