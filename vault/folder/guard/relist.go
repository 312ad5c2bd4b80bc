package guard

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"

	"linekeep/vault/folder/badgerfile"
)

// Renew lists what cannot change any more while the folder is open: the registry, the tables the manifest
// names, the manifest up to here, the heads of logs. After a stop that is not clean this is what is known.
func (g *Guard) Renew(commits uint64) error { return g.writeList(commits, false) }

// writeList makes the list and the copies; final is after a clean stop, when everything is still.
func (g *Guard) writeList(commits uint64, final bool) error {
	l := list{seq: g.list.seq + 1, commits: commits}
	manifest, err := g.listManifest()
	if err != nil {
		return fmt.Errorf("listing the manifest: %w", err)
	}
	registry, err := g.hashOf(badgerfile.Registry, badgerfile.KindRegistry)
	if err != nil {
		return fmt.Errorf("listing the registry: %w", err)
	}
	l.items = append(l.items, manifest, registry)
	live, err := badgerfile.LiveTables(g.at(badgerfile.Manifest))
	if err != nil {
		return err
	}
	for _, n := range live {
		it, known := g.list.find(n)
		if !known || final {
			if it, err = g.hashOf(n, badgerfile.KindTable); err != nil {
				return fmt.Errorf("listing a table: %w", err)
			}
		}
		l.items = append(l.items, it)
	}
	logs, err := g.listLogs(final)
	if err != nil {
		return fmt.Errorf("listing logs: %w", err)
	}
	l.items = append(l.items, logs...)
	return g.storeList(l)
}

// listManifest copies the manifest as far as it is whole: while the folder is open Badger may be just
// appending to it.
func (g *Guard) listManifest() (item, error) {
	b, err := os.ReadFile(g.at(badgerfile.Manifest))
	if err != nil {
		return item{}, err
	}
	end, err := badgerfile.ManifestEnd(b)
	if err != nil {
		return item{}, err
	}
	b = b[:end]
	it := item{kind: badgerfile.KindManifest, name: badgerfile.Manifest, size: int64(end), hash: sha256.Sum256(b)}
	if g.sameAs(g.guarded(badgerfile.Manifest), it) == nil {
		return it, nil
	}
	return it, writeBytes(g.guarded(badgerfile.Manifest), b)
}

// listLogs lists heads, and sizes of what is sealed: all value logs but the newest, and that too after the end.
func (g *Guard) listLogs(final bool) ([]item, error) {
	logs, err := g.ofKind(badgerfile.KindValueLog)
	if err != nil {
		return nil, err
	}
	newest := len(logs) - 1
	if !final {
		mems, err := g.ofKind(badgerfile.KindMemLog)
		if err != nil {
			return nil, err
		}
		logs = append(logs, mems...)
	}
	var items []item
	for i, n := range logs {
		k, _ := badgerfile.KindOf(n)
		it := item{kind: k, name: n}
		head, err := g.syncedHead(n)
		if errors.Is(err, os.ErrNotExist) && k == badgerfile.KindMemLog {
			continue // its table was written meanwhile
		}
		if err != nil {
			return nil, err
		}
		if k == badgerfile.KindValueLog && (i < newest || final) {
			st, err := os.Stat(g.at(n))
			if err != nil {
				return nil, err
			}
			it.size = st.Size()
		}
		if len(head) < badgerfile.LogHeader {
			continue
		}
		copy(it.head[:], head)
		items = append(items, it)
	}
	return items, nil
}

// syncedHead reads a log's first bytes when they are on the disk. Badger writes them through its map and syncs them
// with the first commit at the earliest: a list that were synced before would call a power cut an alteration.
func (g *Guard) syncedHead(name string) (head []byte, err error) {
	head, err = badgerfile.ReadHead(g.at(name))
	if it, known := g.list.find(name); err != nil || known && bytes.Equal(it.head[:], head) {
		return head, err
	}
	file, err := os.Open(g.at(name))
	if err != nil {
		return nil, err
	}
	return head, errors.Join(file.Sync(), file.Close())
}

// storeList writes both files, one after the other: a power cut leaves at least one whole.
func (g *Guard) storeList(l list) error {
	if g.list.seq > 0 && l.commits == g.list.commits && slices.Equal(l.items, g.list.items) {
		return nil
	}
	b, err := l.encode(g.o.Name, g.o.List)
	if err != nil {
		return err
	}
	for _, n := range listNames() {
		if err := writeBytes(g.guarded(n), b); err != nil {
			return fmt.Errorf("writing the list: %w", err)
		}
	}
	g.list = l
	return nil
}

// forgetGoneMemLogs takes the logs of memtables that have become tables out of the list. With none left Badger begins to number
// them anew, and a list that still knew the old 00001.mem would give its first bytes to the new one after the next cut: then
// nothing in that could be read.
func (g *Guard) forgetGoneMemLogs() error {
	if g.list.seq == 0 {
		return nil // there is no list
	}
	l := list{seq: g.list.seq + 1, commits: g.list.commits}
	for _, it := range g.list.items {
		there, err := exists(g.at(it.name))
		if err != nil {
			return err
		}
		if there || it.kind != badgerfile.KindMemLog {
			l.items = append(l.items, it)
		}
	}
	return g.storeList(l)
}

// Stale says whether files came or went since the list was made.
func (g *Guard) Stale() (bool, error) {
	names, err := g.names()
	if err != nil {
		return false, err
	}
	n := 0
	for _, name := range names {
		if _, ours := badgerfile.KindOf(name); !ours {
			continue
		}
		if _, listed := g.list.find(name); !listed {
			return true, nil
		}
		n++
	}
	return n != len(g.list.items), nil
}

// goesOn says whether the manifest on disk begins with the listed one.
func (g *Guard) goesOn() error {
	then, err := os.ReadFile(g.guarded(badgerfile.Manifest))
	if err != nil {
		return err
	}
	now, err := os.ReadFile(g.at(badgerfile.Manifest))
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(now, then) {
		return errors.New("does not go on from its copy")
	}
	_, err = badgerfile.ManifestEnd(now)
	return err
}
