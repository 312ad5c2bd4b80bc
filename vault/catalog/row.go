package catalog

import (
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// Prefixes of keys in the folder.
const (
	prefixRow   = 'r' // + id: a loose row
	prefixZone  = 'b' // + block id: a block's zone
	prefixGroup = 'c' // + block id + group + page: columns of a block
	idSize      = 8
)

// formatVersion is the first byte of every plaintext of the catalogue.
const formatVersion = 1

// Flags of a row's details.
const (
	flagAnswered  = 1 << 0
	flagSilent    = 1 << 1
	flagRecovered = 1 << 2
)

// maxDuration is what 32 bits of samples hold: six days. A recording has four hours at most.
const maxDuration = math.MaxUint32 * time.Second / line.RateHz

var errFormat = errors.New("not in the format of version 1")

func rowKey(id keys.ID) []byte  { return id.Append([]byte{prefixRow}) }
func zoneKey(id keys.ID) []byte { return id.Append([]byte{prefixZone}) }
func groupKey(id keys.ID, g group, page int) []byte {
	return append(id.Append([]byte{prefixGroup}), byte(g), byte(page))
}

// validate bounds what is taken in, so that every row taken can be written down.
func (r Row) validate() error {
	switch {
	case r.ID == keys.ID{}:
		return errors.New("row without an id")
	case len(r.Line) > 255 || len(r.Class) > 255 || len(r.Number) > 255 || len(r.Extension) > 255:
		return fmt.Errorf("row %s: a name of more than 255 bytes", r.ID)
	case r.Duration < 0 || r.Duration > maxDuration || r.GapTotal < 0 || r.GapTotal > maxDuration:
		return fmt.Errorf("row %s: a duration out of range", r.ID)
	case r.Direction > 7:
		return fmt.Errorf("row %s: direction %d", r.ID, r.Direction)
	case r.Bytes < 0 || r.Gaps < 0 || r.Gaps > math.MaxUint32:
		return fmt.Errorf("row %s: a count out of range", r.ID)
	case r.Start.Year() < 1970 || r.Start.Year() > 2200:
		return fmt.Errorf("row %s: a start out of range", r.ID)
	}
	for _, p := range r.Parties {
		if p > 7 {
			return fmt.Errorf("row %s: party %d", r.ID, p)
		}
	}
	return nil
}

// normal is r as it will be read back: times in UTC without a monotonic reading, durations in whole samples,
// parties in the order of their numbers.
func (r Row) normal() Row {
	r.Start = time.Unix(0, r.Start.UnixNano()).UTC()
	r.Duration = line.In(r.Duration).Duration()
	r.GapTotal = line.In(r.GapTotal).Duration()
	r.Parties = partiesOf(partyBits(r.Parties))
	return r
}

func partyBits(ps []segment.Party) (bits uint8) {
	for _, p := range ps {
		bits |= 1 << p
	}
	return bits
}

func partiesOf(bits uint8) (ps []segment.Party) {
	for p := range segment.Party(8) {
		if bits&(1<<p) != 0 {
			ps = append(ps, p)
		}
	}
	return ps
}

// sealLoose seals a row under its own recording's slot.
func sealLoose(key keys.Key, r Row) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(formatVersion)
	b.AddUint64(uint64(r.Start.UnixNano()))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(r.Line)) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(r.Class)) })
	b.AddUint32(uint32(line.In(r.Duration)))
	b.AddUint8(uint8(r.Direction))
	r.addDetails(&b)
	plain, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding row %s: %w", r.ID, err)
	}
	return seal.Box(key, plain, []byte("catalog row"), r.ID.Append(nil)), nil
}

func openLoose(key keys.Key, id keys.ID, sealed []byte) (Row, error) {
	plain, err := seal.OpenBox(key, sealed, []byte("catalog row"), id.Append(nil))
	if err != nil {
		return Row{}, err
	}
	s := cryptobyte.String(plain)
	r := Row{ID: id}
	var version, direction uint8
	var start uint64
	var name, class cryptobyte.String
	var length uint32
	if !s.ReadUint8(&version) || version != formatVersion || !s.ReadUint64(&start) || !s.ReadUint8LengthPrefixed(&name) ||
		!s.ReadUint8LengthPrefixed(&class) || !s.ReadUint32(&length) || !s.ReadUint8(&direction) || !r.readDetails(&s) || !s.Empty() {
		return Row{}, errFormat
	}
	r.Start, r.Line, r.Class = time.Unix(0, int64(start)).UTC(), string(name), string(class)
	r.Duration, r.Direction = line.Samples(length).Duration(), line.Direction(direction)
	return r, nil
}

// addDetails writes what no query of version 1 asks about.
func (r Row) addDetails(b *cryptobyte.Builder) {
	var flags uint8
	for bit, set := range map[uint8]bool{flagAnswered: r.Answered, flagSilent: r.Silent, flagRecovered: r.Recovered} {
		if set {
			flags |= bit
		}
	}
	b.AddUint8(flags)
	b.AddUint8(uint8(r.Trigger))
	b.AddUint8(uint8(r.Reason))
	b.AddUint8(partyBits(r.Parties))
	b.AddUint32(uint32(r.Gaps))
	b.AddUint32(uint32(line.In(r.GapTotal)))
	b.AddUint64(uint64(r.Bytes))
	b.AddBytes(r.Continues.Append(nil))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(r.Number.Reveal())) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(r.Extension.Reveal())) })
}

func (r *Row) readDetails(s *cryptobyte.String) bool {
	var flags, trigger, reason, parties uint8
	var gaps, gapTotal uint32
	var size uint64
	var continues []byte
	var number, extension cryptobyte.String
	if !s.ReadUint8(&flags) || !s.ReadUint8(&trigger) || !s.ReadUint8(&reason) || !s.ReadUint8(&parties) ||
		!s.ReadUint32(&gaps) || !s.ReadUint32(&gapTotal) || !s.ReadUint64(&size) || !s.ReadBytes(&continues, idSize) ||
		!s.ReadUint8LengthPrefixed(&number) || !s.ReadUint8LengthPrefixed(&extension) {
		return false
	}
	var err error
	if r.Continues, err = keys.IDFrom(continues); err != nil {
		return false
	}
	r.Answered, r.Silent, r.Recovered = flags&flagAnswered != 0, flags&flagSilent != 0, flags&flagRecovered != 0
	r.Trigger, r.Reason, r.Parties = segment.Trigger(trigger), segment.Reason(reason), partiesOf(parties)
	r.Gaps, r.GapTotal, r.Bytes = int(gaps), line.Samples(gapTotal).Duration(), int64(size)
	r.Number, r.Extension = line.Number(number), line.Number(extension)
	return true
}
