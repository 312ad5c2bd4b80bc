// Package block has the catalogue's rows as they stand in its folder: loose, or in blocks of columns.
//
// Stage: line -> call -> encode -> seal -> store -> [search] -> release.
//
//	In:    rows, and the keys of the slots they belong under
//	Out:   sealed values, and the same rows again; what was altered is refused
//	Owner: plain values; no goroutine
//	Full:  a block takes MaxRows; a name 255 bytes
//
// FORMAT.md section 12 gives every byte.
package block

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// Row is what the catalogue knows of one recording.
type Row struct {
	ID        keys.ID
	Line      string        // the line's id in the configuration
	Class     string        // retention class
	Start     time.Time     // of the first sample
	Duration  time.Duration // kept in whole samples of 125 µs
	Direction line.Direction
	Number    line.Number // the other end's
	Extension line.Number // the office end's
	Answered  bool
	Silent    bool
	Trigger   segment.Trigger
	Reason    segment.Reason
	Gaps      int           // places where sound is missing
	GapTotal  time.Duration // how much; kept in whole samples
	Bytes     int64         // of ciphertext
	Parties   []segment.Party
	Continues keys.ID // the recording this one goes on from; zero if none
	Recovered bool    // closed by recovery after a power cut or crash

	// Plain is Number in the one form that all its written forms have (package number); the catalogue fills it in when it is
	// empty, by the rules in force on that day: what 960018 meant is not changed by a setting of later.
	Plain line.Number
	Name  string   // who the caller is, as the network or a person named them
	Tags  []string // what people put to it; each once, in order
	Cases []string // the cases it belongs to, as the register names them
}

// Cursor is a place in the order of the catalogue: newest first, and of the same time the higher id first.
type Cursor struct {
	Start time.Time
	ID    keys.ID
}

// Cursor is the place of the row.
func (r Row) Cursor() Cursor { return Cursor{r.Start, r.ID} }

// Compare is negative when a comes before b: newer first.
func Compare(a, b Row) int { return CompareCursors(a.Cursor(), b.Cursor()) }

// CompareCursors does the same for places.
func CompareCursors(a, b Cursor) int {
	return cmp.Or(b.Start.Compare(a.Start), CompareIDs(b.ID, a.ID))
}

// CompareIDs orders ids by shard and slot.
func CompareIDs(a, b keys.ID) int {
	return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Slot, b.Slot))
}

// MaxRows is the most rows of one block: its making deletes as many loose rows in the same transaction.
const MaxRows = 4096

// Prefixes of keys in the folder.
const (
	PrefixRow   = 'r' // + id: a loose row
	PrefixZone  = 'b' // + block id: a block's zone
	PrefixGroup = 'c' // + block id + group + page: columns of a block
	idSize      = 8
)

// formatVersion is the first byte of every plaintext of the catalogue. Loose rows of version 1 are read for ever, and
// blocks of version 1 once: they are written anew.
const (
	formatVersion = 2
	version1      = 1
)

// Flags of a row's details.
const (
	flagAnswered  = 1 << 0
	flagSilent    = 1 << 1
	flagRecovered = 1 << 2
	flagPlain     = 1 << 3 // version 2: the plain form is written, because it is not the number itself
)

// MaxTags is the most tags, and the most cases, of one row.
const MaxTags = 64

// maxDuration is what 32 bits of samples hold: six days. A recording has four hours at most.
const maxDuration = math.MaxUint32 * time.Second / line.RateHz

// ErrFormat reports bytes under the right key that are no format of ours.
var ErrFormat = errors.New("not in a format of ours")

// RowKey is where a loose row stands.
func RowKey(id keys.ID) []byte { return id.Append([]byte{PrefixRow}) }

// ZoneKey is where a block's zone stands.
func ZoneKey(id keys.ID) []byte { return id.Append([]byte{PrefixZone}) }

// GroupKey is where a page of a block's group stands.
func GroupKey(id keys.ID, g Group, page int) []byte {
	return append(id.Append([]byte{PrefixGroup}), byte(g), byte(page))
}

// Validate bounds what is taken in, so that every row taken can be written down.
func (r Row) Validate() error {
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
	if len(r.Plain) > 255 || len(r.Name) > 255 || len(r.Tags) > MaxTags || len(r.Cases) > MaxTags {
		return fmt.Errorf("row %s: a name of more than 255 bytes, or more than %d tags or cases", r.ID, MaxTags)
	}
	for _, t := range slices.Concat(r.Tags, r.Cases) {
		if t == "" || len(t) > 255 {
			return fmt.Errorf("row %s: a tag or case of %d bytes, must be 1 to 255", r.ID, len(t))
		}
	}
	for _, p := range r.Parties {
		if p > 7 {
			return fmt.Errorf("row %s: party %d", r.ID, p)
		}
	}
	return nil
}

