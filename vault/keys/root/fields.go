package root

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/envelope"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
)

// Tags of the fields in a root. A tag that a program does not know it keeps and writes back as it was.
const (
	tagVaultKey      = 1  // 32 bytes
	tagNextShard     = 2  // the number the next new shard gets: 4 bytes
	tagWritten       = 3  // when this root was made: Unix seconds, 8 bytes
	tagShard         = 4  // one per shard: description, key, hash
	tagOwner         = 5  // the owner's authorisation: 32 bytes
	tagCommissioning = 6  // private half of the commissioning custody key: 32 bytes, until hand-over
	tagRecovery      = 7  // recovery public key: 32 bytes
	tagSpare         = 8  // private half of the spare pair: 32 bytes
	tagDoomed        = 9  // ids that the next commit erases: 8 bytes each, in order
	tagSpent         = 10 // the highest epoch that a root may have been sealed for: 8 bytes
	tagWear          = 11 // when the counter last moved, how often on that day, how often at all: 8, 4, 8 bytes
	tagStaged        = 16 // private half of the next spare pair: 32 bytes
	tagCheckpoint    = 12 // the newest checkpoint of the audit log, as text
	tagOffice        = 13 // the office shard in use and its first slot not reserved: 4, 4 bytes
	tagLockout       = 14 // the lockout's authorisation, wrapped: a Lockout
	tagFresh         = 15 // shards below this number are handed out of no more: 4 bytes
)

// maxCheckpoint is more than a checkpoint has, in bytes.
const maxCheckpoint = 4 << 10

// field is a part of a root that this version does not understand.
type field struct {
	tag   uint16
	value []byte
}

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// add appends a field.
func add(b []byte, tag uint16, parts ...[]byte) []byte {
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	b = binary.BigEndian.AppendUint16(b, tag)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	for _, part := range parts {
		b = append(b, part...)
	}
	return b
}

func addKey(b []byte, tag uint16, key secret.Key) []byte {
	if key.IsZero() {
		return b
	}
	key.Use(func(key []byte) { b = add(b, tag, key) })
	return b
}

// size is more than marshal needs, so that keys are never left behind in a buffer that was too small.
func (c *Contents) size() int {
	n := 1024 + len(c.Shards)*256 + len(c.Doomed)*shard.IDSize + len(c.Checkpoint)
	for _, f := range c.others {
		n += 6 + len(f.value)
	}
	return n
}

// marshal gives the contents in clear. The caller wipes them.
func (c *Contents) marshal() ([]byte, error) {
	b := make([]byte, 0, c.size())
	b = addKey(b, tagVaultKey, c.Vault)
	b = add(b, tagNextShard, u32(c.NextShard))
	b = add(b, tagWritten, u64(uint64(c.Written.Unix())))
	for _, l := range c.Shards {
		var info cryptobyte.Builder
		l.AddInfo(&info)
		line, err := info.Bytes()
		if err != nil {
			return nil, err
		}
		l.Key.Use(func(key []byte) { b = add(b, tagShard, line, key, l.Hash[:]) })
	}
	b = addKey(b, tagOwner, c.Owner)
	b = addKey(b, tagCommissioning, c.Commissioning)
	if c.Recovery != nil {
		public := c.Recovery.Bytes()
		b = add(b, tagRecovery, public[:])
	}
	b = addKey(b, tagSpare, c.Spare)
	if len(c.Doomed) > 0 {
		ids := make([][]byte, len(c.Doomed))
		for i, id := range c.Doomed {
			ids[i] = id.Append(nil)
		}
		b = add(b, tagDoomed, ids...)
	}
	b = add(b, tagSpent, u64(c.Spent))
	if c.Wear.Total > 0 {
		b = add(b, tagWear, u64(uint64(c.Wear.Last.Unix())), u32(c.Wear.Today), u64(c.Wear.Total))
	}
	if c.Office.Shard > 0 {
		b = add(b, tagOffice, u32(c.Office.Shard), u32(c.Office.Next))
	}
	if c.Lockout != nil {
		b = add(b, tagLockout, c.Lockout.To[:], c.Lockout.Wrapped[:])
	}
	if c.Fresh > 0 {
		b = add(b, tagFresh, u32(c.Fresh))
	}
	b = addKey(b, tagStaged, c.Staged)
	if len(c.Checkpoint) > 0 {
		b = add(b, tagCheckpoint, c.Checkpoint)
	}
	for _, f := range c.others {
		b = add(b, f.tag, f.value)
	}
	return b, nil
}

var errLength = errors.New("of the wrong length")

