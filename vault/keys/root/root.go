// Package root is the file that the chip opens and everything else hangs from, and its backup for a dead chip.
//
//	In:    contents, the epoch's root key, the chip's blob of it
//	Out:   a file, and contents again; a backup that the recovery key opens
//	Owner: plain values; no goroutine
//	Full:  some 110 bytes for each shard: 7 KiB for a million slots
package root

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm"
	"linekeep/vault/secret"
)

const (
	magic   = "LKroot"
	version = 1
)

// VaultIDSize is the length of a vault's id, in bytes.
const VaultIDSize = 16

// ID is what a root's name says.
type ID struct{ Epoch, Seq uint64 }

// FileName is the root's name in keys/.
func (r ID) FileName() string { return fmt.Sprintf("root.%d.%d", r.Epoch, r.Seq) }

// Compare orders roots by epoch, then by sequence.
func (r ID) Compare(o ID) int {
	return cmp.Or(cmp.Compare(r.Epoch, o.Epoch), cmp.Compare(r.Seq, o.Seq))
}

// ParseName reads what FileName writes, and no other spelling of it.
func ParseName(name string) (ID, bool) {
	rest, ok := strings.CutPrefix(name, "root.")
	epoch, seq, _ := strings.Cut(rest, ".")
	e, errE := strconv.ParseUint(epoch, 10, 64)
	s, errS := strconv.ParseUint(seq, 10, 64)
	id := ID{Epoch: e, Seq: s}
	return id, ok && errE == nil && errS == nil && id.FileName() == name
}

// Front is what a root says of itself in clear. It is associated data of its contents, so that contents
// cannot be opened under another front.
type Front struct {
	VaultID [VaultIDSize]byte
	ID      ID
	Chip    tpm.Identity // of the chip that opens it; with any other it is not tried
	Blob    tpm.Blob     // the root key, sealed by the chip
}

func (f Front) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddBytes([]byte(magic))
	b.AddUint16(version)
	b.AddBytes(f.VaultID[:])
	b.AddUint64(f.ID.Epoch)
	b.AddUint64(f.ID.Seq)
	for _, part := range [][]byte{f.Chip.Storage, f.Chip.Counter, f.Chip.Attest, f.Blob} {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(part) })
	}
	return b.Bytes()
}

// File is a root as it lies on disk.
type File struct {
	Front
	front  []byte // as it lies there
	nonce  []byte
	sealed []byte
}

// Seal makes the file of a root. The root key is used for the roots of one epoch only.
func Seal(f Front, key secret.Key, c *Contents) ([]byte, error) {
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	return seal(f, key, nonce, c)
}

func seal(f Front, key secret.Key, nonce []byte, c *Contents) ([]byte, error) {
	front, err := f.marshal()
	if err != nil {
		return nil, fmt.Errorf("build root: %w", err)
	}
	body, err := c.marshal()
	if err != nil {
		return nil, fmt.Errorf("build root: %w", err)
	}
	defer clear(body)
	aead := key.XAEAD()
	b := cryptobyte.NewBuilder(append([]byte(nil), front...))
	b.AddBytes(nonce)
	b.AddUint32LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(aead.Seal(nil, nonce, body, front)) })
	file, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("build root: %w", err)
	}
	sum := sha256.Sum256(file)
	return append(file, sum[:]...), nil
}

// checked gives what stands before the checksum at a file's end, and after magic and version. The checksum tells a
// damaged copy from one that another chip sealed, before the chip is asked; it proves nothing against somebody who
// writes on purpose.
func checked(file []byte, begin string, known uint16) (cryptobyte.String, error) {
	if len(file) < sha256.Size {
		return nil, errors.New("shorter than a checksum")
	}
	body := file[:len(file)-sha256.Size]
	if sum := sha256.Sum256(body); string(sum[:]) != string(file[len(body):]) {
		return nil, errors.New("checksum differs")
	}
	s := cryptobyte.String(body)
	var b []byte
	var v uint16
	if !s.ReadBytes(&b, len(begin)) || string(b) != begin || !s.ReadUint16(&v) {
		return nil, fmt.Errorf("does not begin with %s", begin)
	}
	if v != known {
		return nil, fmt.Errorf("%s of version %d, this program reads %d", begin, v, known)
	}
	return s, nil
}

// Parse reads a root's outside.
func Parse(file []byte) (File, error) {
	var r File
	s, err := checked(file, magic, version)
	if err != nil {
		return r, err
	}
	ok := s.CopyBytes(r.VaultID[:]) && s.ReadUint64(&r.ID.Epoch) && s.ReadUint64(&r.ID.Seq)
	for _, part := range []*[]byte{&r.Chip.Storage, &r.Chip.Counter, &r.Chip.Attest, (*[]byte)(&r.Blob)} {
		var value cryptobyte.String
		ok = ok && s.ReadUint16LengthPrefixed(&value)
		*part = value
	}
	r.front = file[:len(file)-sha256.Size-len(s)]
	var sealed cryptobyte.String
	ok = ok && s.ReadBytes(&r.nonce, chacha20poly1305.NonceSizeX) && readUint32LengthPrefixed(&s, &sealed) && s.Empty()
	if !ok {
		return r, errors.New("root file cut short")
	}
	r.sealed = sealed
	return r, nil
}

// Open decrypts the root with the key the chip gave out.
func (r File) Open(key secret.Key) (*Contents, error) {
	aead := key.XAEAD()
	body, err := aead.Open(nil, r.nonce, r.sealed, r.front)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	defer clear(body)
	return parseContents(body)
}

// SameChip says whether two identities are of one chip.
func SameChip(a, b tpm.Identity) bool {
	return bytes.Equal(a.Storage, b.Storage) && bytes.Equal(a.Counter, b.Counter) && bytes.Equal(a.Attest, b.Attest)
}
