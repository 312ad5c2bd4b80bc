package folder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// prepare brings the folder's files into a state that Badger opens without harm, and marks it open.
func (f *Folder) prepare(ctx context.Context) error {
	unclean, err := exists(f.guarded(openMark))
	if err != nil {
		return err
	}
	listed, err := f.loadList(unclean)
	if err != nil {
		return err
	}
	fresh, err := f.fresh()
	if err != nil {
		return err
	}
	switch {
	case f.o.ReadOnly && unclean:
		return f.cleanFirst(ctx)
	case !f.alone:
		return f.compareOnly()
	case fresh && !listed && !f.o.ReadOnly:
		return f.found()
	case unclean || !listed:
		if f.o.ReadOnly {
			return f.cleanFirst(ctx)
		}
		err = f.recover(ctx, listed)
	default:
		err = f.compareAndMend()
	}
	if err != nil {
		return err
	}
	if f.o.ReadOnly {
		return f.share()
	}
	return f.mark()
}

// mark says that the folder is open, and keeps Badger's hands off what it would spoil.
func (f *Folder) mark() error {
	if err := writeBytes(f.guarded(openMark), nil); err != nil {
		return err
	}
	if err := removeIfThere(f.at(discardName)); err != nil { // statistics for a garbage collection we never run
		return err
	}
	return f.shieldLastLog()
}

// found begins a new folder.
func (f *Folder) found() error {
	if err := writeBytes(f.guarded(openMark), nil); err != nil {
		return err
	}
	if err := removeIfThere(f.at(registryName)); err != nil { // of a first Open that was cut short
		return err
	}
	return f.writeRegistry()
}

// fresh says that there is nothing of Badger's yet. A key registry alone is what a cut first Open leaves.
func (f *Folder) fresh() (bool, error) {
	names, err := f.names()
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(names, func(n string) bool {
		k, ours := kindOf(n)
		return ours && k != registryFile
	}), nil
}

// cleanFirst opens for writing and closes: Badger refuses to open for reading what was not closed.
func (f *Folder) cleanFirst(ctx context.Context) error {
	if !f.alone {
		return ErrBusy
	}
	if err := f.lock.Close(); err != nil {
		return err
	}
	o := f.o
	o.ReadOnly = false
	w, err := Open(ctx, o)
	if err != nil {
		return err
	}
	found := w.Findings()
	if err := w.Close(); err != nil {
		return err
	}
	if err := f.acquire(); err != nil {
		return err
	}
	f.findings = nil
	if err := f.prepare(ctx); err != nil {
		return err
	}
	f.findings = append(found, f.findings...)
	return nil
}

// loadList takes the newer of the two lists that are authentic, and writes the other anew when it is not.
func (f *Folder) loadList(unclean bool) (bool, error) {
	var lists [2]list
	var errs [2]error
	for i, name := range listNames() {
		b, err := readBounded(f.guarded(name), maxList)
		if err != nil {
			errs[i] = err
			continue
		}
		lists[i], errs[i] = decodeList(b, f.o.Name, f.keys.list)
	}
	absent := func(i int) bool { return errors.Is(errs[i], fs.ErrNotExist) }
	best := 0
	if errs[0] != nil || (errs[1] == nil && lists[1].seq > lists[0].seq) {
		best = 1
	}
	if errs[best] != nil {
		if absent(0) && absent(1) {
			return false, nil
		}
		f.find(fmt.Errorf("%w: %s/%s: %w; %s: %w", ErrAltered, guardDir, listNames()[0], errs[0], listNames()[1], errs[1]))
		return false, nil
	}
	f.list = lists[best]
	other := 1 - best
	if errs[other] == nil && lists[other].seq == lists[best].seq {
		return true, nil
	}
	if errs[other] != nil && !(unclean && absent(other)) {
		f.find(fmt.Errorf("%w: %s/%s: %w; put back from the other", ErrAltered, guardDir, listNames()[other], errs[other]))
	}
	if !f.alone {
		return true, nil
	}
	return true, copyFile(f.guarded(listNames()[other]), f.guarded(listNames()[best]))
}

func readBounded(path string, most int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > most {
		return nil, fmt.Errorf("%d bytes long, %d at most", st.Size(), most)
	}
	return os.ReadFile(path)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// compareAndMend compares everything with the list of a clean stop and puts back what was altered.
func (f *Folder) compareAndMend() error {
	for _, it := range f.list.items {
		var err error
		if it.kind.isLog() {
			err = f.mendLog(it)
		} else {
			err = f.mendWhole(it)
		}
		if err != nil {
			return err
		}
	}
	return f.setAsideStrangers()
}

// compareOnly names what is altered when another reader has the folder open, and touches nothing.
func (f *Folder) compareOnly() error {
	for _, it := range f.list.items {
		if it.kind.isLog() {
			if err := f.checkLog(it); err != nil {
				f.find(err)
			}
			continue
		}
		if err := f.sameAs(f.at(it.name), it); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrAltered, it.name, err) // mending needs the folder alone; Badger might panic
		}
	}
	return nil
}

