package office

import (
	"errors"
	"fmt"
	"testing"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody/backoff"
)

// TestAfterAThousandWrongSignInsAndFortyPowerCutsTheControllerGetsIn is on a TPM's own code: a power cut after a good use of
// an account would count as a failure if nobody had told the chip to expect one.
func TestAfterAThousandWrongSignInsAndFortyPowerCutsTheControllerGetsIn(t *testing.T) {
	chip := tpmtest.Start(t)
	r := newRigOn(t, chip.Open(t))
	for n := range 1000 {
		a := Attempt{Name: r.ann.name, Password: r.ann.password(), Code: fmt.Sprintf("%06d", n), Address: fmt.Sprintf("10.0.0.%d", n%250)}
		if _, err := r.SignIn(t.Context(), a); !errors.Is(err, ErrDenied) && !errors.Is(err, backoff.ErrWait) {
			t.Fatalf("wrong sign-in %d: %v", n, err)
		}
	}
	for cut := range 40 {
		r.ann.signIn()
		chip.PowerCut(t)
		device := chip.Open(t)
		if l, err := device.Lockout(t.Context()); err != nil || l.Failed != 0 || l.Locked {
			t.Fatalf("after power cut %d: %+v, %v", cut, l, err)
		}
		r.cfg.Chip = device
		r.open()
	}
	s := r.ann.signIn()
	if err := r.hears(s, r.record()); err != nil {
		t.Error(err)
	}
}
