package erasure

import (
	"crypto/sha256"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
)

const (
	entryVersion1 = 1 // says nothing of the audit log
	entryVersion  = 2
)

// MaxIDs is the most recordings, and the most blocks, of one order: ten months of a busy office.
const MaxIDs = 1 << 18

// Bytes are those of FORMAT.md section "Erasures", "entry".
func (e Entry) Bytes() []byte {
	b := make([]byte, 0, 192+keys.IDSize*(len(e.Calls)+len(e.Blocks)))
	c := cryptobyte.NewBuilder(b)
	version := uint8(entryVersion)
	if e.Log == nil {
		version = entryVersion1
	}
	c.AddUint8(version)
	c.AddBytes(e.VaultID[:])
	c.AddUint64(e.Number)
	c.AddUint64(uint64(e.Ordered.UnixNano()))
	c.AddUint64(uint64(e.Erased.UnixNano()))
	c.AddUint64(e.Epoch)
	c.AddUint8(uint8(e.Why))
	c.AddBytes(e.Before[:])
	if e.Log != nil {
		c.AddUint64(e.Log.Size)
		c.AddBytes(e.Log.Root[:])
	}
	addIDs(c, e.Calls)
	addIDs(c, e.Blocks)
	return c.BytesOrPanic() // fixed lengths, and bounded counts: it cannot overflow
}

// Hash is what the next entry carries, and what the chip signs.
func (e Entry) Hash() [32]byte { return sha256.Sum256(e.Bytes()) }

// ParseEntry reads what Bytes wrote, and nothing else. Errors: ErrAltered.
func ParseEntry(data []byte) (Entry, error) {
	var e Entry
	s := cryptobyte.String(data)
	var version, why uint8
	var ordered, erased uint64
	ok := s.ReadUint8(&version) && (version == entryVersion1 || version == entryVersion) && s.CopyBytes(e.VaultID[:]) && s.ReadUint64(&e.Number) && s.ReadUint64(&ordered) &&
		s.ReadUint64(&erased) && s.ReadUint64(&e.Epoch) && s.ReadUint8(&why) && s.CopyBytes(e.Before[:])
	if !ok {
		return e, fmt.Errorf("%w: not an entry of a known version", ErrAltered)
	}
	e.Ordered, e.Erased, e.Why = moment(ordered), moment(erased), Why(why)
	if version == entryVersion {
		e.Log = new(Head)
		if !s.ReadUint64(&e.Log.Size) || !s.CopyBytes(e.Log.Root[:]) {
			return e, fmt.Errorf("%w: cut short", ErrAltered)
		}
	}
	var err error
	if e.Calls, err = readIDs(&s); err != nil {
		return e, err
	}
	if e.Blocks, err = readIDs(&s); err != nil {
		return e, err
	}
	if !s.Empty() || e.Number == 0 {
		return e, fmt.Errorf("%w: bytes left over, or no number", ErrAltered)
	}
	return e, nil
}

func moment(ns uint64) time.Time { return time.Unix(0, int64(ns)).UTC() }

func addIDs(c *cryptobyte.Builder, ids []keys.ID) {
	c.AddUint32(uint32(len(ids)))
	for _, id := range ids {
		c.AddBytes(id.Append(nil))
	}
}

func readIDs(s *cryptobyte.String) ([]keys.ID, error) {
	var n uint32
	if !s.ReadUint32(&n) || n > MaxIDs || uint64(n)*keys.IDSize > uint64(len(*s)) {
		return nil, fmt.Errorf("%w: a list of ids is cut short", ErrAltered)
	}
	if n == 0 {
		return nil, nil
	}
	ids := make([]keys.ID, n)
	for i := range ids {
		var b []byte
		s.ReadBytes(&b, keys.IDSize) // the length was looked at
		id, err := keys.IDFrom(b)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}
