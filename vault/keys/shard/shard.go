package shard

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/secret"
)

const (
	// Slots is how many slot keys a new shard is filled with: 128 KiB. An erasure writes a shard anew, and the root, which has a line for
	// each shard, several times: with a million slots that is least with shards of this size. A busy office's month takes
	// four or five.
	Slots = 4096
	// MaxSlots is how many an older shard may have.
	MaxSlots = 16384

	magic   = "LKshrd"
	version = 1
	// newSuffix marks a file that no root in force names yet; it gets its name when the root that names it is in force.
	newSuffix = ".new"
)

// Line is what the root knows of a shard.
type Line struct {
	Info
	Rewrite uint32 // counts from 1; a rewriting is a new file under a new key
	Seq     uint64 // of the first root that names this file
	Key     secret.Key
	Hash    [sha256.Size]byte // of the whole file
}

// FileName is the shard's name in keys/.
func (l Line) FileName() string {
	return fmt.Sprintf("%s-%s-%d.%d", l.Class, l.Month, l.Part, l.Rewrite)
}

// NewName is the shard's name until its root is in force. The sequence in it keeps two attempts apart.
func (l Line) NewName() string { return fmt.Sprintf("%s.%d%s", l.FileName(), l.Seq, newSuffix) }

// FileSize is the length of the shard's file.
func (l Line) FileSize() int {
	return len(magic) + 2 + 16 + 4 + 1 + len(l.Class) + 2 + 1 + 2 + 4 + 4 + 8 +
		chacha20poly1305.NonceSizeX + int(l.Slots)*secret.Size + chacha20poly1305.Overhead
}

// IsName tells the names FileName makes from those of roots, custody files and unfinished shards.
func IsName(name string) bool {
	base, rewrite, ok := strings.Cut(name, ".")
	if !ok || strings.Count(base, "-") < 3 {
		return false
	}
	_, err := strconv.ParseUint(rewrite, 10, 32)
	return err == nil
}

// IsNew tells the names of unfinished shards.
func IsNew(name string) bool { return strings.HasSuffix(name, newSuffix) }

// AddInfo appends what file and root both say of a shard.
func (l Line) AddInfo(b *cryptobyte.Builder) {
	t, err := time.Parse(monthLayout, string(l.Month))
	if err != nil {
		b.SetError(fmt.Errorf("month of a shard: %w", err))
		return
	}
	b.AddUint32(l.Number)
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(l.Class)) })
	b.AddUint16(uint16(t.Year()))
	b.AddUint8(uint8(t.Month()))
	b.AddUint16(l.Part)
	b.AddUint32(l.Rewrite)
	b.AddUint32(l.Slots)
	b.AddUint64(l.Seq)
}

// ReadInfo reads what AddInfo wrote.
func (l *Line) ReadInfo(s *cryptobyte.String) error {
	var class cryptobyte.String
	var year uint16
	var month uint8
	ok := s.ReadUint32(&l.Number) && s.ReadUint8LengthPrefixed(&class) && s.ReadUint16(&year) && s.ReadUint8(&month) &&
		s.ReadUint16(&l.Part) && s.ReadUint32(&l.Rewrite) && s.ReadUint32(&l.Slots) && s.ReadUint64(&l.Seq)
	l.Class = string(class)
	l.Month = Month(fmt.Sprintf("%04d-%02d", year, month))
	if !ok || l.Number == 0 || ValidClass(l.Class) != nil || !l.Month.Valid() || l.Slots == 0 || l.Slots > MaxSlots {
		return errors.New("shard description is not one")
	}
	return nil
}

// header is everything in front of the sealed keys, and their associated data.
func header(vaultID [16]byte, l Line, nonce []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddBytes([]byte(magic))
	b.AddUint16(version)
	b.AddBytes(vaultID[:])
	l.AddInfo(&b)
	b.AddBytes(nonce)
	return b.Bytes()
}

// Seal makes the file of a shard under l.Key and fills in its hash.
func Seal(vaultID [16]byte, l *Line, slots Body) ([]byte, error) {
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	return seal(vaultID, l, nonce, slots)
}

func seal(vaultID [16]byte, l *Line, nonce []byte, slots Body) ([]byte, error) {
	front, err := header(vaultID, *l, nonce)
	if err != nil {
		return nil, fmt.Errorf("build shard: %w", err)
	}
	aead := l.Key.XAEAD()
	file := make([]byte, 0, len(front)+slots.held.Len()+aead.Overhead())
	file = append(file, front...)
	slots.held.Use(func(keys []byte) { file = aead.Seal(file, nonce, keys, front) })
	l.Hash = sha256.Sum256(file)
	return file, nil
}

// Check says whether file is the one the root means, bit for bit.
func (l Line) Check(file []byte) error {
	if sha256.Sum256(file) != l.Hash {
		return errors.New("not the file whose hash the root holds")
	}
	return nil
}

// Open gives the slot keys of a file that passed Check. The caller wipes them.
func (l Line) Open(vaultID [16]byte, file []byte) (Body, error) {
	front, err := header(vaultID, l, make([]byte, chacha20poly1305.NonceSizeX))
	if err != nil {
		return Body{}, fmt.Errorf("read shard: %w", err)
	}
	if len(file) < len(front) {
		return Body{}, errors.New("read shard: shorter than its header")
	}
	front = file[:len(front)]
	aead := l.Key.XAEAD()
	nonce := front[len(front)-chacha20poly1305.NonceSizeX:]
	slots := newBody(l.Slots)
	// Opened straight into locked memory, which takes exactly as much as there must be.
	slots.held.Use(func(keys []byte) {
		if sealed := file[len(front):]; len(sealed) != len(keys)+aead.Overhead() {
			err = fmt.Errorf("%d bytes of slots", len(sealed))
		} else {
			_, err = aead.Open(keys[:0], nonce, sealed, front)
		}
	})
	if err != nil {
		slots.Wipe()
		return Body{}, fmt.Errorf("open shard: %w", err)
	}
	return slots, nil
}

// ReadHeader reads what a shard file says of itself in clear. Nothing vouches for it without the root.
func ReadHeader(file []byte) (vaultID [16]byte, l Line, err error) {
	s := cryptobyte.String(file)
	var begin []byte
	var v uint16
	if !s.ReadBytes(&begin, len(magic)) || string(begin) != magic || !s.ReadUint16(&v) || !s.CopyBytes(vaultID[:]) {
		return vaultID, l, errors.New("not a shard file")
	}
	if v != version {
		return vaultID, l, fmt.Errorf("shard file of version %d, this program reads %d", v, version)
	}
	return vaultID, l, l.ReadInfo(&s)
}
