package folder

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
)

// renewList lists what cannot change any more while the folder is open: the registry, the tables the manifest
// names, the manifest up to here, the heads of logs. After a stop that is not clean this is what is known.
func (f *Folder) renewList() error { return f.writeList(false) }

// writeList makes the list and the copies; final is after a clean stop, when everything is still.
func (f *Folder) writeList(final bool) error {
	l := list{seq: f.list.seq + 1, commits: f.commits.Load()}
	manifest, err := f.listManifest()
	if err != nil {
		return fmt.Errorf("listing the manifest: %w", err)
	}
	registry, err := f.hashOf(registryName, registryFile)
	if err != nil {
		return fmt.Errorf("listing the registry: %w", err)
	}
	l.items = append(l.items, manifest, registry)
	live, err := f.liveTables()
	if err != nil {
		return err
	}
	for _, n := range live {
		it, known := f.list.find(n)
		if !known || final {
			if it, err = f.hashOf(n, tableFile); err != nil {
				return fmt.Errorf("listing a table: %w", err)
			}
		}
		l.items = append(l.items, it)
	}
	logs, err := f.listLogs(final)
	if err != nil {
		return fmt.Errorf("listing logs: %w", err)
	}
	l.items = append(l.items, logs...)
	return f.storeList(l)
}

// listManifest copies the manifest as far as it is whole: while the folder is open Badger may be just
// appending to it.
func (f *Folder) listManifest() (item, error) {
	b, err := os.ReadFile(f.at(manifestName))
	if err != nil {
		return item{}, err
	}
	end, err := manifestEnd(b)
	if err != nil {
		return item{}, err
	}
	b = b[:end]
	it := item{kind: manifestFile, name: manifestName, size: int64(end), hash: sha256.Sum256(b)}
	if f.sameAs(f.guarded(manifestName), it) == nil {
		return it, nil
	}
	return it, writeBytes(f.guarded(manifestName), b)
}

// listLogs lists heads, and sizes of what is sealed: all value logs but the newest, and that too after the end.
func (f *Folder) listLogs(final bool) ([]item, error) {
	logs, err := f.ofKind(valueLog)
	if err != nil {
		return nil, err
	}
	newest := len(logs) - 1
	if !final {
		mems, err := f.ofKind(memLog)
		if err != nil {
			return nil, err
		}
		logs = append(logs, mems...)
	}
	var items []item
	for i, n := range logs {
		k, _ := kindOf(n)
		it := item{kind: k, name: n}
		st, err := os.Stat(f.at(n))
		if errors.Is(err, os.ErrNotExist) && k == memLog {
			continue // its table was written meanwhile
		}
		if err != nil {
			return nil, err
		}
		if k == valueLog && (i < newest || final) {
			it.size = st.Size()
		}
		head, err := readHead(f.at(n))
		if err != nil {
			return nil, err
		}
		if len(head) < logHeader {
			continue
		}
		copy(it.head[:], head)
		items = append(items, it)
	}
	return items, nil
}

// storeList writes both files, one after the other: a power cut leaves at least one whole.
func (f *Folder) storeList(l list) error {
	if f.list.seq > 0 && l.commits == f.list.commits && slices.Equal(l.items, f.list.items) {
		return nil
	}
	b, err := l.encode(f.o.Name, f.keys.list)
	if err != nil {
		return err
	}
	for _, n := range listNames() {
		if err := writeBytes(f.guarded(n), b); err != nil {
			return fmt.Errorf("writing the list: %w", err)
		}
	}
	f.list = l
	return nil
}

// stale says whether files came or went since the list was made.
func (f *Folder) stale() (bool, error) {
	names, err := f.names()
	if err != nil {
		return false, err
	}
	n := 0
	for _, name := range names {
		if _, ours := kindOf(name); !ours {
			continue
		}
		if _, listed := f.list.find(name); !listed {
			return true, nil
		}
		n++
	}
	return n != len(f.list.items), nil
}

// goesOn says whether the manifest on disk begins with the listed one.
func (f *Folder) goesOn() error {
	then, err := os.ReadFile(f.guarded(manifestName))
	if err != nil {
		return err
	}
	now, err := os.ReadFile(f.at(manifestName))
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(now, then) {
		return errors.New("does not go on from its copy")
	}
	_, err = manifestEnd(now)
	return err
}
