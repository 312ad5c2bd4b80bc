package block

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/catalog/number"
	"linekeep/vault/catalog/words"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// Group is a part of a block that is sealed on its own: what a query does not ask about stays shut. The numbers are written
// to disk and never given another meaning.
//
// What is asked for most, and tells least, is one group: line, class, direction and length. Each opening of a value costs
// some 25 µs beside its bytes, and a column each took three times as long (51 ms for a miss among a million). Numbers,
// extensions, names, tags and cases are a group each.
type Group uint8

// The groups there are.
const (
	Criteria   Group = 1 // line, class, flags, length in quarters of a second
	Starts     Group = 2
	IDs        Group = 3
	Numbers    Group = 4 // plain forms
	Extensions Group = 5
	Names      Group = 6 // folded
	Tags       Group = 7 // folded
	Cases      Group = 8
	Rows       Group = 9 // the rows themselves, in pages
)

// Groups are all there are.
func Groups() []Group {
	return []Group{Criteria, Starts, IDs, Numbers, Extensions, Names, Tags, Cases, Rows}
}

// PageRows is how many rows are sealed together as rows: they are the bulk of a block, and of most blocks a query wants a
// row or two.
const PageRows = 128

// Pages is how many values a group of a block with so many rows has at most.
func (g Group) Pages(rows int) int {
	if g == Rows {
		return (rows + PageRows - 1) / PageRows
	}
	return 1
}

func (g Group) String() string {
	names := [...]string{Criteria: "criteria", Starts: "starts", IDs: "ids", Numbers: "numbers", Extensions: "extensions",
		Names: "names", Tags: "tags", Cases: "cases", Rows: "rows"}
	if int(g) < len(names) && names[g] != "" {
		return names[g]
	}
	return fmt.Sprintf("group %d", uint8(g))
}

// Empty says that the rows have nothing of the group: then it is not written, and the zone says so.
func (g Group) Empty(rows []Row) bool {
	for i := range rows {
		r := &rows[i]
		if (g != Names || r.Name != "") && (g != Tags || len(r.Tags) > 0) && (g != Cases || len(r.Cases) > 0) &&
			(g != Extensions || r.Extension != "") && (g != Numbers || r.Plain != "") {
			return false
		}
	}
	return true
}

// Seal seals one page of a group of the block's rows, which are in the order of the catalogue.
func (g Group) Seal(key keys.Key, block keys.ID, page int, rows []Row) ([]byte, error) {
	if g == Rows {
		rows = rows[page*PageRows : min(len(rows), (page+1)*PageRows)]
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(formatVersion)
	b.AddUint16(uint16(len(rows)))
	g.add(b, rows)
	plain, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding %s of block %s: %w", g, block, err)
	}
	return seal.Box(key, plain, []byte("catalog group"), block.Append(nil), []byte{byte(g), byte(page)}), nil
}

// Open opens a page of a group of a block with so many rows; 0 when that is not known. What it gives is taken apart by
// ReadCriteria and the like. It writes over sealed.
func (g Group) Open(key keys.Key, block keys.ID, page, rows int, sealed []byte) ([]byte, error) {
	plain, err := seal.OpenBoxInPlace(key, sealed, []byte("catalog group"), block.Append(nil), []byte{byte(g), byte(page)})
	if err != nil {
		return nil, err
	}
	if g == Rows && rows != 0 {
		rows = min(PageRows, rows-page*PageRows)
	}
	return g.check(plain, rows)
}

// check takes the head off a group's plaintext.
func (g Group) check(plain []byte, rows int) ([]byte, error) {
	if len(plain) < 3 || plain[0] != formatVersion {
		return nil, ErrFormat
	}
	n := int(binary.BigEndian.Uint16(plain[1:]))
	if n == 0 || n > MaxRows || rows != 0 && n != rows {
		return nil, ErrFormat
	}
	body := plain[3:]
	if (g == Starts || g == IDs) && len(body) != 8*n {
		return nil, ErrFormat
	}
	return body, nil
}

// add writes the group of rows.
func (g Group) add(b *cryptobyte.Builder, rows []Row) {
	switch g {
	case Criteria:
		addCriteria(b, rows)
	case Starts:
		for _, r := range rows {
			b.AddUint64(uint64(r.Start.UnixNano()))
		}
	case IDs:
		for _, r := range rows {
			b.AddBytes(r.ID.Append(nil))
		}
	case Numbers:
		addNumbers(b, rows)
	case Extensions:
		addDictionary(b, rows, func(r *Row) string { return r.Extension.Reveal() })
	case Names:
		addDictionary(b, rows, func(r *Row) string { return fold(r.Name) })
	case Tags:
		addLists(b, rows, func(r *Row) []string { return r.Tags }, fold)
	case Cases:
		addLists(b, rows, func(r *Row) []string { return r.Cases }, func(c string) string { return c })
	case Rows:
		for _, r := range rows {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddBytes(r.ID.Append(nil))
				r.add(b)
			})
		}
	}
}

