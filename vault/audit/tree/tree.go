// Package tree is the audit log's Merkle tree (RFC 6962, by golang.org/x/mod/sumdb/tlog): its right edge in memory, which is
// all that it takes to add a leaf and to tell the root, and the file of all its hashes, which proofs are made from.
//
//	In:    hashes of leaves
//	Out:   the root; hashes for proofs
//	Owner: the caller, who takes turns; no goroutine
//	Full:  the file takes 64 bytes for each entry
package tree

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/vault/audit/disk"
)

// Tree is the right edge of a Merkle tree: all that is needed to add a leaf and to tell the root, in memory. It is a
// value: a copy can be thrown away when what it was grown for did not reach the disk.
type Tree struct {
	Size int64
	edge [64]tlog.Hash // the newest complete subtree of each level
}

// ReadHashes implements tlog.HashReader for what adding and the root ask: the newest of each level.
func (t *Tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		if level >= len(t.edge) || n != t.Size>>level-1 {
			return nil, fmt.Errorf("hash %d is not on the edge of a tree of %d", x, t.Size)
		}
		out[i] = t.edge[level]
	}
	return out, nil
}

// Add grows the tree by a leaf, and appends the hashes that are to be kept.
func (t *Tree) Add(dst []tlog.Hash, leaf tlog.Hash) []tlog.Hash {
	more, err := tlog.StoredHashesForRecordHash(t.Size, leaf, t)
	if err != nil {
		panic(err) // unreachable: the edge has every subtree that a leaf completes
	}
	copy(t.edge[:], more)
	t.Size++
	return append(dst, more...)
}

// Root is the hash of the whole tree.
func (t *Tree) Root() tlog.Hash {
	h, err := tlog.TreeHash(t.Size, t)
	if err != nil {
		panic(err) // unreachable: the edge has every subtree of the root
	}
	return h
}

// Hashes is the file of the tree's hashes, in the order of tlog.StoredHashIndex. It can be made anew from the entries. What the
// disk has no room for waits in memory, and is read from there.
type Hashes struct {
	File disk.File

	mu   sync.Mutex  // guards what follows; held over a write, so that nobody reads in between
	at   int64       // index of the first that waits
	owed []tlog.Hash // wait for room
}

// Owed is how many hashes wait for room on the disk.
func (h *Hashes) Owed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.owed)
}

// waits gives a hash that waits for room.
func (h *Hashes) waits(index int64) (tlog.Hash, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := index - h.at; n >= 0 && n < int64(len(h.owed)) {
		return h.owed[n], true
	}
	return tlog.Hash{}, false
}

// ReadHashes implements tlog.HashReader.
func (h *Hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if hash, ok := h.waits(x); ok {
			out[i] = hash
			continue
		}
		if _, err := h.File.ReadAt(out[i][:], x*tlog.HashSize); err != nil {
			return nil, fmt.Errorf("read hash %d of the audit tree: %w", x, err)
		}
	}
	return out, nil
}

// At is the tree of a size as the file has it.
func (h *Hashes) At(size int64) (Tree, error) {
	t := Tree{Size: size}
	for level := range t.edge {
		if size>>level&1 == 0 {
			continue
		}
		got, err := h.ReadHashes([]int64{tlog.StoredHashIndex(level, size>>level-1)})
		if err != nil {
			return t, err
		}
		t.edge[level] = got[0]
	}
	return t, nil
}

// Write puts hashes where those of leaves from size on stand. On an error they wait, with those that waited before.
func (h *Hashes) Write(size int64, more []tlog.Hash) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := tlog.StoredHashCount(size)
	switch n := at - h.at; {
	case len(h.owed) == 0:
		h.at, h.owed = at, append(h.owed, more...)
	case n >= 0 && n <= int64(len(h.owed)):
		h.owed = append(h.owed[:n], more...)
	default: // put right by a verification, before those that wait
		return h.put(at, more)
	}
	if err := h.put(h.at, h.owed); err != nil {
		return err
	}
	h.owed = h.owed[:0]
	return nil
}

// Flush writes what waits.
func (h *Hashes) Flush() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.put(h.at, h.owed); err != nil {
		return err
	}
	h.owed = h.owed[:0]
	return nil
}

func (h *Hashes) put(at int64, hashes []tlog.Hash) error {
	if len(hashes) == 0 {
		return nil
	}
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	if _, err := h.File.WriteAt(b, at*tlog.HashSize); err != nil {
		return fmt.Errorf("write hashes of the audit tree: %w", err)
	}
	return nil
}

// Leaf is the hash of entry n as the file has it; false where it has none.
func (h *Hashes) Leaf(n int64) (tlog.Hash, bool) {
	got, err := h.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
	if err != nil || got[0] == (tlog.Hash{}) {
		return tlog.Hash{}, false
	}
	return got[0], true
}

// RootAt is the root of the first size leaves, as the file has them.
func (h *Hashes) RootAt(size int64) (tlog.Hash, error) {
	root, err := tlog.TreeHash(size, h)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the tree has less than %d leaves: %w", size, err)
	}
	return root, err
}
