package block

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/line"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// Column names a column of a block. The numbers are written to disk and never given another meaning; what a
// later version adds gets a number of its own.
type Column uint8

// The columns there are.
const (
	ColID        Column = 1
	ColStart     Column = 2
	ColLine      Column = 3
	ColClass     Column = 4
	ColDuration  Column = 5
	ColDirection Column = 6
	ColDetails   Column = 7
)

func (c Column) String() string {
	names := [...]string{ColID: "id", ColStart: "start", ColLine: "line", ColClass: "class", ColDuration: "duration",
		ColDirection: "direction", ColDetails: "details"}
	if int(c) < len(names) && names[c] != "" {
		return names[c]
	}
	return fmt.Sprintf("column %d", uint8(c))
}

// Group is columns that are sealed together: what queries ask about, what orders, and the rest. Each opening of a
// value costs some 50 µs beside its bytes (finding it, Badger's own cipher), so a query of several criteria
// opens one value per block; a column each took three times as long (51 ms for a miss among a million).
type Group uint8

// The groups there are: what queries ask about, what orders, the rest.
const (
	Criteria Group = 1
	Order    Group = 2
	Rest     Group = 3
)

// Groups are all there are.
func Groups() []Group { return []Group{Criteria, Order, Rest} }

// PageRows is how many rows of the rest are sealed together: it is the bulk of a block, and of most blocks a query
// wants a row or two.
const PageRows = 512

// Pages is how many values a group of a block with so many rows has.
func (g Group) Pages(rows int) int {
	if g == Rest {
		return (rows + PageRows - 1) / PageRows
	}
	return 1
}

// pageOf are the rows of one page.
func (g Group) pageOf(rows []Row, page int) []Row {
	if g == Rest {
		return rows[page*PageRows : min(len(rows), (page+1)*PageRows)]
	}
	return rows
}

func (g Group) String() string {
	names := [...]string{Criteria: "criteria", Order: "order", Rest: "rest"}
	if int(g) < len(names) && names[g] != "" {
		return names[g]
	}
	return fmt.Sprintf("group %d", uint8(g))
}

func (g Group) columns() []Column {
	switch g {
	case Criteria:
		return []Column{ColLine, ColDirection, ColDuration}
	case Order:
		return []Column{ColStart, ColID}
	case Rest:
		return []Column{ColClass, ColDetails}
	}
	return nil
}

// Group is where the column is sealed.
func (c Column) Group() Group {
	for _, g := range Groups() {
		if slices.Contains(g.columns(), c) {
			return g
		}
	}
	return 0
}

// encode gives the plaintext of FORMAT.md section 12, "group", of the rows of one page.
func (g Group) encode(rows []Row) ([]byte, error) {
	out := cryptobyte.NewBuilder(binary.BigEndian.AppendUint32([]byte{formatVersion}, uint32(len(rows))))
	for _, col := range g.columns() {
		b, err := encodeColumn(col, rows)
		if err != nil {
			return nil, fmt.Errorf("encoding column %s: %w", col, err)
		}
		out.AddUint8(uint8(col))
		out.AddUint32(uint32(len(b)))
		out.AddBytes(b)
	}
	return out.Bytes()
}

func encodeColumn(col Column, rows []Row) ([]byte, error) {
	switch col {
	case ColLine:
		return appendNames(nil, rows, func(r Row) string { return r.Line })
	case ColClass:
		return appendNames(nil, rows, func(r Row) string { return r.Class })
	case ColDetails:
		return appendDetails(nil, rows)
	}
	var b []byte
	for _, r := range rows {
		b = appendFixed(b, col, r)
	}
	return b, nil
}

func appendFixed(b []byte, col Column, r Row) []byte {
	switch col {
	case ColID:
		return r.ID.Append(b)
	case ColStart:
		return binary.BigEndian.AppendUint64(b, uint64(r.Start.UnixNano()))
	case ColDuration:
		return binary.BigEndian.AppendUint32(b, uint32(line.In(r.Duration)))
	case ColDirection:
		return append(b, uint8(r.Direction))
	}
	return b
}

// appendNames writes the different names once, and for each row its name's place: one byte, or two when there
// are more than 256 names.
func appendNames(b []byte, rows []Row, of func(Row) string) ([]byte, error) {
	var names []string
	place := map[string]int{}
	for _, r := range rows {
		if _, ok := place[of(r)]; !ok {
			place[of(r)] = len(names)
			names = append(names, of(r))
		}
	}
	w := cryptobyte.NewBuilder(b)
	w.AddUint16(uint16(len(names)))
	for _, n := range names {
		w.AddUint8LengthPrefixed(func(w *cryptobyte.Builder) { w.AddBytes([]byte(n)) })
	}
	for _, r := range rows {
		if len(names) <= 256 {
			w.AddUint8(uint8(place[of(r)]))
		} else {
			w.AddUint16(uint16(place[of(r)]))
		}
	}
	return w.Bytes()
}

func appendDetails(b []byte, rows []Row) ([]byte, error) {
	w := cryptobyte.NewBuilder(b)
	for _, r := range rows {
		w.AddUint16LengthPrefixed(r.addDetails)
	}
	return w.Bytes()
}

// Columns are the columns of an opened group.
type Columns map[Column]cryptobyte.String

