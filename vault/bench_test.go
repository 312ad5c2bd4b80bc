package vault_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/loopdisk"
	"linekeep/vault/vaulttest/talk"
)

// row prints a line of the table of `make bench`: name | value | aim | met?
func row(name string, value float64, unit string, aim float64) {
	met := "yes"
	if value > aim {
		met = "NO"
	}
	fmt.Printf("%s | %.2f %s | %.2f | %s\n", name, value, unit, aim, met)
}

// office is 32 calls of two parties that make a group of 192 KB each second tick.
func office(start time.Time) []*talk.Talk {
	calls := make([]*talk.Talk, 32)
	for i := range calls {
		calls[i] = talk.New(segment.Call(i+1), start)
		calls[i].Line, calls[i].Forget, calls[i].Bytes = fmt.Sprint("line ", i), true, 114
	}
	return calls
}

// group makes the next group of all calls; nth 0 opens them, last closes them.
func group(calls []*talk.Talk, first, last bool) segment.Group {
	g := segment.Group{At: time.Now()}
	for _, k := range calls {
		if first {
			g.Openings = append(g.Openings, k.Opening())
		}
		k.Speak(&g, last)
		if last {
			g.Closings = append(g.Closings, k.Closing())
		}
	}
	return g
}

// quantile is the q-th part of sorted durations, in milliseconds.
func quantile(took []time.Duration, q float64) float64 {
	slices.Sort(took)
	return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000
}

// BenchmarkVault records minutes of 32 calls as fast as the disk takes them, on an ext4 of its own whose device
// counts what is written to it, with the mover running beside; then it opens the vault as after a crash.
func BenchmarkVault(b *testing.B) {
	disk := loopdisk.New(b, 2<<30)
	device := deviceOf(b, disk.Dir)
	v := vaulttest.NewOn(b, filepath.Join(disk.Dir, "vault"), tpmtest.Start(b).Open(b))
	v.Start()
	before := sectors(b, device)
	const groups = 600 // five minutes
	for b.Loop() {
		calls := office(time.Now())
		for i := range groups {
			v.Say(group(calls, i == 0, i == groups-1))
		}
		v.Settle()
	}
	w := v.Status().Written
	if err := exec.Command("sync", "-f", disk.Dir).Run(); err != nil {
		b.Fatal(err)
	}
	all := float64(sectors(b, device)-before) * 512 / float64(w.Payload)
	row("journal, bytes written per byte of payload", float64(w.Bytes)/float64(w.Payload), "", 1.3)
	row("in all with moves, bytes written to the device per byte of payload", all, "", 2.4)
	row("heard to stored, longest", float64(v.Status().LongestLag.Microseconds())/1000, "ms", 1000)
	v.Stop()
	reopen(b, v)
}

// reopen measures how long the vault takes to open after a clean stop.
func reopen(b *testing.B, v *vaulttest.Vault) {
	var took []time.Duration
	for range 5 {
		start := time.Now()
		v.Start()
		took = append(took, time.Since(start))
		v.Stop()
	}
	row("reopen", quantile(took, 0.5)/1000, "s", 0.66)
}

// BenchmarkCommit measures sealing and the journal alone: nothing is moved meanwhile. Then it opens what lies there,
// as a start after a crash does.
func BenchmarkCommit(b *testing.B) {
	v := vaulttest.NewOn(b, "", tpmtest.Start(b).Open(b))
	v.Open()
	const groups = 256 // 48 MB: what the journal holds in the steady state
	var took []time.Duration
	for b.Loop() {
		calls := office(time.Now())
		for i := range groups {
			g := group(calls, i == 0, i == groups-1)
			start := time.Now()
			v.Say(g)
			took = append(took, time.Since(start))
		}
	}
	w := v.Status().Written
	row("group commit of 192 KB, p50", quantile(took, 0.5), "ms", 1.4)
	row("group commit of 192 KB, p99", quantile(took, 0.99), "ms", 7.5)
	b.ReportMetric(float64(w.Payload)/float64(w.Groups)/1024, "KB/group")
	crashed := v.Elsewhere(b, filepath.Join(b.TempDir(), "vault"))
	if err := os.CopyFS(crashed.Config.Dir, os.DirFS(v.Config.Dir)); err != nil { // as it would lie there after a crash
		b.Fatal(err)
	}
	start := time.Now()
	crashed.Open()
	row("reopen after a crash", time.Since(start).Seconds(), "s", 0.34)
	for _, open := range []*vaulttest.Vault{v, crashed} {
		if err := open.Close(b.Context()); err != nil {
			b.Error(err)
		}
	}
}

// deviceOf finds the block device under dir, and gives it the read-ahead of the product's data disk.
func deviceOf(b *testing.B, dir string) string {
	b.Helper()
	out, err := exec.Command("findmnt", "-no", "SOURCE", dir).Output()
	if err != nil {
		b.Fatal(err)
	}
	name := filepath.Base(strings.TrimSpace(string(out)))
	if err := os.WriteFile(filepath.Join("/sys/block", name, "queue/read_ahead_kb"), []byte("16"), 0); err != nil {
		b.Fatal(err)
	}
	return name
}

// sectors is how many sectors of 512 bytes were written to the device.
func sectors(b *testing.B, device string) uint64 {
	b.Helper()
	stat, err := os.ReadFile(filepath.Join("/sys/block", device, "stat"))
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.ParseUint(strings.Fields(string(stat))[6], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
