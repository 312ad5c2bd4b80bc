package block

import (
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/line"
	"linekeep/vault/catalog/number"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// Zone is what a query asks first: the smallest and largest of a block, and what there is in it at all.
type Zone struct {
	Rows              int
	First, Last       time.Time // smallest and largest start
	Shortest, Longest line.Samples
	Directions        uint8 // one bit each
	some, all         uint8 // flags that some rows have, that all have
	groups            uint16
	Lines, Classes    Few
	extensions        Few
	tags, cases       Few
	numbers           number.Filter
	ids               []idRange // by shard
}

// Few are the different texts of a block, in order, when there are no more than maxFew.
type Few struct {
	Many bool
	List []string
}

// maxFew is how many different texts a zone names.
const maxFew = 64

func few(texts []string) Few {
	if len(texts) > maxFew {
		return Few{Many: true}
	}
	return Few{List: texts}
}

// May says whether a text that matches may be there.
func (f Few) May(match func(string) bool) bool { return f.Many || slices.ContainsFunc(f.List, match) }

// All says that every text there is matches.
func (f Few) All(match func(string) bool) bool {
	return !f.Many && !slices.ContainsFunc(f.List, func(t string) bool { return !match(t) })
}

// idRange is the smallest and largest slot that a block has of one shard.
type idRange struct{ shard, low, high uint32 }

// ZoneOf is the zone of rows.
func ZoneOf(rows []Row) Zone {
	z := Zone{Rows: len(rows), First: rows[0].Start, Last: rows[0].Start, all: ^uint8(DirectionBits),
		Shortest: line.In(rows[0].Duration), Longest: line.In(rows[0].Duration)}
	for i := range rows {
		r := &rows[i]
		if r.Start.Before(z.First) {
			z.First = r.Start
		}
		if r.Start.After(z.Last) {
			z.Last = r.Start
		}
		z.Shortest, z.Longest = min(z.Shortest, line.In(r.Duration)), max(z.Longest, line.In(r.Duration))
		z.Directions |= 1 << r.Direction
		z.some, z.all = z.some|r.Flags()&^DirectionBits, z.all&r.Flags()
		z.addID(r.ID)
	}
	z.Lines = distinct(rows, func(r *Row) []string { return []string{r.Line} })
	z.Classes = distinct(rows, func(r *Row) []string { return []string{r.Class} })
	z.extensions = distinct(rows, func(r *Row) []string { return []string{r.Extension.Reveal()} })
	z.tags = distinct(rows, func(r *Row) []string {
		folded := make([]string, len(r.Tags))
		for i, t := range r.Tags {
			folded[i] = fold(t)
		}
		return folded
	})
	z.cases = distinct(rows, func(r *Row) []string { return r.Cases })
	z.numbers = number.NewFilter(DistinctNumbers(rows))
	for _, g := range Groups() {
		if !g.Empty(rows) {
			z.groups |= 1 << g
		}
	}
	return z
}

func distinct(rows []Row, of func(*Row) []string) Few {
	seen := map[string]bool{}
	var texts []string
	for i := range rows {
		for _, t := range of(&rows[i]) {
			if !seen[t] {
				seen[t] = true
				texts = append(texts, t)
			}
		}
		if len(texts) > maxFew {
			break
		}
	}
	slices.Sort(texts)
	return few(texts)
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
func (z *Zone) MayHave(id keys.ID) bool {
	return slices.ContainsFunc(z.ids, func(r idRange) bool { return r.shard == id.Shard && r.low <= id.Slot && id.Slot <= r.high })
}

// Has says whether the block has the group at all.
func (z *Zone) Has(g Group) bool { return z.groups&(1<<g) != 0 }

// MayHaveFlags says whether a row may have these flags under mask; direction apart.
func (z *Zone) MayHaveFlags(mask, want uint8) bool {
	mask &^= DirectionBits
	want &= mask
	return want&^z.some == 0 && mask&^want&z.all == 0
}

// MayHaveNumber says whether a number that matches may be in the block.
func (z *Zone) MayHaveNumber(m number.Matcher) bool { return z.numbers.May(m) }

// MayHaveExtension says whether one that matches may be in the block; MayHaveTag and MayHaveCase say so of theirs.
func (z *Zone) MayHaveExtension(match func(string) bool) bool { return z.extensions.May(match) }

// MayHaveTag is said of folded tags.
func (z *Zone) MayHaveTag(match func(string) bool) bool { return z.tags.May(match) }

// MayHaveCase is said of cases.
func (z *Zone) MayHaveCase(match func(string) bool) bool { return z.cases.May(match) }

// Seal gives the bytes of FORMAT.md section 12, "zone", sealed under the block's slot.
func (z *Zone) Seal(key keys.Key, id keys.ID) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(formatVersion)
	b.AddUint16(uint16(z.Rows))
	b.AddUint64(uint64(z.First.UnixNano()))
	b.AddUint64(uint64(z.Last.UnixNano()))
	b.AddUint32(uint32(z.Shortest))
	b.AddUint32(uint32(z.Longest))
	b.AddUint8(z.Directions)
	b.AddUint8(z.some)
	b.AddUint8(z.all)
	b.AddUint16(z.groups)
	for _, f := range []Few{z.Lines, z.Classes, z.extensions, z.tags, z.cases} {
		if f.Many {
			b.AddUint8(maxFew + 1)
			continue
		}
		b.AddUint8(uint8(len(f.List)))
		for _, t := range f.List {
			addText(&b, t)
		}
	}
	b.AddUint16(uint16(len(z.ids)))
	for _, r := range z.ids {
		b.AddUint32(r.shard)
		b.AddUint32(r.low)
		b.AddUint32(r.high)
	}
	z.numbers.AddTo(&b)
	plain, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return seal.Box(key, plain, []byte("catalog zone"), id.Append(nil)), nil
}

// OpenZone gives back what Seal took. Errors: ErrVersion1.
func OpenZone(key keys.Key, id keys.ID, sealed []byte) (Zone, error) {
	plain, err := seal.OpenBox(key, sealed, []byte("catalog zone"), id.Append(nil))
	if err != nil {
		return Zone{}, err
	}
	if len(plain) > 0 && plain[0] == version1 {
		return Zone{}, ErrVersion1
	}
	return parseZone(plain)
}

func parseZone(plain []byte) (z Zone, err error) {
	s := cryptobyte.String(plain)
	var version uint8
	var rows, ids uint16
	var shortest, longest uint32
	var first, last uint64
	if !s.ReadUint8(&version) || version != formatVersion || !s.ReadUint16(&rows) || rows == 0 || rows > MaxRows || !s.ReadUint64(&first) ||
		!s.ReadUint64(&last) || !s.ReadUint32(&shortest) || !s.ReadUint32(&longest) || !s.ReadUint8(&z.Directions) ||
		!s.ReadUint8(&z.some) || !s.ReadUint8(&z.all) || !s.ReadUint16(&z.groups) {
		return Zone{}, ErrFormat
	}
	z.Rows, z.First, z.Last = int(rows), time.Unix(0, int64(first)).UTC(), time.Unix(0, int64(last)).UTC()
	z.Shortest, z.Longest = line.Samples(shortest), line.Samples(longest)
	for _, f := range []*Few{&z.Lines, &z.Classes, &z.extensions, &z.tags, &z.cases} {
		if !f.read(&s) {
			return Zone{}, ErrFormat
		}
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
	var ok bool
	if z.numbers, ok = number.ReadFilter(&s); !ok || !s.Empty() {
		return Zone{}, ErrFormat
	}
	return z, nil
}

func (f *Few) read(s *cryptobyte.String) bool {
	var n uint8
	if !s.ReadUint8(&n) || n > maxFew+1 {
		return false
	}
	if n == maxFew+1 {
		f.Many = true
		return true
	}
	for range n {
		var text string
		if !readText(s, &text) {
			return false
		}
		f.List = append(f.List, text)
	}
	return true
}
