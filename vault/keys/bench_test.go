package keys

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

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/vaulttest/loopdisk"
)

// row prints a line of the table of `make bench`: name | value | aim | met?
func row(name string, value float64, unit string, aim float64) {
	met := "yes"
	if value > aim {
		met = "NO"
	}
	fmt.Printf("%s | %.2f %s | %.2f | %s\n", name, value, unit, aim, met)
}

// sectors is how many sectors of 512 bytes were written to the device under dir.
func sectors(b *testing.B, dir string) uint64 {
	b.Helper()
	if err := exec.Command("sync", "-f", dir).Run(); err != nil {
		b.Fatal(err)
	}
	out, err := exec.Command("findmnt", "-no", "SOURCE", dir).Output()
	if err != nil {
		b.Fatal(err)
	}
	stat, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(strings.TrimSpace(string(out))), "stat"))
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.ParseUint(strings.Fields(string(stat))[6], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkErase erases in a vault of a million slots, in 245 shards, on an ext4 of its own and a software TPM, from the order to
// where the chip has moved: one, again and again, and a thousand of one month at once. The key backup is kept.
func BenchmarkErase(b *testing.B) {
	disk := loopdisk.New(b, 512<<20)
	c := config(filepath.Join(disk.Dir, "keys"))
	k, err := Create(b.Context(), c, tpmtest.Start(b).Open(b))
	if err != nil {
		b.Fatal(err)
	}
	recovery := newRecovery(b)
	if err := k.SetRecovery(b.Context(), recovery.Public()); err != nil {
		b.Fatal(err)
	}
	var all []ID
	for n := range 245 {
		s, err := k.Next(b.Context(), "standard", november.AddDate(0, n, 0))
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, s.ID)
	}
	erase := func(ids ...ID) time.Duration {
		start := time.Now()
		if err := k.Doom(b.Context(), ids...); err != nil {
			b.Fatal(err)
		}
		if _, err := k.Commit(b.Context(), Change{}); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	for b.Loop() {
		var took []time.Duration
		before := sectors(b, disk.Dir)
		for _, id := range all[:40] {
			took = append(took, erase(id))
		}
		written := float64(sectors(b, disk.Dir)-before) * 512 / float64(len(took)) / 1e6
		slices.Sort(took)
		row("erase 1 of 1M slots, order to counter, p50", float64(took[len(took)/2].Microseconds())/1000, "ms", 20)
		row("erase 1 of 1M slots, longest of 40", float64(took[len(took)-1].Microseconds())/1000, "ms", 100)
		row("erase 1 of 1M slots, written to the device", written, "MB", 2)
		var thousand []ID
		for slot := range uint32(1000) {
			thousand = append(thousand, ID{Shard: all[50].Shard, Slot: slot * 4})
		}
		before = sectors(b, disk.Dir)
		at := erase(thousand...)
		row("erase 1,000 in one month", float64(at.Microseconds())/1000, "ms", 20)
		row("erase 1,000 in one month, written to the device", float64(sectors(b, disk.Dir)-before)*512/1e6, "MB", 4)
	}
	if !k.Direct() {
		b.Error("the file system refused to be read past the page cache")
	}
}
