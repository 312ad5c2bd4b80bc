package ledger

import (
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
)

// The layout is in vault/FORMAT.md, section "Register".
const (
	version = 1
	maxKind = 32
	maxKey  = 64
)

// transaction is what lies in the folder.
type transaction struct {
	seq     uint64
	at      time.Time
	before  [32]byte // hash of the transaction before
	changes []change
}

// change is a Change whose value is sealed; sealed nil deletes.
type change struct {
	kind   string
	key    []byte
	slot   keys.ID
	sealed []byte
}

func (t *transaction) bytes() ([]byte, error) {
	c := cryptobyte.NewBuilder(nil)
	c.AddUint8(version)
	c.AddUint64(t.seq)
	c.AddUint64(uint64(t.at.UnixNano()))
	c.AddBytes(t.before[:])
	c.AddUint16(uint16(len(t.changes)))
	for i := range t.changes {
		ch := &t.changes[i]
		c.AddUint8LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes([]byte(ch.kind)) })
		c.AddUint8LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes(ch.key) })
		c.AddBytes(ch.slot.Append(nil))
		c.AddUint24LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes(ch.sealed) })
	}
	b, err := c.Bytes()
	if err != nil || len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: a transaction of %d bytes, at most %d", ErrBad, len(b), MaxBytes)
	}
	return b, nil
}

// parse reads what bytes wrote, and nothing else. Errors: ErrAltered.
func parse(data []byte) (transaction, error) {
	var t transaction
	s := cryptobyte.String(data)
	var v uint8
	var at uint64
	var n uint16
	if len(data) > MaxBytes || !s.ReadUint8(&v) || v != version || !s.ReadUint64(&t.seq) || !s.ReadUint64(&at) || !s.CopyBytes(t.before[:]) ||
		!s.ReadUint16(&n) || n == 0 || n > MaxChanges {
		return t, fmt.Errorf("%w: not a transaction of a known version", ErrAltered)
	}
	t.at = time.Unix(0, int64(at)).UTC()
	for range n {
		var c change
		var kind, key, sealed cryptobyte.String
		ok := s.ReadUint8LengthPrefixed(&kind) && s.ReadUint8LengthPrefixed(&key) && s.ReadUint32(&c.slot.Shard) && s.ReadUint32(&c.slot.Slot) &&
			s.ReadUint24LengthPrefixed(&sealed)
		if !ok || len(kind) == 0 || len(kind) > maxKind || len(key) == 0 || len(key) > maxKey {
			return t, fmt.Errorf("%w: a transaction is cut short", ErrAltered)
		}
		c.kind, c.key = string(kind), key
		if len(sealed) > 0 {
			c.sealed = sealed
		}
		t.changes = append(t.changes, c)
	}
	if !s.Empty() {
		return t, fmt.Errorf("%w: bytes left over", ErrAltered)
	}
	return t, nil
}
