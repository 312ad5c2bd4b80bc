package keys

import (
	"errors"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

func TestAVaultOpensOnItsOwnTPMOnly(t *testing.T) {
	c, own, other := config(t.TempDir()), tpmtest.Start(t), tpmtest.Start(t)
	k, err := Create(t.Context(), c, own.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	slot := mustNext(t, k, "standard", november)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if back, err := mustOpen(t, c, own.Open(t)).Slot(slot.ID); err != nil || back.ID != slot.ID {
		t.Errorf("own chip: %v", err)
	}
	if _, err := Open(t.Context(), c, other.Open(t)); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("another chip: got %v, want ErrRefused", err)
	}
	chip := own.Open(t)
	own.Stop()
	if _, err := Open(t.Context(), c, chip); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("dead chip: got %v, want ErrUnavailable", err)
	}
}
