// Package seal encrypts: a recording's data key, its segments, and every small value beside them.
//
// Stage: line -> call -> encode -> [seal] -> store -> search -> release.
//
//	In:    the plaintext of a segment, or a value, and the key it belongs under
//	Out:   ciphertext that cannot be moved to another vault, recording, party or place without being refused
//	Owner: plain values; no goroutine
//	Full:  a segment of any length is taken; sealing does not allocate when dst has room
//
// FORMAT.md, sections 5 and 6, gives every byte.
package seal

import (
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

// ErrAltered reports bytes that fail authentication: altered, in another place than they were sealed for, or under another key.
var ErrAltered = errors.New("seal: altered, or not under this key")

const (
	boxNonce = chacha20poly1305.NonceSizeX
	tagSize  = chacha20poly1305.Overhead
	// BoxOverhead is by how much a box is longer than what is in it: a random nonce and a tag.
	BoxOverhead = boxNonce + tagSize
	// WrapSize is the length of a wrap.
	WrapSize = envelope.WrappedSize + BoxOverhead
)

// Box seals a value under k (a slot's Meta key, a folder's key) with XChaCha20-Poly1305, a random nonce and the
// associated data parts. The nonce has 192 bits, so random ones never meet under one key.
func Box(k keys.Key, plain []byte, ad ...[]byte) []byte {
	boxed := make([]byte, boxNonce, BoxOverhead+len(plain))
	rand.Read(boxed)
	return box(boxed, k, plain, keys.Info("box", ad...))
}

// box appends the sealed plain to the nonce.
func box(nonce []byte, k keys.Key, plain, ad []byte) []byte {
	return k.XAEAD().Seal(nonce, nonce, plain, ad)
}

// OpenBox opens what Box sealed under the same key with the same parts. Errors: ErrAltered.
func OpenBox(k keys.Key, boxed []byte, ad ...[]byte) ([]byte, error) {
	return openBox(k, boxed, keys.Info("box", ad...))
}

// OpenBoxInPlace is OpenBox without a copy: the plaintext stands where the box stood, which is spoilt, also by an error.
// What is read by the thousand, and was read into memory of its own, is opened so.
func OpenBoxInPlace(k keys.Key, boxed []byte, ad ...[]byte) ([]byte, error) {
	if len(boxed) < BoxOverhead {
		return nil, fmt.Errorf("%w: %d bytes are no box", ErrAltered, len(boxed))
	}
	plain, err := k.XAEAD().Open(boxed[boxNonce:boxNonce], boxed[:boxNonce], boxed[boxNonce:], keys.Info("box", ad...))
	if err != nil {
		return nil, ErrAltered
	}
	return plain, nil
}

func openBox(k keys.Key, boxed, ad []byte) ([]byte, error) {
	if len(boxed) < BoxOverhead {
		return nil, fmt.Errorf("%w: %d bytes are no box", ErrAltered, len(boxed))
	}
	plain, err := k.XAEAD().Open(nil, boxed[:boxNonce], boxed[boxNonce:], ad)
	if err != nil {
		return nil, ErrAltered // what exactly failed is of no use to anybody but an attacker
	}
	return plain, nil
}

// Wrap is XChaCha20-Poly1305(K_wrap, HPKE(custody public key, data key)): 24+80+16 = 120 bytes, bound to the vault
// and the recording's id on both layers. Opening it takes the slot, which the box has, and the custody key,
// which a person has.
func Wrap(vaultID [keys.VaultIDSize]byte, slot keys.Slot, pub envelope.Public, d DataKey) (wrap []byte, err error) {
	secret.Do(func() { wrap, err = wrapped(vaultID, slot, pub, d) })
	return wrap, err
}

func wrapped(vaultID [keys.VaultIDSize]byte, slot keys.Slot, pub envelope.Public, d DataKey) ([]byte, error) {
	id := slot.ID.Append(nil)
	inner, err := pub.Wrap(keys.Info("data key", vaultID[:], id), d.key())
	if err != nil {
		return nil, fmt.Errorf("wrap data key of %s: %w", slot.ID, err)
	}
	outer := slot.Wrap()
	defer outer.Wipe()
	nonce := make([]byte, boxNonce, WrapSize)
	rand.Read(nonce)
	return box(nonce, outer, inner, keys.Info("wrap", vaultID[:], id)), nil
}

// Unwrap gives back the data key. Errors: ErrAltered, also for the slot or the custody key of something else.
func Unwrap(vaultID [keys.VaultIDSize]byte, slot keys.Slot, priv envelope.Private, wrap []byte) (d DataKey, err error) {
	secret.Do(func() { d, err = unwrapped(vaultID, slot, priv, wrap) })
	return d, err
}

func unwrapped(vaultID [keys.VaultIDSize]byte, slot keys.Slot, priv envelope.Private, wrap []byte) (DataKey, error) {
	id := slot.ID.Append(nil)
	outer := slot.Wrap()
	defer outer.Wipe()
	inner, err := openBox(outer, wrap, keys.Info("wrap", vaultID[:], id))
	if err != nil {
		return DataKey{}, fmt.Errorf("unwrap data key of %s, outer layer: %w", slot.ID, err)
	}
	key, err := priv.Unwrap(keys.Info("data key", vaultID[:], id), inner)
	if err != nil {
		return DataKey{}, fmt.Errorf("unwrap data key of %s, inner layer: %w: %w", slot.ID, ErrAltered, err)
	}
	return dataKey(key), nil
}
