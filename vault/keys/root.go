package keys

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm"
)

const (
	rootMagic   = "LKroot"
	rootVersion = 1
)

// Tags of the fields in a root. A tag that a program does not know it keeps and writes back as it was.
const (
	tagVaultKey  = 1 // 32 bytes
	tagNextShard = 2 // the number the next new shard gets: 4 bytes
	tagWritten   = 3 // when this root was made: Unix seconds, 8 bytes
	tagShard     = 4 // one per shard: description, key, hash
)

// field is a part of a root that this version does not understand.
type field struct {
	tag   uint16
	value []byte
}

// contents is what a root protects.
type contents struct {
	vault     Key
	nextShard uint32
	written   time.Time
	shards    []shardLine // by number
	others    []field
}

// rootID is what a root's name says.
type rootID struct{ epoch, seq uint64 }

func (r rootID) fileName() string { return fmt.Sprintf("root.%d.%d", r.epoch, r.seq) }

func (r rootID) less(o rootID) bool {
	return r.epoch < o.epoch || r.epoch == o.epoch && r.seq < o.seq
}

func parseRootName(name string) (rootID, bool) {
	rest, ok := strings.CutPrefix(name, "root.")
	epoch, seq, _ := strings.Cut(rest, ".")
	e, errE := strconv.ParseUint(epoch, 10, 64)
	s, errS := strconv.ParseUint(seq, 10, 64)
	id := rootID{epoch: e, seq: s}
	return id, ok && errE == nil && errS == nil && id.fileName() == name
}

// rootFile is a root as it lies on disk.
type rootFile struct {
	id      rootID
	vaultID [16]byte
	blob    tpm.Blob // the root key, sealed by the chip
	nonce   []byte
	header  []byte // all in front of the nonce: the associated data
	sealed  []byte
}

func rootHeader(vaultID [16]byte, id rootID, blob tpm.Blob) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddBytes([]byte(rootMagic))
	b.AddUint16(rootVersion)
	b.AddBytes(vaultID[:])
	b.AddUint64(id.epoch)
	b.AddUint64(id.seq)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(blob) })
	return b.Bytes()
}

// sealRoot makes the file of a root. The root key is used for this file only.
func sealRoot(vaultID [16]byte, id rootID, blob tpm.Blob, rootKey Key, nonce []byte, c *contents) ([]byte, error) {
	header, err := rootHeader(vaultID, id, blob)
	if err != nil {
		return nil, fmt.Errorf("build root: %w", err)
	}
	body, err := c.marshal()
	if err != nil {
		return nil, fmt.Errorf("build root: %w", err)
	}
	defer clear(body)
	aead, err := chacha20poly1305.NewX(rootKey.Bytes()[:])
	if err != nil {
		return nil, fmt.Errorf("build root: %w", err)
	}
	b := cryptobyte.NewBuilder(append([]byte(nil), header...))
	b.AddBytes(nonce)
	b.AddUint32LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(aead.Seal(nil, nonce, body, header)) })
	file, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("build root: %w", err)
	}
	sum := sha256.Sum256(file)
	return append(file, sum[:]...), nil
}

// parseRoot reads a root's outside. The checksum tells a damaged copy from one that another chip sealed,
// before the chip is asked; it proves nothing against somebody who writes on purpose.
func parseRoot(file []byte) (rootFile, error) {
	var r rootFile
	if len(file) < sha256.Size {
		return r, errors.New("not a root file")
	}
	body := file[:len(file)-sha256.Size]
	if sum := sha256.Sum256(body); string(sum[:]) != string(file[len(body):]) {
		return r, errors.New("checksum differs")
	}
	s := cryptobyte.String(body)
	var magic []byte
	var version uint16
	if !s.ReadBytes(&magic, len(rootMagic)) || string(magic) != rootMagic || !s.ReadUint16(&version) {
		return r, errors.New("not a root file")
	}
	if version != rootVersion {
		return r, fmt.Errorf("root of version %d, this program reads %d", version, rootVersion)
	}
	var blob, sealed cryptobyte.String
	ok := s.CopyBytes(r.vaultID[:]) && s.ReadUint64(&r.id.epoch) && s.ReadUint64(&r.id.seq) && s.ReadUint16LengthPrefixed(&blob)
	r.header = body[:len(body)-len(s)]
	ok = ok && s.ReadBytes(&r.nonce, chacha20poly1305.NonceSizeX) && readUint32LengthPrefixed(&s, &sealed) && s.Empty()
	if !ok {
		return r, errors.New("root file cut short")
	}
	r.blob, r.sealed = tpm.Blob(blob), sealed
	return r, nil
}

