package envelope

import (
	"errors"
	"testing"

	"linekeep/vault/secret"
)

func TestAWrapOpensOnlyWithItsKeyAtItsPlaceAndUnaltered(t *testing.T) {
	private, err := New()
	if err != nil {
		t.Fatal(err)
	}
	other, err := New()
	if err != nil {
		t.Fatal(err)
	}
	key, info := secret.New(), secret.Info("test", []byte("here"))
	wrapped, err := private.Public().Wrap(info, key)
	if err != nil || len(wrapped) != WrappedSize {
		t.Fatalf("Wrap: %d bytes, %v", len(wrapped), err)
	}
	if back, err := private.Unwrap(info, wrapped); err != nil || !back.Equal(key) {
		t.Errorf("Unwrap: %v", err)
	}
	if _, err := other.Unwrap(info, wrapped); !errors.Is(err, ErrAltered) {
		t.Errorf("another key: %v", err)
	}
	if _, err := private.Unwrap(secret.Info("test", []byte("there")), wrapped); !errors.Is(err, ErrAltered) {
		t.Errorf("another place: %v", err)
	}
	for i := range wrapped {
		wrapped[i] ^= 1
		if _, err := private.Unwrap(info, wrapped); !errors.Is(err, ErrAltered) {
			t.Errorf("byte %d altered: %v", i, err)
		}
		wrapped[i] ^= 1
	}
	if _, err := private.Unwrap(info, wrapped[1:]); !errors.Is(err, ErrAltered) {
		t.Errorf("cut short: %v", err)
	}
}

func TestAKeyPairIsWhatItsSecretHalfSays(t *testing.T) {
	ikm := make([]byte, secret.Size)
	a, errA := Derive(ikm)
	b, errB := Derive(ikm)
	if err := errors.Join(errA, errB); err != nil || a.Public().Bytes() != b.Public().Bytes() {
		t.Errorf("derived twice: %v", err)
	}
	again, err := PrivateFrom(a.Secret())
	if err != nil || again.Public().Fingerprint() != a.Public().Fingerprint() || len(a.Public().Fingerprint()) != 23 {
		t.Errorf("fingerprint %q, %v", a.Public().Fingerprint(), err)
	}
	if _, err := PublicFrom(ikm[1:]); err == nil {
		t.Error("31 bytes taken for a public key")
	}
	if _, err := (Public{}).Wrap(nil, secret.New()); err == nil {
		t.Error("the zero Public wrapped")
	}
}
