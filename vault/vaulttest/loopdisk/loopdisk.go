// Package loopdisk gives a test a real ext4 of its own: to fill to the brim, to cut the power of, to count what is written to it.
//
//	In:    a test, and a size
//	Out:   an image in the test's temporary folder, mounted through a loop device until the test ends
//	Owner: the test; what is mounted is unmounted with it
//	Full:  the machine's disk must have room for what is written, not for the whole size
package loopdisk

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// NoMount is the switch that lets tests which mount a file system be skipped where that is refused.
const NoMount = "LINEKEEP_NO_MOUNT"

// Disk is an ext4 file system in a file, mounted.
type Disk struct {
	Image string
	Dir   string

	mounted bool
}

// New makes and mounts an ext4 of so many bytes. Where mounting is refused the test fails, unless NoMount is set: then it
// is skipped, and says so.
func New(t testing.TB, bytes int64) *Disk {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, bytes)); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
	return Mount(t, image)
}

// Mount mounts an image, replaying its journal as after a power cut.
func Mount(t testing.TB, image string) *Disk {
	t.Helper()
	d := &Disk{Image: image, Dir: t.TempDir()}
	if out, err := exec.Command("mount", "-o", "loop", image, d.Dir).CombinedOutput(); err != nil {
		if os.Getenv(NoMount) != "" {
			t.Skipf("SKIPPED: no mounting here (%s): %v", NoMount, err)
		}
		t.Fatalf("mount: %v: %s (set %s where it cannot be)", err, out, NoMount)
	}
	d.mounted = true
	t.Cleanup(func() { d.Unmount(t) })
	return d
}

// Unmount ends the use of the disk before the test ends. A second Unmount does nothing.
func (d *Disk) Unmount(t testing.TB) {
	t.Helper()
	if !d.mounted {
		return
	}
	d.mounted = false
	if out, err := exec.Command("umount", d.Dir).CombinedOutput(); err != nil {
		// A process that this test has to end still holds it: the kernel lets go when that has happened.
		if err := syscall.Unmount(d.Dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	}
}

// Cut copies the image as it is now and mounts the copy: what a disk holds when the power goes. Nothing may write meanwhile.
func (d *Disk) Cut(t testing.TB) *Disk {
	t.Helper()
	image := filepath.Join(t.TempDir(), "cut")
	command(t, "cp", "--sparse=always", d.Image, image)
	return Mount(t, image)
}

// Discard throws a cut copy away and waits until the machine's disk has written what it was given of it: the next cut is to
// find the box on a disk of its usual speed, not behind some hundred megabytes of ours.
func (d *Disk) Discard(t testing.TB) {
	t.Helper()
	d.Unmount(t)
	if err := os.Remove(d.Image); err != nil {
		t.Fatal(err)
	}
	syscall.Sync()
}

// Fill writes until not one byte more fits, and returns what takes that away again.
func (d *Disk) Fill(t testing.TB) (empty func()) {
	t.Helper()
	name := filepath.Join(d.Dir, "filler")
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

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}
