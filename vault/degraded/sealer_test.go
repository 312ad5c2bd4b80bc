package degraded

import (
	"bytes"
	"errors"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/vectors"
)

func spare(t *testing.T) envelope.Private {
	t.Helper()
	p, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWhoeverRecordsCannotOpenTheRootAgain(t *testing.T) {
	private, vaultID := spare(t), [keys.VaultIDSize]byte{1}
	s := Record(vaultID, private.Public())
	secret := bytes.Repeat([]byte{7}, keys.KeySize)
	blob, err := s.Seal(t.Context(), secret, onlyEpoch)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Unseal(t.Context(), blob, onlyEpoch); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("the first try of what was just sealed: %v", err)
	}
	for name, s := range map[string]*Sealer{"the same once more": s, "the next start": Record(vaultID, private.Public())} {
		if _, err := s.Unseal(t.Context(), blob, onlyEpoch); !errors.Is(err, tpm.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", name, err)
		}
	}
	if got, err := Reopen(vaultID, private.Public(), swap(private.Unwrap)).Unseal(t.Context(), blob, onlyEpoch); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("with the spare private key: %v", err)
	}
	other := spare(t)
	for name, s := range map[string]*Sealer{
		"another spare key": Reopen(vaultID, other.Public(), swap(other.Unwrap)),
		"another vault":     Reopen([keys.VaultIDSize]byte{2}, private.Public(), swap(private.Unwrap)),
	} {
		if _, err := s.Unseal(t.Context(), blob, onlyEpoch); !errors.Is(err, tpm.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", name, err)
		}
	}
}

// swap gives Unwrap its arguments in the order of keys.OpenSpare.
func swap(unwrap func(info, wrapped []byte) (keys.Key, error)) func(wrapped, info []byte) (keys.Key, error) {
	return func(wrapped, info []byte) (keys.Key, error) { return unwrap(info, wrapped) }
}

func TestNothingIsErasedInADegradedVault(t *testing.T) {
	s := Record([keys.VaultIDSize]byte{1}, spare(t).Public())
	if _, err := s.Advance(t.Context(), nil, onlyEpoch); !errors.Is(err, ErrNoErasure) {
		t.Errorf("Advance: %v", err)
	}
	if _, err := s.Seal(t.Context(), make([]byte, keys.KeySize), onlyEpoch+1); !errors.Is(err, ErrNoErasure) {
		t.Errorf("Seal for another epoch: %v", err)
	}
	if _, err := s.Certify(t.Context(), [32]byte{}); !errors.Is(err, tpm.ErrNotReady) {
		t.Errorf("Certify: %v", err)
	}
}

// TestTheDescribedRootOpens reads the worked example of FORMAT.md.
func TestTheDescribedRootOpens(t *testing.T) {
	v := vectors.Read(t, "degraded root")
	key, err := keys.KeyFrom(v.Bytes(t, "spare private"))
	if err != nil {
		t.Fatal(err)
	}
	private, err := envelope.PrivateFrom(key)
	if err != nil {
		t.Fatal(err)
	}
	vaultID := [keys.VaultIDSize]byte(vectors.Read(t, "common").Bytes(t, "vault id"))
	s := Reopen(vaultID, private.Public(), swap(private.Unwrap))
	if !bytes.Equal(s.info, v.Bytes(t, "info")) {
		t.Errorf("info is %x", s.info)
	}
	got, err := s.Unseal(t.Context(), v.Bytes(t, "blob"), onlyEpoch)
	if err != nil || !bytes.Equal(got, v.Bytes(t, "root key")) {
		t.Errorf("got %x, %v", got, err)
	}
}