// Seal seals one page of a group of the block's rows, which are in the order of the catalogue.
func (g Group) Seal(key keys.Key, block keys.ID, page int, rows []Row) ([]byte, error) {
	plain, err := g.encode(g.pageOf(rows, page))
	if err != nil {
		return nil, err
	}
	return seal.Box(key, plain, []byte("catalog group"), block.Append(nil), []byte{byte(g), byte(page)}), nil
}

// Open opens a page of a group of a block with so many rows; 0 when that is not known. A column of a later version
// is passed over.
func (g Group) Open(key keys.Key, block keys.ID, page, rows int, sealed []byte) (Columns, error) {
	if g == Rest {
		rows = min(PageRows, rows-page*PageRows)
	}
	plain, err := seal.OpenBox(key, sealed, []byte("catalog group"), block.Append(nil), []byte{byte(g), byte(page)})
	if err != nil {
		return nil, err
	}
	return g.parse(plain, rows)
}

// parse takes a group apart. rows is how many there must be, 0 when that is not known.
func (g Group) parse(plain []byte, rows int) (Columns, error) {
	s := cryptobyte.String(plain)
	var version uint8
	var n uint32
	if !s.ReadUint8(&version) || version != formatVersion || !s.ReadUint32(&n) || n == 0 || n > MaxRows || (rows != 0 && int(n) != rows) {
		return nil, ErrFormat
	}
	cols := Columns{}
	for !s.Empty() {
		var col uint8
		var size uint32
		var b []byte
		if !s.ReadUint8(&col) || !s.ReadUint32(&size) || !s.ReadBytes(&b, int(size)) {
			return nil, ErrFormat
		}
		if width := fixedWidth(Column(col)); width != 0 && len(b) != int(n)*width {
			return nil, ErrFormat
		}
		cols[Column(col)] = b
	}
	for _, col := range g.columns() {
		if _, ok := cols[col]; !ok {
			return nil, ErrFormat
		}
	}
	return cols, nil
}

// fixedWidth is the bytes of one value, 0 for columns that are not so simple.
func fixedWidth(col Column) int {
	switch col {
	case ColID, ColStart:
		return 8
	case ColDuration:
		return 4
	case ColDirection:
		return 1
	}
	return 0
}

// Names is a column of names, opened.
type Names struct {
	List   []string          // the different names
	Places cryptobyte.String // for each row its name's place in List
	Width  int               // bytes of a place
}

// OpenNames opens a column of names for so many rows.
func OpenNames(s cryptobyte.String, rows int) (Names, error) {
	var c Names
	var n uint16
	if !s.ReadUint16(&n) {
		return c, ErrFormat
	}
	for range n {
		var name cryptobyte.String
		if !s.ReadUint8LengthPrefixed(&name) {
			return c, ErrFormat
		}
		c.List = append(c.List, string(name))
	}
	c.Width = 1
	if n > 256 {
		c.Width = 2
	}
	c.Places = s
	if len(s) != rows*c.Width {
		return c, ErrFormat
	}
	return c, nil
}

// Place is where row i has its name.
func (c Names) Place(i int) int {
	if c.Width == 1 {
		return int(c.Places[i])
	}
	return int(binary.BigEndian.Uint16(c.Places[2*i:]))
}

// At is the name of row i.
func (c Names) At(i int) string { return c.List[c.Place(i)] }

// MakeRows makes the rows at places, which ascend and are all of one page of a block with so many rows.
func MakeRows(rows, page int, places []uint16, cols, rest Columns) ([]Row, error) {
	lines, err := OpenNames(cols[ColLine], rows)
	if err != nil {
		return nil, err
	}
	first := page * PageRows
	classes, err := OpenNames(rest[ColClass], min(PageRows, rows-first))
	if err != nil {
		return nil, err
	}
	made := make([]Row, len(places))
	details, next := rest[ColDetails], first
	for n, place := range places {
		i, r := int(place), &made[n]
		var record cryptobyte.String
		for ; next <= i; next++ {
			if !details.ReadUint16LengthPrefixed(&record) {
				return nil, ErrFormat
			}
		}
		if !r.readDetails(&record) || !record.Empty() || lines.Place(i) >= len(lines.List) || classes.Place(i-first) >= len(classes.List) {
			return nil, ErrFormat
		}
		r.ID, r.Start = IDAt(cols[ColID], i), StartAt(cols[ColStart], i)
		r.Line, r.Class = lines.At(i), classes.At(i-first)
		r.Duration, r.Direction = DurationAt(cols[ColDuration], i), line.Direction(cols[ColDirection][i])
	}
	return made, nil
}

// DurationAt is row i of a column of durations.
func DurationAt(col cryptobyte.String, i int) time.Duration {
	return line.Samples(binary.BigEndian.Uint32(col[4*i:])).Duration()
}

// StartAt is row i of a column of starts.
func StartAt(col cryptobyte.String, i int) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(col[8*i:]))).UTC()
}

// IDAt is row i of a column of ids.
func IDAt(col cryptobyte.String, i int) keys.ID {
	return keys.ID{Shard: binary.BigEndian.Uint32(col[8*i:]), Slot: binary.BigEndian.Uint32(col[8*i+4:])}
}

// Find is the place of id in an id column, -1 when it is not there.
func Find(ids []byte, id keys.ID) int {
	want := uint64(id.Shard)<<32 | uint64(id.Slot)
	for i := 0; i+idSize <= len(ids); i += idSize {
		if binary.BigEndian.Uint64(ids[i:]) == want {
			return i / idSize
		}
	}
	return -1
}