// Normal is r as it will be read back: times in UTC without a monotonic reading, durations in whole samples,
// parties in the order of their numbers, tags and cases once each.
func (r Row) Normal() Row {
	r.Start = time.Unix(0, r.Start.UnixNano()).UTC()
	r.Duration = line.In(r.Duration).Duration()
	r.GapTotal = line.In(r.GapTotal).Duration()
	r.Parties = partiesOf(partyBits(r.Parties))
	r.Tags, r.Cases = set(r.Tags), set(r.Cases)
	return r
}

// set is each text once, in order; nil for none.
func set(texts []string) []string {
	if len(texts) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(texts)))
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

// SealRow seals a row under its own recording's slot.
func SealRow(key keys.Key, r Row) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(formatVersion)
	r.add(&b)
	plain, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding row %s: %w", r.ID, err)
	}
	return seal.Box(key, plain, []byte("catalog row"), r.ID.Append(nil)), nil
}

// OpenRow gives back what SealRow took, now or in version 1.
func OpenRow(key keys.Key, id keys.ID, sealed []byte) (Row, error) {
	plain, err := seal.OpenBox(key, sealed, []byte("catalog row"), id.Append(nil))
	if err != nil {
		return Row{}, err
	}
	r := Row{ID: id}
	s := cryptobyte.String(plain)
	var version uint8
	if !s.ReadUint8(&version) || version != formatVersion && version != version1 || !r.read(&s, version) || !s.Empty() {
		return Row{}, ErrFormat
	}
	return r, nil
}

// add writes all of a row but its id.
func (r Row) add(b *cryptobyte.Builder) {
	b.AddUint64(uint64(r.Start.UnixNano()))
	addText(b, r.Line)
	addText(b, r.Class)
	b.AddUint32(uint32(line.In(r.Duration)))
	b.AddUint8(uint8(r.Direction))
	r.addDetails(b)
	if r.Plain != r.Number {
		addText(b, r.Plain.Reveal())
	}
	addText(b, r.Name)
	for _, list := range [][]string{r.Tags, r.Cases} {
		b.AddUint8(uint8(len(list)))
		for _, text := range list {
			addText(b, text)
		}
	}
}

func addText(b *cryptobyte.Builder, text string) {
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
}

// read undoes add.
func (r *Row) read(s *cryptobyte.String, version uint8) bool {
	var direction uint8
	var start uint64
	var length uint32
	if !s.ReadUint64(&start) || !readText(s, &r.Line) || !readText(s, &r.Class) || !s.ReadUint32(&length) || !s.ReadUint8(&direction) {
		return false
	}
	r.Start, r.Duration, r.Direction = time.Unix(0, int64(start)).UTC(), line.Samples(length).Duration(), line.Direction(direction)
	flags, ok := r.readDetails(s)
	if !ok || version == version1 {
		return ok
	}
	r.Plain = r.Number
	if flags&flagPlain != 0 {
		var plain string
		if !readText(s, &plain) {
			return false
		}
		r.Plain = line.Number(plain)
	}
	return readText(s, &r.Name) && readTexts(s, &r.Tags) && readTexts(s, &r.Cases)
}

func readText(s *cryptobyte.String, into *string) bool {
	var text cryptobyte.String
	ok := s.ReadUint8LengthPrefixed(&text)
	*into = string(text)
	return ok
}

func readTexts(s *cryptobyte.String, into *[]string) bool {
	var n uint8
	if !s.ReadUint8(&n) || n > MaxTags {
		return false
	}
	for range n {
		var text string
		if !readText(s, &text) {
			return false
		}
		*into = append(*into, text)
	}
	return true
}

// addDetails writes what is of fixed width, and the numbers.
func (r Row) addDetails(b *cryptobyte.Builder) {
	var flags uint8
	for bit, set := range map[uint8]bool{flagAnswered: r.Answered, flagSilent: r.Silent, flagRecovered: r.Recovered, flagPlain: r.Plain != r.Number} {
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

func (r *Row) readDetails(s *cryptobyte.String) (flags uint8, ok bool) {
	var trigger, reason, parties uint8
	var gaps, gapTotal uint32
	var size uint64
	var continues []byte
	var number, extension cryptobyte.String
	if !s.ReadUint8(&flags) || !s.ReadUint8(&trigger) || !s.ReadUint8(&reason) || !s.ReadUint8(&parties) ||
		!s.ReadUint32(&gaps) || !s.ReadUint32(&gapTotal) || !s.ReadUint64(&size) || !s.ReadBytes(&continues, idSize) ||
		!s.ReadUint8LengthPrefixed(&number) || !s.ReadUint8LengthPrefixed(&extension) {
		return 0, false
	}
	var err error
	if r.Continues, err = keys.IDFrom(continues); err != nil {
		return 0, false
	}
	r.Answered, r.Silent, r.Recovered = flags&flagAnswered != 0, flags&flagSilent != 0, flags&flagRecovered != 0
	r.Trigger, r.Reason, r.Parties = segment.Trigger(trigger), segment.Reason(reason), partiesOf(parties)
	r.Gaps, r.GapTotal, r.Bytes = int(gaps), line.Samples(gapTotal).Duration(), int64(size)
	r.Number, r.Extension = line.Number(number), line.Number(extension)
	return flags, true
}
