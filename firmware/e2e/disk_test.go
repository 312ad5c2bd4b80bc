package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"linekeep/vault"
	"linekeep/vault/catalog"
)

// disk is a file system of its own, in an image.
type disk struct {
	image, dir string
	on         bool
}

// mounted makes an ext4 of that size and mounts it. Where the kernel refuses that, the test fails, unless
// LINEKEEP_NO_MOUNT says that it is known.
func mounted(t *testing.T, bytes int64) *disk {
	t.Helper()
	if os.Getenv("LINEKEEP_NO_MOUNT") != "" {
		t.Skip("SKIPPED: LINEKEEP_NO_MOUNT is set")
	}
	d := &disk{image: filepath.Join(t.TempDir(), "disk.img")}
	f, err := os.Create(d.image)
	if err == nil {
		err = errors.Join(f.Truncate(bytes), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	d.mount(t)
	return d
}

func (d *disk) mount(t *testing.T) {
	t.Helper()
	d.dir = t.TempDir()
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Fatalf("mount (LINEKEEP_NO_MOUNT=1 where it cannot work): %v\n%s", err, out)
	}
	d.on = true
	t.Cleanup(func() { d.unmount(t) })
}

func (d *disk) unmount(t *testing.T) {
	t.Helper()
	if !d.on {
		return
	}
	d.on = false
	if out, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
		// A process that this test has to end still holds it: the kernel lets go when that has happened.
		if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	}
}

// copy mounts a copy of the image as it is now: what a disk holds when the power goes.
func (d *disk) copy(t *testing.T) *disk {
	t.Helper()
	c := &disk{image: filepath.Join(t.TempDir(), "cut.img")}
	if out, err := exec.Command("cp", "--sparse=always", d.image, c.image).CombinedOutput(); err != nil {
		t.Fatalf("copy the image: %v\n%s", err, out)
	}
	c.mount(t)
	return c
}

// settle throws a copy away and waits until the machine's disk has written what it was given of it: the next cut is to
// find the box on a disk of its usual speed, not behind some hundred megabytes of ours.
func (d *disk) settle(t *testing.T, copied *disk) {
	t.Helper()
	if err := os.Remove(copied.image); err != nil {
		t.Fatal(err)
	}
	syscall.Sync()
}

// fill writes until not one byte more fits.
func (d *disk) fill(t *testing.T) (free func()) {
	t.Helper()
	name := filepath.Join(d.dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; size /= 4 {
		block := make([]byte, size)
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADiskFilledToTheBrimStopsNothingButTheSoundAndSaysSo(t *testing.T) {
	d := mounted(t, 1<<30)
	bin, s := programs(t), newSite(t, filepath.Join(d.dir, "site"))
	b := s.start(bin)
	b.eventually(time.Minute, "calls to be filed", func() bool { return len(b.told()) > 2 })
	told := map[string]bool{}
	for _, id := range b.told() {
		told[id] = true
	}
	free := d.fill(t)
	says := func(what string) func() bool {
		return func() bool { return strings.Contains(s.ctl(bin, "status"), what) }
	}
	b.eventually(time.Minute, "the alarm", says("disk is full"))
	b.goOn(2*time.Second, 3*time.Second)
	free()
	b.eventually(time.Minute, "the alarm to end", func() bool { return !says("disk is full")() && !says("nearly full")() })
	before := len(b.told())
	b.eventually(time.Minute, "calls to be filed again", func() bool { return len(b.told()) > before+2 })
	for _, id := range b.told()[before+1:] {
		told[id] = true
	}
	b.stop()
	s.inspect(s.dir, func(v *vault.Vault, rows map[string]catalog.Row) {
		for id := range told {
			if _, ok := rows[id]; !ok {
				t.Errorf("call %s was filed, and is gone", id)
			}
		}
		for _, r := range rows {
			s.plays(v, r)
		}
	})
}

// ctl asks the running box.
func (s *site) ctl(bin string, args ...string) string {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "linekeepctl"), append([]string{"--socket", filepath.Join(s.dir, "control.sock")}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		return err.Error()
	}
	return string(out)
}

// search names the files below dir that hold any of the needles.
func search(t *testing.T, dir string, needles map[string][]byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(f)
		for what, needle := range needles {
			if strings.Contains(string(data), string(needle)) {
				found[what] = path
			}
		}
		return errors.Join(err, f.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
