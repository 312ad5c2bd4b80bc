package block

import (
	"encoding/binary"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/line"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// Zone is what a query asks first: the smallest and largest of a block.
type Zone struct {
	Rows              int
	First, Last       time.Time // smallest and largest start
	Shortest, Longest line.Samples
	Directions        uint8 // one bit each
	Lines             []string
	ids               []idRange // by shard
}

// idRange is the smallest and largest slot that a block has of one shard.
type idRange struct{ shard, low, high uint32 }

// ZoneOf is the zone of rows.
func ZoneOf(rows []Row) Zone {
	z := Zone{Rows: len(rows), First: rows[0].Start, Last: rows[0].Start,
		Shortest: line.In(rows[0].Duration), Longest: line.In(rows[0].Duration)}
	for _, r := range rows {
		if r.Start.Before(z.First) {
			z.First = r.Start
		}
		if r.Start.After(z.Last) {
			z.Last = r.Start
		}
		z.Shortest, z.Longest = min(z.Shortest, line.In(r.Duration)), max(z.Longest, line.In(r.Duration))
		z.Directions |= 1 << r.Direction
		if !slices.Contains(z.Lines, r.Line) {
			z.Lines = append(z.Lines, r.Line)
		}
		z.addID(r.ID)
	}
	slices.Sort(z.Lines)
	return z
}

func (z *Zone) addID(id keys.ID) {
	i := slices.IndexFunc(z.ids, func(r idRange) bool { return r.shard == id.Shard })
	if i < 0 {
		z.ids = append(z.ids, idRange{id.Shard, id.Slot, id.Slot})
		return
	}
	z.ids[i].low, z.ids[i].high = min(z.ids[i].low, id.Slot), max(z.ids[i].high, id.Slot)
}

// MayHave says whether a row with the id may be in the block.
func (z Zone) MayHave(id keys.ID) bool {
	return slices.ContainsFunc(z.ids, func(r idRange) bool { return r.shard == id.Shard && r.low <= id.Slot && id.Slot <= r.high })
}

// Seal gives the bytes of FORMAT.md section 12, "zone", sealed under the block's slot.
func (z Zone) Seal(key keys.Key, id keys.ID) []byte {
	b := []byte{formatVersion}
	b = binary.BigEndian.AppendUint32(b, uint32(z.Rows))
	b = binary.BigEndian.AppendUint64(b, uint64(z.First.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(z.Last.UnixNano()))
	b = binary.BigEndian.AppendUint32(b, uint32(z.Shortest))
	b = binary.BigEndian.AppendUint32(b, uint32(z.Longest))
	b = append(b, z.Directions)
	b = binary.BigEndian.AppendUint16(b, uint16(len(z.Lines)))
	for _, l := range z.Lines {
		b = append(append(b, uint8(len(l))), l...) // validated to 255 bytes
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(z.ids)))
	for _, r := range z.ids {
		b = binary.BigEndian.AppendUint32(b, r.shard)
		b = binary.BigEndian.AppendUint32(b, r.low)
		b = binary.BigEndian.AppendUint32(b, r.high)
	}
	return seal.Box(key, b, []byte("catalog zone"), id.Append(nil))
}

// OpenZone gives back what Seal took.
func OpenZone(key keys.Key, id keys.ID, sealed []byte) (Zone, error) {
	plain, err := seal.OpenBox(key, sealed, []byte("catalog zone"), id.Append(nil))
	if err != nil {
		return Zone{}, err
	}
	s := cryptobyte.String(plain)
	var z Zone
	var version uint8
	var rows, shortest, longest uint32
	var first, last uint64
	var lines, ids uint16
	if !s.ReadUint8(&version) || version != formatVersion || !s.ReadUint32(&rows) || rows == 0 || rows > MaxRows || !s.ReadUint64(&first) ||
		!s.ReadUint64(&last) || !s.ReadUint32(&shortest) || !s.ReadUint32(&longest) || !s.ReadUint8(&z.Directions) || !s.ReadUint16(&lines) {
		return Zone{}, ErrFormat
	}
	z.Rows, z.First, z.Last = int(rows), time.Unix(0, int64(first)).UTC(), time.Unix(0, int64(last)).UTC()
	z.Shortest, z.Longest = line.Samples(shortest), line.Samples(longest)
	for range lines {
		var l cryptobyte.String
		if !s.ReadUint8LengthPrefixed(&l) {
			return Zone{}, ErrFormat
		}
		z.Lines = append(z.Lines, string(l))
	}
	if !s.ReadUint16(&ids) {
		return Zone{}, ErrFormat
	}
	for range ids {
		var r idRange
		if !s.ReadUint32(&r.shard) || !s.ReadUint32(&r.low) || !s.ReadUint32(&r.high) {
			return Zone{}, ErrFormat
		}
		z.ids = append(z.ids, r)
	}
	if !s.Empty() {
		return Zone{}, ErrFormat
	}
	return z, nil
}
