package secret

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// AEAD is ChaCha20-Poly1305 (RFC 8439) under the key: nonces of 12 bytes, which the caller never uses twice. The cipher
// keeps a copy of the key on the heap; make it inside Do where that must be erased.
func (k Key) AEAD() cipher.AEAD { return k.cipher(chacha20poly1305.New) }

// XAEAD is XChaCha20-Poly1305 under the key: nonces of 24 bytes, which may be random.
func (k Key) XAEAD() cipher.AEAD { return k.cipher(chacha20poly1305.NewX) }

func (k Key) cipher(make func([]byte) (cipher.AEAD, error)) (aead cipher.AEAD) {
	k.Use(func(key []byte) {
		var err error
		if aead, err = make(key); err != nil {
			panic("secret: " + err.Error()) // unreachable: a Key has the one length there is
		}
	})
	return aead
}

// HMAC is HMAC-SHA256 under the key. It keeps what follows from the key on the heap.
func (k Key) HMAC() (h hash.Hash) {
	k.Use(func(key []byte) { h = hmac.New(sha256.New, key) })
	return h
}
