//go:build rig

package guest

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/scripts/rig/bench"
)

func waitFor(t *testing.T, what string, within time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", within, what)
		}
	}
}

// stick is the partition of the USB stick, empty while it is not plugged in.
func stick() string {
	disks, _ := filepath.Glob("/sys/block/sd*")
	for _, d := range disks {
		// The path behind the link goes by the bus.
		if path, err := filepath.EvalSymlinks(d); err == nil && strings.Contains(path, "/usb") {
			part := "/dev/" + filepath.Base(d) + "1"
			if _, err := os.Stat(part); err == nil {
				return part
			}
		}
	}
	return ""
}

func TestAStickComesIsReadAndWrittenGoesAndComesAgain(t *testing.T) {
	if part := stick(); part != "" {
		t.Fatalf("%s is there before it was plugged in", part)
	}
	const text = "what a stick keeps"
	dir := t.TempDir()
	for round := range 2 {
		if err := bench.PlugStick(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the stick to come", 20*time.Second, func() bool { return stick() != "" })
		if _, err := bench.Run("mount", "-t", "vfat", stick(), dir); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "kept.txt")
		if round == 0 {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Error(err)
			}
		} else if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("read back: got %q, %v", got, err)
		}
		if _, err := bench.Run("umount", dir); err != nil {
			t.Fatal(err)
		}
		if err := bench.UnplugStick(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the stick to go", 20*time.Second, func() bool { return stick() == "" })
	}
}

// health is what smartctl says of a disk.
type health struct {
	SerialNumber string `json:"serial_number"`
	SmartStatus  *struct {
		Passed bool `json:"passed"`
	} `json:"smart_status"`
}

func smart(t *testing.T, device string) health {
	t.Helper()
	out, err := exec.Command("smartctl", "-j", "-a", device).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // its status tells of the disk's health, bit by bit
		t.Fatal(err)
	}
	var h health
	if err := json.Unmarshal(out, &h); err != nil || h.SmartStatus == nil {
		t.Fatalf("smartctl of %s: %v\n%s", device, err, out)
	}
	return h
}

func TestBothDisksTellTheirHealthAndOneCanBeMadeToFail(t *testing.T) {
	for device, serial := range map[string]string{"/dev/sda": "RIGSATA0001", "/dev/nvme0": "RIGNVME0001"} {
		if h := smart(t, device); h.SerialNumber != serial || !h.SmartStatus.Passed {
			t.Errorf("%s: got %q, passed %v; want %q, passed", device, h.SerialNumber, h.SmartStatus.Passed, serial)
		}
	}
	const unreliable = 4
	if err := bench.WarnNVMe(unreliable); err != nil {
		t.Fatal(err)
	}
	if smart(t, "/dev/nvme0").SmartStatus.Passed {
		t.Error("the NVMe disk says that all is well, after it was told to warn")
	}
	if err := bench.WarnNVMe(0); err != nil {
		t.Fatal(err)
	}
	if !smart(t, "/dev/nvme0").SmartStatus.Passed {
		t.Error("the NVMe disk warns for ever")
	}
}
