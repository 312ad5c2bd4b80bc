package folder_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"linekeep/vault/folder"
	"linekeep/vault/vaulttest/loopdisk"
)

// written is how many bytes the file system at disk has written to its device, which is a loop of our own.
func written(t *testing.T, disk string) int64 {
	t.Helper()
	if err := exec.Command("sync", "-f", disk).Run(); err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(deviceFile(t, disk, "stat"))
	sectors, err := strconv.ParseInt(fields[6], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return sectors * 512
}

func devicePath(t *testing.T, disk, name string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(disk, &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/sys/dev/block/%d:%d/%s", unix.Major(st.Dev), unix.Minor(st.Dev), name)
}

func deviceFile(t *testing.T, disk, name string) string {
	t.Helper()
	b, err := os.ReadFile(devicePath(t, disk, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWriteAmplification: what reaches the device for each byte of chunks, at the read-ahead of the reference box and
// at the one that made plain Badger write five to ten times the payload.
func TestWriteAmplification(t *testing.T) {
	for _, c := range []struct {
		readAhead string // KiB
		most      float64
	}{{"16", 1.25}, {"8192", 1.25}} {
		disk := loopdisk.New(t, 300<<20).Dir
		if err := os.WriteFile(devicePath(t, disk, "queue/read_ahead_kb"), []byte(c.readAhead), 0); err != nil {
			t.Fatal(err)
		}
		o, err := writerOptions(filepath.Join(disk, "f"))
		if err != nil {
			t.Fatal(err)
		}
		f := mustOpen(t, o)
		before, payload := written(t, disk), 0
		for i := range 300 {
			b := append(large(i), large(i)...)
			if err := f.Put(t.Context(), folder.Entry{Key: key(i), Value: b}); err != nil {
				t.Fatal(err)
			}
			payload += len(b)
		}
		ratio := float64(written(t, disk)-before) / float64(payload)
		t.Logf("read-ahead %s KiB: %.2f bytes written for each of %d", c.readAhead, ratio, payload)
		if ratio > c.most {
			t.Errorf("read-ahead %s KiB: %.2f bytes written for each byte, at most %.2f", c.readAhead, ratio, c.most)
		}
		full := resident(t, disk)
		if err := f.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d KiB of value logs resident, %d after Trim", full, resident(t, disk))
		if left := resident(t, disk); left > full/10 {
			t.Errorf("%d of %d KiB stay resident after Trim", left, full)
		}
		mustClose(t, f)
	}
}

// resident is how much of this process's value logs on the disk is in memory, in KiB.
func resident(t *testing.T, disk string) (kib int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	ours := false
	for l := range strings.Lines(string(b)) {
		l = strings.TrimSpace(l)
		if first, _, _ := strings.Cut(l, " "); strings.Contains(first, "-") {
			ours = strings.HasSuffix(l, ".vlog") && strings.Contains(l, disk)
		}
		if v, ok := strings.CutPrefix(l, "Rss:"); ok && ours {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(v, "kB")))
			if err != nil {
				t.Fatal(err)
			}
			kib += n
		}
	}
	return kib
}
