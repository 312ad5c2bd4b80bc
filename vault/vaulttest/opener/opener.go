// Package opener is somebody with raw keys, the disk and FORMAT.md: it opens what these keys open, and nothing else.
//
//	In:    the vault's files; raw keys, each 32 bytes
//	Out:   plaintexts, or nothing
//	Owner: plain functions; no goroutine
//	Full:  files are read whole
//
// It is written from FORMAT.md and imports nothing of the vault, so that it would find out if the vault's own code opened
// more, or something else, than the format says.
package opener

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// Info is info(label, parts...) of section 1.
func Info(label string, parts ...[]byte) []byte {
	b := append([]byte("linekeep/1 "+label), 0)
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
	}
	return b
}

// Derive is derive(key, label, parts...) of section 1.
func Derive(key []byte, label string, parts ...[]byte) []byte {
	out, err := hkdf.Key(sha256.New, key, nil, string(Info(label, parts...)), 32)
	if err != nil {
		panic(err) // 32 bytes are never too long
	}
	return out
}

// open is XChaCha20-Poly1305 with the nonce in front; nil where the key is another one.
func open(key, sealed, ad []byte) []byte {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil || len(sealed) < 24 {
		return nil
	}
	plain, err := aead.Open([]byte{}, sealed[:24], sealed[24:], ad)
	if err != nil {
		return nil
	}
	return plain
}

// Box opens a box of section 6.
func Box(key, boxed []byte, parts ...[]byte) []byte { return open(key, boxed, Info("box", parts...)) }

// HPKE opens a wrap of section 4.
func HPKE(private, info, wrapped []byte) []byte {
	key, err := hpke.DHKEM(ecdh.X25519()).NewPrivateKey(private)
	if err != nil {
		return nil
	}
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, wrapped)
	if err != nil {
		return nil
	}
	return plain
}

// Pair is the private key that DeriveKeyPair makes of ikm.
func Pair(ikm []byte) []byte {
	key, err := hpke.DHKEM(ecdh.X25519()).DeriveKeyPair(ikm)
	if err != nil {
		panic(err) // 32 bytes are enough
	}
	b, err := key.Bytes()
	if err != nil {
		panic(err)
	}
	return b
}

// reader takes fields off the front.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return make([]byte, max(n, 0)&0xffff)
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) number(n int) (v uint64) {
	for _, b := range r.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *reader) counted(n int) []byte { return r.take(int(r.number(n))) }

// Keys are what the root protects.
type Keys struct {
	VaultID []byte
	Vault   []byte
	slots   map[[8]byte][]byte
}

// Slot is a slot key; nil where it is erased.
func (k *Keys) Slot(id [8]byte) []byte { return k.slots[id] }

// Blob gives the sealed root key of a root file, and the epoch it is sealed for.
func Blob(root []byte) (blob []byte, epoch uint64) {
	r := reader{b: root}
	r.take(6 + 2 + 16)
	epoch = r.number(8)
	r.take(8)
	for range 3 {
		r.counted(2)
	}
	return r.counted(2), epoch
}

// Root opens a root file with its root key, and the shards beside it in dir.
func Root(dir string, root, rootKey []byte) (*Keys, error) {
	r := reader{b: root}
	r.take(6 + 2)
	k := &Keys{VaultID: r.take(16), slots: make(map[[8]byte][]byte)}
	r.take(16)
	for range 4 {
		r.counted(2)
	}
	head := root[:len(root)-len(r.b)]
	nonce := r.take(24)
	contents := open(rootKey, append(bytes.Clone(nonce), r.counted(4)...), head)
	if r.bad || contents == nil {
		return nil, fmt.Errorf("the root does not open")
	}
	for c := (reader{b: contents}); len(c.b) > 0 && !c.bad; {
		switch tag, value := c.number(2), c.counted(4); tag {
		case 1:
			k.Vault = value
		case 4:
			if err := k.shard(dir, value); err != nil {
				return nil, err
			}
		}
	}
	return k, nil
}

// shard opens the shard that a line of the root describes.
func (k *Keys) shard(dir string, line []byte) error {
	d := reader{b: line}
	number := d.take(4)
	class := string(d.counted(1))
	year, month, part, n := d.number(2), d.number(1), d.number(2), d.number(4)
	slotCount := int(d.number(4))
	d.take(8)
	key := d.take(32)
	file, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s-%04d-%02d-%d.%d", class, year, month, part, n)))
	if err != nil {
		return fmt.Errorf("read a shard: %w", err)
	}
	at := len(file) - (slotCount*32 + 16)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return err
	}
	slots, err := aead.Open(nil, file[at-24:at], file[at:], file[:at])
	if err != nil {
		return fmt.Errorf("open a shard: %w", err)
	}
	for i := range slotCount {
		if slot := slots[i*32 : (i+1)*32]; !bytes.Equal(slot, make([]byte, 32)) {
			k.slots[[8]byte(binary.BigEndian.AppendUint32(bytes.Clone(number), uint32(i)))] = slot
		}
	}
	return nil
}

// Backup opens the key backup in dir with a recovery key; nil where there is none, or it is for another.
func Backup(dir string, private []byte) *Keys {
	file, err := os.ReadFile(filepath.Join(dir, "backup"))
	if err != nil {
		return nil
	}
	r := reader{b: file}
	r.take(6 + 2)
	vaultID := r.take(16)
	r.take(32)
	wrapped := r.counted(2)
	r.counted(2)
	root := r.counted(4)
	if r.bad {
		return nil
	}
	id := root[6+2+16:]
	rootKey := HPKE(private, Info("backup root", vaultID, id[:16]), wrapped)
	if rootKey == nil {
		return nil
	}
	k, err := Root(dir, root, rootKey)
	if err != nil {
		return nil
	}
	return k
}

// Recovery is the recovery key's private half (section 4): the code's 24 bytes, and the vault id.
func Recovery(code string, vaultID []byte) []byte {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	secret := make([]byte, 24)
	bit := 0
	for _, c := range strings.ReplaceAll(code, "-", "") {
		v := strings.IndexRune(alphabet, c)
		for i := 4; i >= 0 && bit < 190; i-- {
			secret[bit/8] |= byte(v>>i&1) << (7 - bit%8)
			bit++
		}
	}
	ikm, err := hkdf.Key(sha256.New, secret, vaultID, string(Info("recovery key")), 32)
	if err != nil {
		panic(err)
	}
	return Pair(ikm)
}
