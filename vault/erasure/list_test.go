package erasure

import (
	"context"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

// desk is a list with its chip, on a disk.
type desk struct {
	*List
	t    *testing.T
	cfg  Config
	chip *tpmtest.Memory
	who  tpm.Identity
}

func newDesk(t *testing.T, fs pair.FS) *desk {
	t.Helper()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	d := &desk{t: t, cfg: Config{Dir: filepath.Join(t.TempDir(), "erasures"), VaultID: [16]byte{1, 2, 3}, Key: keys.NewKey(), FS: fs,
		Clock: func() time.Time { now = now.Add(time.Second); return now }, Head: func() Head { return Head{Size: 5, Root: [32]byte{6}} }}}
	d.newChip()
	d.open()
	return d
}

func (d *desk) newChip() {
	d.t.Helper()
	d.chip = tpmtest.NewMemory()
	var err error
	if d.who, err = d.chip.Prepare(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) open() {
	d.t.Helper()
	var err error
	if d.List, err = Open(d.cfg); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) take(n uint32) Pending {
	d.t.Helper()
	p, err := d.Take(Pending{Given: d.cfg.Clock(), Why: Order, Urgent: n%2 == 0, Calls: []keys.ID{{Shard: 7, Slot: n}}, Blocks: []keys.ID{{Shard: 9, Slot: n}}})
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

func (d *desk) done(p Pending) (Certificate, error) {
	epoch, err := d.chip.Advance(d.t.Context(), nil, d.epoch())
	if err != nil {
		d.t.Fatal(err)
	}
	return d.Done(d.t.Context(), p, epoch, d.who, d.chip.Certify)
}

func (d *desk) epoch() uint64 {
	d.t.Helper()
	epoch, err := d.chip.Epoch(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return epoch
}

func (d *desk) mustDone(p Pending) Certificate {
	d.t.Helper()
	c, err := d.done(p)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// all are the entries as they stand on the disk.
func (d *desk) all() []Certificate {
	d.t.Helper()
	var all []Certificate
	if err := d.Walk(func(c Certificate, err error) error {
		all = append(all, c)
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	return all
}

func TestAnOrderBecomesAnEntryAndIsFoundForEver(t *testing.T) {
	d := newDesk(t, pair.Disk{})
	var orders []Pending
	for n := range uint32(3) {
		orders = append(orders, d.take(n))
	}
	if err := d.Hasten(orders[1].Given); err != nil {
		t.Fatal(err)
	}
	orders[1].Urgent = true
	d.open()
	if diff := cmp.Diff(orders, d.Orders()); diff != "" {
		t.Fatal(diff)
	}
	var want []Certificate
	for _, i := range []int{2, 0, 1} { // in any order
		want = append(want, d.mustDone(orders[i]))
		d.open()
	}
	if len(d.Orders()) != 0 || d.Newest() != 3 || len(d.Findings()) > 0 {
		t.Errorf("orders %v, newest %d, findings %v", d.Orders(), d.Newest(), d.Findings())
	}
	all := d.all()
	if diff := cmp.Diff(want, all); diff != "" {
		t.Fatal(diff)
	}
	for i, c := range all {
		if c.Entry.Number != uint64(i+1) || i > 0 && c.Entry.Before != all[i-1].Entry.Hash() {
			t.Errorf("entry %d: %+v", i+1, c.Entry)
		}
		if counter, err := c.Verify(); err != nil || counter != c.Entry.Epoch {
			t.Errorf("entry %d: the counter stood at %d, %v", i+1, counter, err)
		}
		found, err := d.Find(c.Entry.Calls[0])
		if diff := cmp.Diff(c, found); diff != "" || err != nil {
			t.Errorf("Find: %v %s", err, diff)
		}
	}
	if _, err := d.Find(keys.ID{Shard: 9, Slot: 1}); !errors.Is(err, ErrNone) {
		t.Errorf("Find of what is no call: %v, want ErrNone", err)
	}
}

func TestAnOrderDoneTwiceIsOneEntry(t *testing.T) {
	d := newDesk(t, pair.Disk{})
	p := d.take(1)
	first := d.mustDone(p)
	d.open()
	if again := d.mustDone(p); cmp.Diff(first, again) != "" || d.Newest() != 1 {
		t.Errorf("done twice: %+v, newest %d", again, d.Newest())
	}
}

func TestAnOrderWaitsForTheChipsWord(t *testing.T) {
	d := newDesk(t, pair.Disk{})
	p := d.take(1)
	d.chip.Fail(tpm.ErrUnavailable)
	if _, err := d.Done(t.Context(), p, 2, d.who, d.chip.Certify); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("Done: %v, want ErrUnavailable", err)
	}
	d.chip.Fail(nil)
	lie := func(ctx context.Context, q [32]byte) (tpm.Certificate, error) {
		q[0] ^= 1
		return d.chip.Certify(ctx, q)
	}
	if _, err := d.Done(t.Context(), p, 1, d.who, lie); !errors.Is(err, ErrNotProved) {
		t.Errorf("a word about something else: %v, want ErrNotProved", err)
	}
	if _, err := d.Done(t.Context(), p, d.epoch()+1, d.who, d.chip.Certify); !errors.Is(err, ErrNotProved) {
		t.Errorf("a counter that has not moved: %v, want ErrNotProved", err)
	}
	d.open()
	if len(d.Orders()) != 1 || d.Newest() != 0 {
		t.Fatalf("%d orders, newest %d; want the order to wait", len(d.Orders()), d.Newest())
	}
	d.mustDone(p)
}

// TestTheListGoesOnInAnotherFile when one is full, and when the chip is another.
func TestTheListGoesOnInAnotherFile(t *testing.T) {
	d := newDesk(t, pair.Disk{})
	n := uint32(0)
	for ; len(d.names) < 3; n++ {
		p := d.take(n)
		p.Calls = make([]keys.ID, 1000)
		for i := range p.Calls {
			p.Calls[i] = keys.ID{Shard: n + 1, Slot: uint32(i)}
		}
		d.mustDone(p)
	}
	if per := n / 2; per < 5 || per > 10 {
		t.Errorf("%d entries of 8 KB in a file of 64", per)
	}
	d.newChip()
	last := d.mustDone(d.take(n))
	d.open()
	if all := d.all(); len(all) != int(n)+1 || len(d.Findings()) > 0 || len(d.names) != 4 || cmp.Diff(last, all[n]) != "" {
		t.Errorf("%d entries in %d files, findings %v", len(all), len(d.names), d.Findings())
	}
}

// TestWhatIsAlteredIsNamed: a byte anywhere in both copies, a copy, a file gone, an older file put back.
func TestWhatIsAlteredIsNamed(t *testing.T) {
	d := newDesk(t, pair.Disk{})
	for n := range uint32(3) {
		d.mustDone(d.take(n))
	}
	d.take(9)
	names := []string{"list.1", "orders"}
	for _, name := range names {
		paths := []string{filepath.Join(d.cfg.Dir, name), filepath.Join(d.cfg.Dir, "copy", name)}
		whole, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, both := range []bool{false, true} {
			for at := 0; at < len(whole); at += 7 {
				altered := slices.Clone(whole)
				altered[at] ^= 0x10
				write(t, paths[0], altered)
				if both {
					write(t, paths[1], altered)
				}
				d.open()
				found := len(d.Findings()) > 0
				mended := d.Newest() == 3 && len(d.Orders()) == 1
				if !found || mended == both {
					t.Fatalf("%s altered at %d (both %v): findings %v, mended %v", name, at, both, d.Findings(), mended)
				}
				write(t, paths[0], whole)
				write(t, paths[1], whole)
			}
		}
	}
	d.open()
	if len(d.Findings()) > 0 {
		t.Fatal(d.Findings())
	}
	for _, dir := range []string{d.cfg.Dir, filepath.Join(d.cfg.Dir, "copy")} {
		if err := os.Remove(filepath.Join(dir, "list.1")); err != nil {
			t.Fatal(err)
		}
	}
	d.open()
	if d.Newest() != 0 { // the journal's word tells this (vault)
		t.Errorf("newest %d of a list that is gone", d.Newest())
	}
}

// block is what stands between the lines of a certificate's text.
func block(t *testing.T, text []byte) []byte {
	t.Helper()
	b, _ := pem.Decode(text)
	if b == nil {
		t.Fatalf("no block in:\n%s", text)
	}
	return b.Bytes
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAMiddleFileThatIsGoneIsNamedAndTheListGoesOn: its neighbours are kept, and no number is used again.
func TestAMiddleFileThatIsGoneIsNamedAndTheListGoesOn(t *testing.T) {
	for _, gone := range []string{"list.1", "list.2", "list.3"} {
		d := newDesk(t, pair.Disk{})
		for n := range uint32(3) {
			d.mustDone(d.take(n))
			d.newChip() // so that each has a file of its own
		}
		for _, dir := range []string{d.cfg.Dir, filepath.Join(d.cfg.Dir, "copy")} {
			write(t, filepath.Join(dir, gone), []byte("noise"))
		}
		d.open()
		if found := d.Findings(); len(found) == 0 || !strings.Contains(found[0].Error(), "from number "+gone[5:]) {
			t.Errorf("%s: findings %v", gone, found)
		}
		c := d.mustDone(d.take(7))
		d.open()
		if back, err := d.Find(c.Entry.Calls[0]); err != nil || cmp.Diff(c, back) != "" || c.Entry.Number < 4 {
			t.Errorf("%s: the next entry %d, %v", gone, c.Entry.Number, err)
		}
	}
}
