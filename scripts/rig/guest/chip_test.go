//go:build rig

package guest

import (
	"bytes"
	"errors"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdemo"
	"linekeep/drivers/tpm/tpmdev"
)

const chipDevice = "/dev/tpmrm0"

// The chip as the kernel drives it, behind its resource manager, under a policy signed for what the firmware measured.
func TestTheKernelsTPMSealsUnsealsAndRevokes(t *testing.T) {
	ctx := t.Context()
	policy, err := tpmdemo.Make(ctx, chipDevice, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	chip, err := tpmdev.Open(ctx, chipDevice, policy, tpmdev.RefDemo)
	if err != nil {
		t.Fatal(err)
	}
	defer chip.Close()
	if _, err := chip.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	epoch, err := chip.Epoch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Repeat([]byte{7}, 32)
	blob, err := chip.Seal(ctx, secret, epoch)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := chip.Unseal(ctx, blob, epoch); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("unseal: got %x, %v", got, err)
	}
	if now, err := chip.Advance(ctx, nil, epoch); err != nil || now != epoch+1 {
		t.Errorf("advance: got %d, %v, want %d", now, err, epoch+1)
	}
	if _, err := chip.Unseal(ctx, blob, epoch); !errors.Is(err, tpm.ErrSpent) {
		t.Errorf("unseal what was revoked: got %v, want ErrSpent", err)
	}
}
