package erasure

import (
	"errors"
	"os"
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

// cutDisk loses the power at its nth step: before it, after it, or in the middle of a write.
type cutDisk struct {
	pair.Disk
	left int
	how  int
}

const (
	before = iota
	after
	torn
	hows
)

var errCut = errors.New("the power is cut")

// step does one thing, or loses the power at it.
func (c *cutDisk) step(do func() error) error {
	c.left--
	if c.left < 0 || c.left == 0 && c.how == before {
		return errCut
	}
	err := do()
	if c.left == 0 {
		err = errors.Join(err, errCut)
	}
	return err
}

func (c *cutDisk) Create(path string, data []byte) error {
	if c.left == 1 && c.how == torn {
		c.left--
		return errors.Join(errCut, os.WriteFile(path, data[:len(data)/2], 0o600))
	}
	return c.step(func() error { return c.Disk.Create(path, data) })
}

func (c *cutDisk) Sync(path string) error {
	return c.step(func() error { return c.Disk.Sync(path) })
}

func (c *cutDisk) Rename(from, to string) error {
	return c.step(func() error { return c.Disk.Rename(from, to) })
}
func (c *cutDisk) Remove(path string) error {
	return c.step(func() error { return c.Disk.Remove(path) })
}
func (c *cutDisk) SyncDir(dir string) error {
	return c.step(func() error { return c.Disk.SyncDir(dir) })
}

// TestAPowerCutLeavesAnOrderOrItsEntry: at every step of taking an order and of making its entry. What was taken is there after the
// cut, as an order or as the one entry; and it can go on.
func TestAPowerCutLeavesAnOrderOrItsEntry(t *testing.T) {
	cuts := 0
	for how := range hows {
		for at := 1; ; at++ {
			d := newDesk(t, pair.Disk{})
			first := d.mustDone(d.take(1))
			disk := &cutDisk{left: at, how: how}
			whole := d.cfg.FS
			d.cfg.FS = disk
			disk.left = 1 << 30 // the opening is not what is cut here
			d.open()
			disk.left = at
			p := Pending{Given: d.cfg.Clock(), Why: Objection, Urgent: true, Calls: []keys.ID{{Shard: 7, Slot: 2}}}
			p, err := d.Take(p)
			taken := err == nil
			var c Certificate
			if taken {
				c, err = d.done(p)
			}
			d.cfg.FS = whole
			d.open()
			if err == nil {
				break // it has fewer steps than that
			}
			cuts++
			if !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			if taken && len(d.Orders()) == 0 && d.Newest() != 2 {
				t.Fatalf("cut %d at %d: the order is neither there nor an entry", how, at)
			}
			for _, o := range d.Orders() {
				c = d.mustDone(o)
			}
			if want := map[bool]uint64{true: 2, false: d.Newest()}[taken]; d.Newest() != want {
				t.Errorf("cut %d at %d: %d entries, want %d", how, at, d.Newest(), want)
			}
			d.open()
			all := d.all()
			if len(all) == 2 && all[1].Entry.Calls[0] != p.Calls[0] || all[0].Entry.Hash() != first.Entry.Hash() || taken && c.Entry.Number != 2 {
				t.Errorf("cut %d at %d: entries %+v", how, at, all)
			}
			for _, e := range all {
				if _, err := e.Verify(); err != nil {
					t.Errorf("cut %d at %d: entry %d: %v", how, at, e.Entry.Number, err)
				}
			}
		}
	}
	if cuts < 3*12 { // two files, twice, each written, renamed, and its folder synced
		t.Errorf("%d cuts", cuts)
	}
}