func parseContents(body []byte) (*Contents, error) {
	c := new(Contents)
	s := cryptobyte.String(body)
	seen := make(map[uint16]bool)
	for !s.Empty() {
		var tag uint16
		var value cryptobyte.String
		if !s.ReadUint16(&tag) || !readUint32LengthPrefixed(&s, &value) {
			return nil, errors.New("root contents cut short")
		}
		if seen[tag] && tag != tagShard && tag <= tagStaged {
			return nil, fmt.Errorf("root field %d stands twice", tag)
		}
		seen[tag] = true
		if err := c.read(tag, value); err != nil {
			return nil, fmt.Errorf("root field %d: %w", tag, err)
		}
	}
	if c.Vault.IsZero() || c.Owner.IsZero() || c.Spare.IsZero() || c.NextShard == 0 {
		return nil, errors.New("root without a vault key, the owner's authorisation, a spare key or the next shard's number")
	}
	for i := range len(c.Shards) - 1 {
		if c.Shards[i].Number >= c.Shards[i+1].Number {
			return nil, errors.New("root with shards out of order")
		}
	}
	return c, nil
}

func (c *Contents) read(tag uint16, value cryptobyte.String) (err error) {
	switch tag {
	case tagVaultKey:
		c.Vault, err = secret.From(value)
	case tagOwner:
		c.Owner, err = secret.From(value)
	case tagStaged:
		c.Staged, err = secret.From(value)
	case tagCommissioning:
		c.Commissioning, err = secret.From(value)
	case tagSpare:
		c.Spare, err = secret.From(value)
	case tagRecovery:
		var public envelope.Public
		public, err = envelope.PublicFrom(value)
		c.Recovery = &public
	case tagNextShard:
		err = numbers(value, &c.NextShard)
	case tagFresh:
		err = numbers(value, &c.Fresh)
	case tagSpent:
		err = numbers(value, &c.Spent)
	case tagOffice:
		err = numbers(value, &c.Office.Shard, &c.Office.Next)
	case tagCheckpoint:
		if len(value) == 0 || len(value) > maxCheckpoint {
			return errLength
		}
		c.Checkpoint = slices.Clone(value)
	case tagWritten, tagWear:
		return c.readTimes(tag, value)
	case tagLockout:
		return c.readLockout(value)
	case tagShard:
		return c.readShard(value)
	case tagDoomed:
		return c.readDoomed(value)
	default:
		c.others = append(c.others, field{tag: tag, value: slices.Clone(value)})
	}
	return err
}

// numbers reads big-endian numbers, of four or eight bytes, that fill value.
func numbers(value cryptobyte.String, into ...any) error {
	for _, to := range into {
		ok := false
		switch to := to.(type) {
		case *uint32:
			ok = value.ReadUint32(to)
		case *uint64:
			ok = value.ReadUint64(to)
		}
		if !ok {
			return errLength
		}
	}
	if !value.Empty() {
		return errLength
	}
	return nil
}

func moment(unix uint64) time.Time { return time.Unix(int64(unix), 0).UTC() }

func (c *Contents) readTimes(tag uint16, value cryptobyte.String) (err error) {
	var unix uint64
	if tag == tagWritten {
		err = numbers(value, &unix)
		c.Written = moment(unix)
		return err
	}
	err = numbers(value, &unix, &c.Wear.Today, &c.Wear.Total)
	c.Wear.Last = moment(unix)
	if err == nil && c.Wear.Total == 0 {
		return errors.New("wear without a move")
	}
	return err
}

func (c *Contents) readLockout(value cryptobyte.String) error {
	c.Lockout = new(Lockout)
	if !value.CopyBytes(c.Lockout.To[:]) || !value.CopyBytes(c.Lockout.Wrapped[:]) || !value.Empty() {
		return errLength
	}
	return nil
}

func (c *Contents) readShard(value cryptobyte.String) error {
	var l shard.Line
	if err := l.ReadInfo(&value); err != nil {
		return err
	}
	var key []byte
	if !value.ReadBytes(&key, secret.Size) || !value.CopyBytes(l.Hash[:]) || !value.Empty() {
		return errors.New("key or hash of the wrong length")
	}
	var err error
	l.Key, err = secret.From(key)
	c.Shards = append(c.Shards, l)
	return err
}

func (c *Contents) readDoomed(value cryptobyte.String) error {
	if len(value)%shard.IDSize != 0 || len(value) == 0 {
		return errLength
	}
	for !value.Empty() {
		var id []byte
		value.ReadBytes(&id, shard.IDSize) // the length was looked at
		next, err := shard.IDFrom(id)
		if err != nil {
			return err
		}
		if n := len(c.Doomed); next.Shard == 0 || n > 0 && compareIDs(c.Doomed[n-1], next) >= 0 {
			return errors.New("ids out of order")
		}
		c.Doomed = append(c.Doomed, next)
	}
	return nil
}

// readUint32LengthPrefixed is the one length prefix that cryptobyte builds and does not read.
func readUint32LengthPrefixed(s, out *cryptobyte.String) bool {
	var n uint32
	return s.ReadUint32(&n) && uint64(n) <= uint64(len(*s)) && s.ReadBytes((*[]byte)(out), int(n))
}
