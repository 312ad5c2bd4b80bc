package guard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"linekeep/vault/folder/badgerfile"
)

// prepare brings the folder's files into a state that Badger opens without harm, and marks it open.
func (g *Guard) prepare(ctx context.Context) error {
	unclean, err := exists(g.guarded(openMark))
	if err != nil {
		return err
	}
	listed, err := g.loadList(unclean)
	if err != nil {
		return err
	}
	fresh, err := g.fresh()
	if err != nil {
		return err
	}
	switch {
	case g.o.ReadOnly && unclean:
		return ErrUnclean
	case !g.alone:
		return g.compareOnly()
	case fresh && !listed && !g.o.ReadOnly:
		return g.found()
	case unclean || !listed:
		if g.o.ReadOnly {
			return ErrUnclean
		}
		err = g.recover(ctx, listed)
	default:
		err = g.compareAndMend()
	}
	if err != nil {
		return err
	}
	if g.o.ReadOnly {
		return g.share()
	}
	return g.mark()
}

// mark says that the folder is open, and keeps Badger's hands off what it would spoil.
func (g *Guard) mark() error {
	if err := writeBytes(g.guarded(openMark), nil); err != nil {
		return err
	}
	if err := removeIfThere(g.at(badgerfile.Discard)); err != nil { // statistics for a garbage collection we never run
		return err
	}
	return g.shieldLastLog()
}

// found begins a new folder.
func (g *Guard) found() error {
	if err := writeBytes(g.guarded(openMark), nil); err != nil {
		return err
	}
	if err := removeIfThere(g.at(badgerfile.Registry)); err != nil { // of a first Open that was cut short
		return err
	}
	return badgerfile.WriteRegistry(g.path, g.o.Cloak.Bytes()[:])
}

// fresh says that there is nothing of Badger's yet. A key registry alone is what a cut first Open leaves.
func (g *Guard) fresh() (bool, error) {
	names, err := g.names()
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(names, func(n string) bool {
		k, ours := badgerfile.KindOf(n)
		return ours && k != badgerfile.KindRegistry
	}), nil
}

// loadList takes the newer of the two lists that are authentic, and writes the other anew when it is not.
func (g *Guard) loadList(unclean bool) (bool, error) {
	var lists [2]list
	var errs [2]error
	for i, name := range listNames() {
		b, err := readBounded(g.guarded(name), maxList)
		if err != nil {
			errs[i] = err
			continue
		}
		lists[i], errs[i] = decodeList(b, g.o.Name, g.o.List)
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
		g.find(fmt.Errorf("%w: %s/%s: %w; %s: %w", ErrAltered, guardDir, listNames()[0], errs[0], listNames()[1], errs[1]))
		return false, nil
	}
	g.list = lists[best]
	other := 1 - best
	if errs[other] == nil && lists[other].seq == lists[best].seq {
		return true, nil
	}
	first := unclean && g.list.seq == 1 && absent(other) // a stop between the first two writings there ever were
	if errs[other] != nil && !first {
		g.find(fmt.Errorf("%w: %s/%s: %w; put back from the other", ErrAltered, guardDir, listNames()[other], errs[other]))
	}
	if !g.alone {
		return true, nil
	}
	return true, copyFile(g.guarded(listNames()[other]), g.guarded(listNames()[best]))
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

// Seal lists and copies everything after a clean stop at so many commits, and takes the mark away.
func (g *Guard) Seal(commits uint64) error {
	if err := removeIfThere(g.at(badgerfile.Discard)); err != nil {
		return err
	}
	if err := g.dropEmptyLogs(); err != nil {
		return err
	}
	if err := g.writeList(commits, true); err != nil {
		return err
	}
	if err := g.dropStaleCopies(); err != nil {
		return err
	}
	if err := os.Remove(g.guarded(openMark)); err != nil {
		return err
	}
	return syncDir(g.guarded(""))
}

// dropEmptyLogs removes logs with nothing but their head: Badger makes one at each Open, and shieldLastLog one more.
func (g *Guard) dropEmptyLogs() error {
	logs, err := g.ofKind(badgerfile.KindValueLog)
	if err != nil {
		return err
	}
	for _, n := range logs {
		st, err := os.Stat(g.at(n))
		if err != nil {
			return err
		}
		if st.Size() > badgerfile.LogHeader {
			continue
		}
		if err := os.Remove(g.at(n)); err != nil {
			return err
		}
	}
	return syncDir(g.path)
}

// dropStaleCopies removes what guard holds of files that are no more.
func (g *Guard) dropStaleCopies() error {
	entries, err := os.ReadDir(g.guarded(""))
	if err != nil {
		return err
	}
	for _, e := range entries {
		it, listed := g.list.find(e.Name())
		if _, ours := badgerfile.KindOf(e.Name()); !ours || (listed && !it.kind.IsLog()) {
			continue
		}
		if err := os.Remove(g.guarded(e.Name())); err != nil {
			return err
		}
	}
	if len(g.findings) > 0 {
		return nil // what was set aside may still be wanted
	}
	return os.RemoveAll(g.guarded(asideDir))
}

// hashOf makes the entry of a whole file, and its copy when there is none yet.
func (g *Guard) hashOf(name string, k badgerfile.Kind) (item, error) {
	it := item{kind: k, name: name}
	var err error
	if it.size, it.hash, err = hashFile(g.at(name)); err != nil {
		return it, err
	}
	if g.sameAs(g.guarded(name), it) == nil {
		return it, nil
	}
	if err := copyFile(g.guarded(name), g.at(name)); err != nil {
		return it, fmt.Errorf("copying %s: %w", name, err)
	}
	return it, g.sameAs(g.guarded(name), it)
}
