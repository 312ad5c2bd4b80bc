package degraded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"linekeep/drivers/tpm"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

// onlyEpoch is that of every degraded vault: nothing is erased in one before it is merged.
const onlyEpoch = 1

// ErrNoErasure reports an erasure in a degraded vault. It waits for the merge.
var ErrNoErasure = errors.New("degraded: nothing is erased before the merge")

// Sealer stands in the chip's place for the root of a degraded vault: it wraps the root key to the spare key.
type Sealer struct {
	spare envelope.Public
	info  []byte
	open  func(wrapped, info []byte) (keys.Key, error) // nil while the main root is closed

	mu   sync.Mutex
	last tpm.Blob // what was sealed last, and what is in it: so that keys can try it once
	key  keys.Key
	here bool
}

var _ tpm.Sealer = (*Sealer)(nil)

// Record is a Sealer that can seal and, but for a first try of each blob, not open.
func Record(vaultID [keys.VaultIDSize]byte, spare envelope.Public) *Sealer {
	return &Sealer{spare: spare, info: info(vaultID, spare)}
}

// Reopen is a Sealer that opens with the main root's spare private key; open is keys.OpenSpare.
func Reopen(vaultID [keys.VaultIDSize]byte, spare envelope.Public, open func(wrapped, info []byte) (keys.Key, error)) *Sealer {
	s := Record(vaultID, spare)
	s.open = open
	return s
}

// info binds a degraded root to its vault and to the spare key.
func info(vaultID [keys.VaultIDSize]byte, spare envelope.Public) []byte {
	public := spare.Bytes()
	return secret.Info("degraded root", vaultID[:], public[:])
}

// Seal wraps a root key to the spare key.
func (s *Sealer) Seal(_ context.Context, plain []byte, epoch uint64) (tpm.Blob, error) {
	if epoch != onlyEpoch {
		return nil, ErrNoErasure
	}
	key, err := keys.KeyFrom(plain)
	if err != nil {
		return nil, fmt.Errorf("seal a degraded root: %w", err)
	}
	wrapped, err := s.spare.Wrap(s.info, key)
	if err != nil {
		key.Wipe()
		return nil, fmt.Errorf("seal a degraded root: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	s.last, s.key, s.here = wrapped, key, true
	return wrapped, nil
}

// Unseal opens with the spare private key; without it, the blob sealed last, once.
func (s *Sealer) Unseal(_ context.Context, blob tpm.Blob, epoch uint64) ([]byte, error) {
	if epoch != onlyEpoch {
		return nil, tpm.ErrRefused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.here && bytes.Equal(blob, s.last) {
		plain := lend(s.key)
		s.forget()
		return plain, nil
	}
	if s.open == nil {
		return nil, fmt.Errorf("%w: the spare key is in the main vault", tpm.ErrRefused)
	}
	key, err := s.open(blob, s.info)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tpm.ErrRefused, err)
	}
	defer key.Wipe()
	return lend(key), nil
}

// lend gives the bytes of a key as a chip gives them: whoever asked clears them.
func lend(key keys.Key) (plain []byte) {
	key.Use(func(b []byte) { plain = bytes.Clone(b) })
	return plain
}

// forget wipes what was sealed last. mu is held.
func (s *Sealer) forget() {
	if s.here {
		s.key.Wipe()
	}
	s.last, s.here = nil, false
}

// Epoch is always the same.
func (s *Sealer) Epoch(context.Context) (uint64, error) { return onlyEpoch, nil }

// Advance refuses: see ErrNoErasure.
func (s *Sealer) Advance(context.Context, []byte, uint64) (uint64, error) {
	return onlyEpoch, ErrNoErasure
}

// Prepare gives the identity: there is nothing to make.
func (s *Sealer) Prepare(ctx context.Context) (tpm.Identity, error) { return s.Identity(ctx) }

// Identity is the spare key's: a root wrapped to another one is told at once.
func (s *Sealer) Identity(context.Context) (tpm.Identity, error) {
	digest := s.spare.Digest()
	return tpm.Identity{Storage: digest[:], Counter: digest[:], Attest: digest[:]}, nil
}

// Owned says that nobody does, and Own has nothing to do.
func (s *Sealer) Owned(context.Context) (owner, lockout bool, err error) { return false, false, nil }

// Own has nothing to do: nobody owns a stand-in.
func (s *Sealer) Own(context.Context, []byte, []byte) error { return nil }

// Certify cannot: only a chip's word is worth a certificate.
func (s *Sealer) Certify(context.Context, [32]byte) (tpm.Certificate, error) {
	return tpm.Certificate{}, tpm.ErrNotReady
}

// Close wipes what is left.
func (s *Sealer) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	return nil
}
