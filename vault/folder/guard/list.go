package guard

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/folder/badgerfile"
	"linekeep/vault/keys"
)

const (
	listMagic   = "LKlist"
	listVersion = 1
	// maxList bounds what is read of a list file: 10,000 entries are far more than a month makes.
	maxList = 2 << 20
)

// item is one file as it was when the list was made. A log has its head and, once it is sealed, its size (its
// body is covered value by value); all others have size and hash.
type item struct {
	kind badgerfile.Kind
	name string
	size int64 // 0 for a log still being written
	hash [sha256.Size]byte
	head [badgerfile.LogHeader]byte
}

// list says what the fragile files of a folder looked like.
type list struct {
	seq     uint64 // of the two files the higher is the newer
	commits uint64 // the commit counter when the list was made: never less later
	items   []item
}

func (l list) find(name string) (item, bool) {
	i := slices.IndexFunc(l.items, func(it item) bool { return it.name == name })
	if i < 0 {
		return item{}, false
	}
	return l.items[i], true
}

var errList = errors.New("list altered")

// encode gives the bytes of FORMAT.md section 7, "list".
func (l list) encode(name string, key keys.Key) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddBytes([]byte(listMagic))
	b.AddUint16(listVersion)
	b.AddUint64(l.seq)
	b.AddUint64(l.commits)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
	b.AddUint32(uint32(len(l.items)))
	for _, it := range l.items {
		b.AddUint8(uint8(it.kind))
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(it.name)) })
		b.AddUint64(uint64(it.size))
		if it.kind.IsLog() {
			b.AddBytes(it.head[:])
		} else {
			b.AddBytes(it.hash[:])
		}
	}
	body, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding the list: %w", err)
	}
	return append(body, listMAC(body, key)...), nil
}

func listMAC(body []byte, key keys.Key) []byte {
	m := key.HMAC()
	m.Write(body)
	return m.Sum(nil)
}

// decodeList checks the MAC before it looks at anything else.
func decodeList(b []byte, name string, key keys.Key) (list, error) {
	if len(b) < sha256.Size {
		return list{}, fmt.Errorf("%w: %d bytes", errList, len(b))
	}
	body, mac := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if !hmac.Equal(mac, listMAC(body, key)) {
		return list{}, fmt.Errorf("%w: wrong MAC", errList)
	}
	s := cryptobyte.String(body)
	var l list
	var magic []byte
	var version uint16
	var of cryptobyte.String
	var n uint32
	if !s.ReadBytes(&magic, len(listMagic)) || string(magic) != listMagic || !s.ReadUint16(&version) || version != listVersion ||
		!s.ReadUint64(&l.seq) || !s.ReadUint64(&l.commits) || !s.ReadUint16LengthPrefixed(&of) || string(of) != name || !s.ReadUint32(&n) {
		return list{}, fmt.Errorf("%w: not version %d of folder %s", errList, listVersion, name)
	}
	for range n {
		it, ok := readItem(&s)
		if !ok {
			return list{}, fmt.Errorf("%w: ends within an entry", errList)
		}
		l.items = append(l.items, it)
	}
	if !s.Empty() {
		return list{}, fmt.Errorf("%w: %d bytes too many", errList, len(s))
	}
	return l, nil
}

func readItem(s *cryptobyte.String) (item, bool) {
	var it item
	var k uint8
	var name cryptobyte.String
	var size uint64
	if !s.ReadUint8(&k) || !s.ReadUint8LengthPrefixed(&name) || !s.ReadUint64(&size) {
		return it, false
	}
	it.kind, it.name, it.size = badgerfile.Kind(k), string(name), int64(size)
	if strings.ContainsRune(it.name, '/') || it.size < 0 {
		return it, false
	}
	if it.kind.IsLog() {
		return it, s.CopyBytes(it.head[:])
	}
	return it, s.CopyBytes(it.hash[:])
}