// fold bounds a folded text: folding can lengthen it. What is cut off is found by what stands before it.
func fold(text string) string {
	text = words.Fold(text)
	return text[:min(len(text), 255)]
}

// Flags of a row in the criteria, above its direction.
const (
	DirectionBits = 7
	FlagAnswered  = 1 << 3
	FlagSilent    = 1 << 4
	FlagWithheld  = 1 << 5
)

// Flags is the row's direction and flags in one byte.
func (r *Row) Flags() uint8 {
	f := uint8(r.Direction)
	if r.Answered {
		f |= FlagAnswered
	}
	if r.Silent {
		f |= FlagSilent
	}
	if r.Plain == number.Withheld {
		f |= FlagWithheld
	}
	return f
}

// Quarter is the unit of lengths in the criteria: two bytes of it are four and a half hours, and no recording is longer than
// four. What is within the same quarter as a bound, the row decides.
const Quarter = time.Second / 4

// Quarters is a length in whole quarters of a second, as far as two bytes go.
func Quarters(d time.Duration) uint16 { return uint16(min(max(d, 0)/Quarter, 1<<16-1)) }

func addCriteria(b *cryptobyte.Builder, rows []Row) {
	addDictionary(b, rows, func(r *Row) string { return r.Line })
	addDictionary(b, rows, func(r *Row) string { return r.Class })
	for i := range rows {
		b.AddUint8(rows[i].Flags())
	}
	for i := range rows {
		b.AddUint16(Quarters(rows[i].Duration))
	}
}

// addDictionary writes the different texts once, and for each row its text's place: nothing when there is but one text, one
// byte, or two when there are more than 256 texts.
func addDictionary(b *cryptobyte.Builder, rows []Row, of func(*Row) string) {
	var texts []string
	place := map[string]int{}
	places := make([]int, len(rows))
	for i := range rows {
		text := of(&rows[i])
		p, ok := place[text]
		if !ok {
			p = len(texts)
			place[text] = p
			texts = append(texts, text)
		}
		places[i] = p
	}
	addTexts(b, texts)
	for _, p := range places {
		switch placeWidth(len(texts)) {
		case 1:
			b.AddUint8(uint8(p))
		case 2:
			b.AddUint16(uint16(p))
		}
	}
}

func placeWidth(texts int) int {
	switch {
	case texts <= 1:
		return 0
	case texts <= 256:
		return 1
	}
	return 2
}

// addTexts writes how many texts there are, how long they are together, and each.
func addTexts(b *cryptobyte.Builder, texts []string) {
	b.AddUint16(uint16(len(texts)))
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, t := range texts {
			addText(b, t)
		}
	})
}

// addNumbers writes the different numbers once: packed ones in order, each as its distance from the one before, then those
// that cannot be packed; and for each row its number's place, from 1, or 0 for none.
func addNumbers(b *cryptobyte.Builder, rows []Row) {
	packed, texts := DistinctNumbers(rows)
	var deltas []byte
	last := number.Key(0)
	for _, k := range packed {
		deltas = binary.AppendUvarint(deltas, uint64(k-last))
		last = k
	}
	b.AddUint16(uint16(len(packed)))
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(deltas) })
	addTexts(b, texts)
	for i := range rows {
		place := 0
		if k, ok := number.Pack(rows[i].Plain); ok {
			at, _ := slices.BinarySearch(packed, k)
			place = 1 + at
		} else if text := rows[i].Plain.Reveal(); text != "" {
			at, _ := slices.BinarySearch(texts, text)
			place = 1 + len(packed) + at
		}
		b.AddUint16(uint16(place))
	}
}

// DistinctNumbers are the plain forms of rows, each once and in order: those that can be packed, and the rest.
func DistinctNumbers(rows []Row) (packed []number.Key, texts []string) {
	for i := range rows {
		if k, ok := number.Pack(rows[i].Plain); ok {
			packed = append(packed, k)
		} else if rows[i].Plain != "" {
			texts = append(texts, rows[i].Plain.Reveal())
		}
	}
	slices.Sort(packed)
	slices.Sort(texts)
	return slices.Compact(packed), slices.Compact(texts)
}

// addLists writes the different texts once, and then a pair for each row and text of it: row, place.
func addLists(b *cryptobyte.Builder, rows []Row, of func(*Row) []string, form func(string) string) {
	var texts []string
	place := map[string]int{}
	var pairs [][2]uint16
	for i := range rows {
		for _, text := range of(&rows[i]) {
			text = form(text)
			p, ok := place[text]
			if !ok {
				p = len(texts)
				place[text] = p
				texts = append(texts, text)
			}
			pairs = append(pairs, [2]uint16{uint16(i), uint16(p)})
		}
	}
	if len(texts) > 1<<16-1 {
		b.SetError(fmt.Errorf("%d different tags or cases in one block", len(texts)))
		return
	}
	addTexts(b, texts)
	b.AddUint24(uint32(len(pairs)))
	for _, p := range pairs {
		b.AddUint16(p[0])
		b.AddUint16(p[1])
	}
}
