package vault_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/catalog"
	"linekeep/vault/space"
	"linekeep/vault/store"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/loopdisk"
	"linekeep/vault/vaulttest/talk"
)

func TestADiskFilledToTheBrimLosesNothingStoredAndComesBack(t *testing.T) {
	disk := loopdisk.New(t, 512<<20)
	v := vaulttest.NewOn(t, filepath.Join(disk.Dir, "vault"), tpmtest.Start(t).Open(t))
	v.Config.Space.StopCalls, v.Config.Space.StopAll, v.Config.Space.Ballast = 128*space.MiB, 96*space.MiB, 64*space.MiB
	v.Start()
	before := talk.New(1, time.Now().Add(-time.Hour).UTC())
	v.Record(before, 130)
	during := talk.New(2, time.Now().UTC())
	v.Say(during.Groups(130, true, false)...)
	empty := disk.Fill(t)

	refused := refusedWhileFull(t, v, during)
	if st := v.Status(); st.Space.State != space.Full || st.Space.Alarm == "" {
		t.Errorf("status on a full disk: %+v", st.Space)
	}
	late := talk.New(3, time.Now().UTC())
	if err := v.Commit(t.Context(), &late.Groups(1, true, false)[0]); !errors.Is(err, store.ErrFull) {
		t.Errorf("a new call on a full disk: %v", err)
	}
	v.Stop() // in good order, on a full disk
	v.Start()
	empty()
	vaulttest.Eventually(t, 20*time.Second, "the disk has room again", func() bool { return v.Status().Space.State == space.OK })
	after := talk.New(4, time.Now().UTC())
	v.Record(after, 130)
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 3 {
		t.Fatalf("Find: %d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, k := range []*talk.Talk{before, during, after} {
			if row.Start.Equal(k.Start) {
				v.Plays(row.ID, k)
			}
		}
	}
	if report, err := v.Check(t.Context()); err != nil || len(report.Findings) > 0 {
		t.Errorf("check: %v %v", report.Findings, err)
	}
	t.Logf("%d groups were refused while the disk was full", refused)
}

// refusedWhileFull says half a minute into the full disk. What is refused was not said.
func refusedWhileFull(t *testing.T, v *vaulttest.Vault, k *talk.Talk) (refused int) {
	t.Helper()
	for range 60 {
		said := map[segment.Party]int{}
		for p := range k.Said {
			said[p] = len(k.Said[p])
		}
		g := segment.Group{At: k.Now()}
		k.Speak(&g, false)
		err := v.Commit(t.Context(), &g)
		if err == nil {
			continue
		}
		refused++
		if !errors.Is(err, store.ErrFull) {
			t.Errorf("a group on a full disk: %v", err)
		}
		for p, n := range said {
			k.Said[p] = k.Said[p][:n]
		}
	}
	if refused == 0 {
		t.Error("the disk is full, and everything is stored")
	}
	return refused
}