// open decrypts the root with the key the chip gave out.
func (r rootFile) open(rootKey Key) (*contents, error) {
	aead, err := chacha20poly1305.NewX(rootKey.Bytes()[:])
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	body, err := aead.Open(nil, r.nonce, r.sealed, r.header)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	defer clear(body)
	return parseContents(body)
}

func (c *contents) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	add := func(tag uint16, value func(*cryptobyte.Builder)) {
		b.AddUint16(tag)
		b.AddUint32LengthPrefixed(value)
	}
	add(tagVaultKey, func(b *cryptobyte.Builder) { b.AddBytes(c.vault.Bytes()[:]) })
	add(tagNextShard, func(b *cryptobyte.Builder) { b.AddUint32(c.nextShard) })
	add(tagWritten, func(b *cryptobyte.Builder) { b.AddUint64(uint64(c.written.Unix())) })
	for _, l := range c.shards {
		add(tagShard, func(b *cryptobyte.Builder) {
			l.addShardInfo(b)
			b.AddBytes(l.key.Bytes()[:])
			b.AddBytes(l.hash[:])
		})
	}
	for _, f := range c.others {
		add(f.tag, func(b *cryptobyte.Builder) { b.AddBytes(f.value) })
	}
	return b.Bytes()
}

func parseContents(body []byte) (*contents, error) {
	c := new(contents)
	s := cryptobyte.String(body)
	for !s.Empty() {
		var tag uint16
		var value cryptobyte.String
		if !s.ReadUint16(&tag) || !readUint32LengthPrefixed(&s, &value) {
			return nil, errors.New("root contents cut short")
		}
		if err := c.read(tag, value); err != nil {
			return nil, fmt.Errorf("root field %d: %w", tag, err)
		}
	}
	if c.vault.IsZero() || c.nextShard == 0 {
		return nil, errors.New("root without a vault key or the next shard's number")
	}
	return c, nil
}

func (c *contents) read(tag uint16, value cryptobyte.String) (err error) {
	switch tag {
	case tagVaultKey:
		c.vault, err = KeyFrom(value)
	case tagNextShard:
		if !value.ReadUint32(&c.nextShard) || !value.Empty() {
			return errors.New("not four bytes")
		}
	case tagWritten:
		var unix uint64
		if !value.ReadUint64(&unix) || !value.Empty() {
			return errors.New("not eight bytes")
		}
		c.written = time.Unix(int64(unix), 0).UTC()
	case tagShard:
		var l shardLine
		if err := l.readShardInfo(&value); err != nil {
			return err
		}
		var key []byte
		if !value.ReadBytes(&key, KeySize) || !value.CopyBytes(l.hash[:]) || !value.Empty() {
			return errors.New("key or hash of the wrong length")
		}
		l.key, err = KeyFrom(key)
		c.shards = append(c.shards, l)
	default:
		c.others = append(c.others, field{tag: tag, value: append([]byte(nil), value...)})
	}
	return err
}

// clone copies all but the keys themselves.
func (c *contents) clone() *contents {
	d := *c
	d.shards, d.others = slices.Clone(c.shards), slices.Clone(c.others)
	return &d
}

func (c *contents) shard(number uint32) (shardLine, bool) {
	for _, l := range c.shards {
		if l.Number == number {
			return l, true
		}
	}
	return shardLine{}, false
}

// readUint32LengthPrefixed is the one length prefix that cryptobyte builds and does not read.
func readUint32LengthPrefixed(s, out *cryptobyte.String) bool {
	var n uint32
	return s.ReadUint32(&n) && uint64(n) <= uint64(len(*s)) && s.ReadBytes((*[]byte)(out), int(n))
}
