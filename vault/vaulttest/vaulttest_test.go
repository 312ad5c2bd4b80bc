package vaulttest

import (
	"testing"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/vaulttest/talk"
)

func TestAVaultRecordsFindsAndPlays(t *testing.T) {
	v := New(t, "")
	k := talk.New(1, time.Now())
	v.Record(k, 150)
	for range 2 {
		found, err := v.Find(t.Context(), catalog.Query{})
		if err != nil || len(found) != 1 {
			t.Fatalf("Find: %d, %v", len(found), err)
		}
		v.Plays(found[0].ID, k)
		if f := v.Findings(); len(f) > 0 {
			t.Errorf("findings: %v", f)
		}
		if err := v.Heartbeat(t.Context()); err != nil {
			t.Errorf("Heartbeat: %v", err)
		}
		v.Stop()
		v.Start()
	}
}
