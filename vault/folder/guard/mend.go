package guard

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"linekeep/vault/folder/badgerfile"
)

// compareAndMend compares everything with the list of a clean stop and puts back what was altered.
func (g *Guard) compareAndMend() error {
	for _, it := range g.list.items {
		var err error
		if it.kind.IsLog() {
			err = g.mendLog(it)
		} else {
			err = g.mendWhole(it)
		}
		if err != nil {
			return err
		}
	}
	return g.setAsideStrangers()
}

// compareOnly names what is altered when another reader has the folder open, and touches nothing.
func (g *Guard) compareOnly() error {
	for _, it := range g.list.items {
		if it.kind.IsLog() {
			if err := g.checkLog(it); err != nil {
				g.find(err)
			}
			continue
		}
		if err := g.sameAs(g.at(it.name), it); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrAltered, it.name, err) // mending needs the folder alone; Badger might panic
		}
	}
	return nil
}

// sameAs says how a file differs from its entry in the list.
func (g *Guard) sameAs(path string, it item) error {
	size, sum, err := hashFile(path)
	switch {
	case err != nil:
		return err
	case size != it.size:
		return fmt.Errorf("%d bytes long, was %d", size, it.size)
	case sum != it.hash:
		return errors.New("not the bytes that were written")
	}
	return nil
}

// mendWhole compares a file that has a copy. Either can put the other back.
func (g *Guard) mendWhole(it item) error {
	file, copied := g.at(it.name), g.guarded(it.name)
	wrong, copyWrong := g.sameAs(file, it), g.sameAs(copied, it)
	switch {
	case wrong == nil && copyWrong == nil:
		return nil
	case wrong == nil:
		g.find(fmt.Errorf("%w: %s/%s: %w; copied anew", ErrAltered, guardDir, it.name, copyWrong))
		return copyFile(copied, file)
	case copyWrong == nil:
		g.find(fmt.Errorf("%w: %s: %w; put back from its copy", ErrAltered, it.name, wrong))
		return copyFile(file, copied)
	}
	g.find(fmt.Errorf("%w: %s: %w; its copy: %w", ErrAltered, it.name, wrong, copyWrong))
	if it.kind == badgerfile.KindTable {
		return g.dropTable(it.name)
	}
	return nil // Badger says whether it can live with it
}

// checkLog says how a log differs from its entry: the head and, once it is sealed, the size.
func (g *Guard) checkLog(it item) error {
	st, err := os.Stat(g.at(it.name))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrAltered, it.name, err)
	}
	head, err := badgerfile.ReadHead(g.at(it.name))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrAltered, it.name, err)
	}
	if it.size != 0 && st.Size() != it.size {
		return fmt.Errorf("%w: %s: %d bytes long, was %d", ErrAltered, it.name, st.Size(), it.size)
	}
	if !bytes.Equal(head, it.head[:]) {
		return fmt.Errorf("%w: %s: first %d bytes", ErrAltered, it.name, badgerfile.LogHeader)
	}
	return nil
}

// mendLog puts a log's first bytes back. A log that is too short to hold anything is taken out of Badger's way,
// which would begin it anew under numbers that old pointers still name.
func (g *Guard) mendLog(it item) error {
	wrong := g.checkLog(it)
	if wrong == nil {
		return nil
	}
	head, err := badgerfile.ReadHead(g.at(it.name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		g.find(wrong)
		return nil
	case err != nil:
		return err
	case len(head) < badgerfile.LogHeader:
		g.find(fmt.Errorf("%w; nothing is left in it", wrong))
		return os.Remove(g.at(it.name))
	case bytes.Equal(head, it.head[:]):
		g.find(wrong) // the size: what is gone is named value by value
		return nil
	}
	g.find(fmt.Errorf("%w; put back", wrong))
	return g.writeHead(it)
}

func (g *Guard) writeHead(it item) (err error) {
	file, err := os.OpenFile(g.at(it.name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.WriteAt(it.head[:], 0); err != nil {
		return err
	}
	return file.Sync()
}

// setAsideStrangers moves files that a clean stop did not leave: Badger would replay a foreign log and delete a
// foreign table.
func (g *Guard) setAsideStrangers() error {
	names, err := g.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, known := g.list.find(n); known || n == badgerfile.Discard || n == badgerfile.Lock {
			continue
		}
		g.find(fmt.Errorf("%w: %s: not of this folder; set aside", ErrAltered, n))
		if g.o.ReadOnly && !g.alone {
			continue
		}
		if err := g.setAside(n); err != nil {
			return err
		}
	}
	return nil
}

// setAside moves a file to guard/aside.
func (g *Guard) setAside(name string) error {
	dir := g.guarded(asideDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.Rename(g.at(name), filepath.Join(dir, name)); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(g.path))
}

// dropTable takes a table that is lost out of the manifest, so that the others open, and sets its file aside.
func (g *Guard) dropTable(name string) error {
	now, err := os.ReadFile(g.at(badgerfile.Manifest))
	if err != nil {
		return err
	}
	if now, err = badgerfile.AppendDrop(now, name); err != nil {
		return err
	}
	if err := writeBytes(g.at(badgerfile.Manifest), now); err != nil {
		return err
	}
	if there, err := exists(g.at(name)); err != nil || !there {
		return err
	}
	return g.setAside(name)
}
