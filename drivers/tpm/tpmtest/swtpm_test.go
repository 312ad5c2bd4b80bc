package tpmtest_test

import (
	"errors"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

func mustEpoch(t *testing.T, chip tpm.Chip) uint64 {
	t.Helper()
	at, err := chip.Epoch(t.Context())
	if err != nil {
		t.Fatalf("Epoch: %v", err)
	}
	return at
}

func TestASoftwareTPMKeepsItsStateOverAPowerCut(t *testing.T) {
	chip := tpmtest.Start(t)
	d := tpmtest.Prepared(t, chip.Open(t))
	blob, err := d.Seal(t.Context(), []byte("secret"), 2)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := d.Advance(t.Context(), nil, 1); at != 2 || err != nil {
		t.Fatalf("Advance: %d, %v", at, err)
	}
	chip.PowerCut(t)
	if at := mustEpoch(t, d); at != 2 {
		t.Errorf("the counter stands at %d", at)
	}
	if _, err := d.Unseal(t.Context(), blob, 2); err != nil {
		t.Errorf("Unseal: %v", err)
	}
	chip.Stop()
	if _, err := d.Unseal(t.Context(), blob, 2); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("without power: %v", err)
	}
	chip.Restart(t)
	if _, err := d.Unseal(t.Context(), blob, 2); err != nil {
		t.Errorf("with power again: %v", err)
	}
}

func TestASnapshotIsThePastAndAWipeIsAnotherChip(t *testing.T) {
	chip := tpmtest.Start(t)
	d := tpmtest.Prepared(t, chip.Open(t))
	blob, err := d.Seal(t.Context(), []byte("secret"), 1)
	if err != nil {
		t.Fatal(err)
	}
	past := chip.Snapshot(t)
	if _, err := d.Advance(t.Context(), nil, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Unseal(t.Context(), blob, 1); !errors.Is(err, tpm.ErrSpent) {
		t.Errorf("after the counter passed it: %v", err)
	}
	chip.Restore(t, past)
	if _, err := d.Unseal(t.Context(), blob, 1); err != nil {
		t.Errorf("with the chip's past: %v", err)
	}
	chip.Wipe(t)
	if _, err := d.Unseal(t.Context(), blob, 1); !errors.Is(err, tpm.ErrNotReady) {
		t.Errorf("after a wipe: %v", err)
	}
	fresh := chip.Open(t)
	tpmtest.Prepared(t, fresh)
	for name, opened := range map[string]tpm.Chip{"opened before": d, "opened anew": fresh} {
		if _, err := opened.Unseal(t.Context(), blob, 1); !errors.Is(err, tpm.ErrRefused) || errors.Is(err, tpm.ErrNotReady) {
			t.Errorf("%s, on another chip: %v", name, err)
		}
	}
	if _, err := d.Epoch(t.Context()); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("a device that knows the old chip: %v", err)
	}
}
