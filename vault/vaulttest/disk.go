package vaulttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// NoMount is the switch that lets tests which mount a file system be skipped where that is refused.
const NoMount = "LINEKEEP_NO_MOUNT"

// Disk is an ext4 file system in a file, mounted through a loop device until the test ends.
type Disk struct {
	Image string
	Dir   string
}

// NewDisk makes and mounts an ext4 file system of so many MiB. Where mounting is refused the test fails, unless
// LINEKEEP_NO_MOUNT is set: then it is skipped, and says so.
func NewDisk(t testing.TB, mebibytes int64) *Disk {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(mebibytes << 20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
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
	t.Cleanup(d.unmount(t))
	return d
}

func (d *Disk) unmount(t testing.TB) func() {
	return func() {
		if out, err := exec.Command("umount", d.Dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	}
}

// Cut copies the image as it is now: what a power cut would leave. Nothing may write meanwhile.
func (d *Disk) Cut(t testing.TB) *Disk {
	t.Helper()
	image := filepath.Join(t.TempDir(), "cut")
	command(t, "cp", "--sparse=always", d.Image, image)
	return Mount(t, image)
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}
