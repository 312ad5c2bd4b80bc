package secret

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"reflect"
	"unsafe"

	"golang.org/x/crypto/chacha20poly1305"
)

// AEAD is ChaCha20-Poly1305 (RFC 8439) under the key: nonces of 12 bytes, which the caller never uses twice. It works
// with the key where it lies and has no copy of it, so it ends with the key: it must not be used once that is wiped.
func (k Key) AEAD() cipher.AEAD { return aead{key: k, kind: process().ciphers.plain} }

// XAEAD is XChaCha20-Poly1305 under the key: nonces of 24 bytes, which may be random. Else as AEAD.
func (k Key) XAEAD() cipher.AEAD { return aead{key: k, kind: process().ciphers.extended} }

// HMAC is HMAC-SHA256 under the key. It keeps what follows from the key on the heap, also when that is wiped.
func (k Key) HMAC() (h hash.Hash) {
	k.Use(func(key []byte) { h = hmac.New(sha256.New, key) })
	return h
}

// aead is a cipher that borrows its key for each call.
type aead struct {
	key  Key
	kind *kind
}

func (a aead) NonceSize() int { return a.kind.nonceSize }
func (a aead) Overhead() int  { return chacha20poly1305.Overhead }

func (a aead) Seal(dst, nonce, plain, ad []byte) []byte {
	a.key.Use(func(key []byte) { dst = a.kind.over(key).Seal(dst, nonce, plain, ad) })
	return dst
}

func (a aead) Open(dst, nonce, sealed, ad []byte) (out []byte, err error) {
	a.key.Use(func(key []byte) { out, err = a.kind.over(key).Open(dst, nonce, sealed, ad) })
	return out, err
}

// kind is one of x/crypto's ciphers, and how it lies in memory.
type kind struct {
	make      func(key []byte) (cipher.AEAD, error)
	nonceSize int
	// self is the struct behind the interface, where that is the key and nothing else; else nil.
	self reflect.Type
}

// ciphers are the kinds there are.
type ciphers struct{ plain, extended *kind }

func newCiphers() ciphers {
	return ciphers{
		plain:    newKind(chacha20poly1305.New, chacha20poly1305.NonceSize),
		extended: newKind(chacha20poly1305.NewX, chacha20poly1305.NonceSizeX),
	}
}

func newKind(from func([]byte) (cipher.AEAD, error), nonceSize int) *kind {
	k := &kind{make: from, nonceSize: nonceSize}
	if t := reflect.TypeOf(k.copied(make([]byte, Size))); t.Kind() == reflect.Pointer && isKey(t.Elem()) {
		k.self = t.Elem()
	}
	return k
}

// isKey says whether a type is a key in its 32 bytes and holds nothing else.
func isKey(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() == 1 && t.Field(0).Type == reflect.TypeFor[[Size]byte]()
}

// over makes a cipher of a key. x/crypto's are a struct with the key in it, so the key's own memory is one: nothing is
// copied to the heap, where it could be neither wiped nor locked, and nothing is allocated. A version of x/crypto that
// lays its ciphers out in another way gets its copy; a test says so.
func (k *kind) over(key []byte) cipher.AEAD {
	if k.self == nil {
		return k.copied(key)
	}
	return reflect.NewAt(k.self, unsafe.Pointer((*[Size]byte)(key))).Interface().(cipher.AEAD)
}

func (k *kind) copied(key []byte) cipher.AEAD {
	c, err := k.make(key)
	if err != nil {
		panic("secret: " + err.Error()) // unreachable: a Key has the one length there is
	}
	return c
}