// sameAs says how a file differs from its entry in the list.
func (f *Folder) sameAs(path string, it item) error {
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
func (f *Folder) mendWhole(it item) error {
	file, copied := f.at(it.name), f.guarded(it.name)
	wrong, copyWrong := f.sameAs(file, it), f.sameAs(copied, it)
	switch {
	case wrong == nil && copyWrong == nil:
		return nil
	case wrong == nil:
		f.find(fmt.Errorf("%w: %s/%s: %w; copied anew", ErrAltered, guardDir, it.name, copyWrong))
		return copyFile(copied, file)
	case copyWrong == nil:
		f.find(fmt.Errorf("%w: %s: %w; put back from its copy", ErrAltered, it.name, wrong))
		return copyFile(file, copied)
	}
	f.find(fmt.Errorf("%w: %s: %w; its copy: %w", ErrAltered, it.name, wrong, copyWrong))
	if it.kind == tableFile {
		return f.dropTable(it.name)
	}
	return nil // Badger says whether it can live with it
}

// checkLog says how a log differs from its entry: the head and, once it is sealed, the size.
func (f *Folder) checkLog(it item) error {
	st, err := os.Stat(f.at(it.name))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrAltered, it.name, err)
	}
	head, err := readHead(f.at(it.name))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrAltered, it.name, err)
	}
	if it.size != 0 && st.Size() != it.size {
		return fmt.Errorf("%w: %s: %d bytes long, was %d", ErrAltered, it.name, st.Size(), it.size)
	}
	if !bytes.Equal(head, it.head[:]) {
		return fmt.Errorf("%w: %s: first %d bytes", ErrAltered, it.name, logHeader)
	}
	return nil
}

// mendLog puts a log's first bytes back. A log that is too short to hold anything is taken out of Badger's way,
// which would begin it anew under numbers that old pointers still name.
func (f *Folder) mendLog(it item) error {
	wrong := f.checkLog(it)
	if wrong == nil {
		return nil
	}
	head, err := readHead(f.at(it.name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.find(wrong)
		return nil
	case err != nil:
		return err
	case len(head) < logHeader:
		f.find(fmt.Errorf("%w; nothing is left in it", wrong))
		return os.Remove(f.at(it.name))
	case bytes.Equal(head, it.head[:]):
		f.find(wrong) // the size: what is gone is named value by value
		return nil
	}
	f.find(fmt.Errorf("%w; put back", wrong))
	return f.writeHead(it)
}

func (f *Folder) writeHead(it item) (err error) {
	file, err := os.OpenFile(f.at(it.name), os.O_WRONLY, 0)
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
func (f *Folder) setAsideStrangers() error {
	names, err := f.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, known := f.list.find(n); known || n == discardName || n == lockName {
			continue
		}
		f.find(fmt.Errorf("%w: %s: not of this folder; set aside", ErrAltered, n))
		if f.o.ReadOnly && !f.alone {
			continue
		}
		if err := f.setAside(n); err != nil {
			return err
		}
	}
	return nil
}

// setAside moves a file to guard/aside.
func (f *Folder) setAside(name string) error {
	dir := f.guarded(asideDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.Rename(f.at(name), filepath.Join(dir, name)); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(f.path))
}

// seal lists and copies everything after a clean stop and takes the mark away.
func (f *Folder) seal() error {
	if err := removeIfThere(f.at(discardName)); err != nil {
		return err
	}
	if err := f.dropEmptyLogs(); err != nil {
		return err
	}
	if err := f.writeList(true); err != nil {
		return err
	}
	if err := f.dropStaleCopies(); err != nil {
		return err
	}
	if err := os.Remove(f.guarded(openMark)); err != nil {
		return err
	}
	return syncDir(f.guarded(""))
}

// dropEmptyLogs removes logs with nothing but their head: Badger makes one at each Open, and shieldLastLog one more.
func (f *Folder) dropEmptyLogs() error {
	logs, err := f.ofKind(valueLog)
	if err != nil {
		return err
	}
	for _, n := range logs {
		st, err := os.Stat(f.at(n))
		if err != nil {
			return err
		}
		if st.Size() > logHeader {
			continue
		}
		if err := os.Remove(f.at(n)); err != nil {
			return err
		}
	}
	return syncDir(f.path)
}

// dropStaleCopies removes what guard holds of files that are no more.
func (f *Folder) dropStaleCopies() error {
	entries, err := os.ReadDir(f.guarded(""))
	if err != nil {
		return err
	}
	for _, e := range entries {
		it, listed := f.list.find(e.Name())
		if _, ours := kindOf(e.Name()); !ours || (listed && !it.kind.isLog()) {
			continue
		}
		if err := os.Remove(f.guarded(e.Name())); err != nil {
			return err
		}
	}
	if len(f.findings) > 0 {
		return nil // what was set aside may still be wanted
	}
	return os.RemoveAll(f.guarded(asideDir))
}

// hashOf makes the entry of a whole file, and its copy when there is none yet.
func (f *Folder) hashOf(name string, k kind) (item, error) {
	it := item{kind: k, name: name}
	var err error
	if it.size, it.hash, err = hashFile(f.at(name)); err != nil {
		return it, err
	}
	if f.sameAs(f.guarded(name), it) == nil {
		return it, nil
	}
	if err := copyFile(f.guarded(name), f.at(name)); err != nil {
		return it, fmt.Errorf("copying %s: %w", name, err)
	}
	return it, f.sameAs(f.guarded(name), it)
}
