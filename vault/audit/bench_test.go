package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/tree"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/loopdisk"
)

// row prints one line of make bench; an aim of 0 is none.
func row(name string, value float64, unit string, aim float64) {
	wanted, met := fmt.Sprintf("%.2f", aim), "yes"
	switch {
	case aim == 0:
		wanted, met = "-", ""
	case value > aim:
		met = "NO"
	}
	fmt.Printf("%s | %.2f %s | %s | %s\n", name, value, unit, wanted, met)
}

// BenchmarkAudit measures the log on an ext4 of its own, with the box's files of 16,384 entries, up to a million entries.
func BenchmarkAudit(b *testing.B) {
	for b.Loop() {
		hashing(b)
		d := newDeskIn(b, loopdisk.New(b, 1<<30).Dir, 0)
		durable(d)
		million(b, d)
	}
}

// hashing is what an append costs beside the disk.
func hashing(b *testing.B) {
	const times = 200_000
	e := entry.Entry{Action: entry.Hear, About: []keys.ID{{Shard: 1, Slot: 7}}, Slot: keys.ID{Shard: 1, Slot: 7}}
	var t tree.Tree
	var buf []byte
	var more []tlog.Hash
	began := time.Now()
	for n := range times {
		e.Seq = uint64(n)
		core, err := e.Bytes()
		if err != nil {
			b.Fatal(err)
		}
		buf, more = appendRecord(buf[:0], core, nil), t.Add(more[:0], tlog.RecordHash(core))
	}
	row("audit append, hashing only", float64(time.Since(began).Nanoseconds())/times/1000, "us", 1.6)
}

func durable(d *desk) {
	var took []time.Duration
	for range 200 {
		began := time.Now()
		d.write(search("4930"))
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	row("audit append, durable, p50", float64(took[len(took)/2].Microseconds())/1000, "ms", 0)
}

func million(b *testing.B, d *desk) {
	const size = 1_000_000
	for left := size - int(d.Size()); left > 0; {
		acts := make([]Act, min(left, 1000))
		for i := range acts {
			acts[i] = Act{Who: entry.Actor{Kind: entry.Machine}, What: entry.View, About: []keys.ID{{Shard: 1, Slot: uint32(i)}}}
		}
		d.write(acts...)
		left -= len(acts)
	}
	if _, err := d.Checkpoint(b.Context()); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	d.again()
	row("audit log of 1M entries, opening it", float64(time.Since(began).Microseconds())/1000, "ms", 0)
	if held := handles(b, d.cfg.Dir); held > 2 {
		b.Errorf("it holds %d files open; the newest and the tree are enough", held)
	}
	began = time.Now()
	if r := d.sound(); r.Entries != size {
		b.Errorf("%d entries", r.Entries)
	}
	row("audit log of 1M entries, verifying all of it", time.Since(began).Seconds(), "s", 0)
	began = time.Now()
	p, err := d.Prove(b.Context(), size/2)
	made := time.Since(began)
	began = time.Now()
	_, _, bad := p.Verify(d.keys.Chip())
	if err := errors.Join(err, bad); err != nil {
		b.Fatal(err)
	}
	most := 0 // the tree of 1M has 20 levels, so an entry of its first 2^19 takes 20 hashes, 640 bytes
	for _, n := range []int64{0, size / 2, size - 1} {
		hashes, err := tlog.ProveRecord(size, n, &d.tree)
		if err != nil {
			b.Fatal(err)
		}
		most = max(most, len(hashes)*tlog.HashSize)
	}
	row("audit proof of one entry of 1M, its hashes, largest of three", float64(most), "bytes", 608)
	row("audit proof of one entry of 1M, made", float64(made.Microseconds())/1000, "ms", 0)
	row("audit proof of one entry of 1M, verified", float64(time.Since(began).Microseconds())/1000, "ms", 0)
}

// handles counts the files under dir that this process holds open.
func handles(tb testing.TB, dir string) (n int) {
	tb.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Skip("no /proc here")
	}
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); err == nil && filepath.Dir(to) == dir {
			n++
		}
	}
	return n
}

// TestALogOfManyFilesHoldsOnlyTheNewestOpen: a log of years has more files than a process may hold open.
func TestALogOfManyFilesHoldsOnlyTheNewestOpen(t *testing.T) {
	d := newDesk(t, 2)
	d.many(41)
	for range 2 {
		if n := handles(t, d.cfg.Dir); n != 2 {
			t.Errorf("%d files are open, not the newest and the tree", n)
		}
		d.sound()
		d.again()
	}
}
