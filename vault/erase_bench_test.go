package vault_test

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/catalog"
	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/loopdisk"
)

// BenchmarkErase erases one call of a million, and then a thousand of one month at once, from the order to the certificate,
// on a software TPM and an ext4 of its own whose device counts what is written. The calls are rows and slots in the shards of
// 62 months: what is never read has no sound.
func BenchmarkErase(b *testing.B) {
	const months, perMonth = 62, 4 * keys.SlotsPerShard
	disk := loopdisk.New(b, 2<<30)
	device := deviceOf(b, disk.Dir)
	v := vaulttest.NewOn(b, filepath.Join(disk.Dir, "vault"), tpmtest.Start(b).Open(b))
	v.Open()
	var all []keys.ID
	for month := range months {
		at := time.Now().UTC().AddDate(0, 0, 1-time.Now().UTC().Day()).AddDate(0, -month, 0)
		rows := make([]catalog.Row, 0, perMonth)
		for n := range perMonth {
			slot, err := v.Keys().Next(b.Context(), "standard", at)
			if err != nil {
				b.Fatal(err)
			}
			rows = append(rows, catalog.Row{ID: slot.ID, Line: "reception", Class: "standard", Start: at.Add(time.Duration(n) * time.Minute),
				Duration: time.Minute, Parties: []segment.Party{segment.Both}})
			all = append(all, slot.ID)
			slot.Wipe()
		}
		if err := v.Catalog().File(b.Context(), rows...); err != nil {
			b.Fatal(err)
		}
	}
	erase := func(ids ...keys.ID) (took time.Duration, written float64) {
		before := settled(b, disk.Dir, device)
		began := time.Now()
		made, err := v.Erase(b.Context(), erasure.Order, ids...)
		took = time.Since(began)
		if err != nil || len(made) != 1 {
			b.Fatalf("Erase: %d certificates, %v", len(made), err)
		}
		return took, float64(settled(b, disk.Dir, device)-before) * 512 / 1e6
	}
	for b.Loop() {
		var times []time.Duration
		var written float64
		const times1 = 15 // within a day's budget
		for n := range times1 {
			took, bytes := erase(all[len(all)/2+n*5000])
			times, written = append(times, took), written+bytes/times1
		}
		row("erase 1 of 1M calls with its row, order to certificate, p50", quantile(times, 0.5), "ms", 20)
		row("erase 1 of 1M calls with its row, written to the device", written, "MB", 2)
		took, bytes := erase(all[7*perMonth+1000 : 7*perMonth+2000]...)
		row("erase 1,000 calls of a month with their rows", float64(took.Microseconds())/1000, "ms", 100)
		row("erase 1,000 calls of a month with their rows, written to the device", bytes, "MB", 4)
	}
	if err := v.Close(b.Context()); err != nil {
		b.Error(err)
	}
}

// settled is what was written to the device once everything that was to be is.
func settled(b *testing.B, dir, device string) uint64 {
	b.Helper()
	if err := exec.Command("sync", "-f", dir).Run(); err != nil {
		b.Fatal(err)
	}
	return sectors(b, device)
}
