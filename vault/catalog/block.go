package catalog

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

// column names a column of a block. The numbers are written to disk and never given another meaning; what a
// later version adds gets a number of its own.
type column uint8

const (
	colID        column = 1
	colStart     column = 2
	colLine      column = 3
	colClass     column = 4
	colDuration  column = 5
	colDirection column = 6
	colDetails   column = 7
)

func (c column) String() string {
	names := [...]string{colID: "id", colStart: "start", colLine: "line", colClass: "class", colDuration: "duration",
		colDirection: "direction", colDetails: "details"}
	if int(c) < len(names) && names[c] != "" {
		return names[c]
	}
	return fmt.Sprintf("column %d", uint8(c))
}

// block is some thousand rows that never change: rows that do are in a new block.
type block struct {
	id   keys.ID
	key  keys.Key // K_meta of its slot
	zone zone
}

// group is columns that are sealed together: what queries ask about, what orders, and the rest. Each opening of a
// value costs some 50 µs beside its bytes (finding it, Badger's own cipher), so a query of several criteria
// opens one value per block; a column each took three times as long (51 ms for a miss among a million).
type group uint8

const (
	groupCriteria group = 1
	groupOrder    group = 2
	groupRest     group = 3
)

func groups() []group { return []group{groupCriteria, groupOrder, groupRest} }

// pageRows is how many rows of the rest are sealed together: it is the bulk of a block, and of most blocks a query
// wants a row or two.
const pageRows = 512

// pages is how many values a group of a block with so many rows has.
func (g group) pages(rows int) int {
	if g == groupRest {
		return (rows + pageRows - 1) / pageRows
	}
	return 1
}

// pageOf are the rows of one page.
func (g group) pageOf(rows []Row, page int) []Row {
	if g == groupRest {
		return rows[page*pageRows : min(len(rows), (page+1)*pageRows)]
	}
	return rows
}

func (g group) String() string {
	names := [...]string{groupCriteria: "criteria", groupOrder: "order", groupRest: "rest"}
	if int(g) < len(names) && names[g] != "" {
		return names[g]
	}
	return fmt.Sprintf("group %d", uint8(g))
}

func (g group) columns() []column {
	switch g {
	case groupCriteria:
		return []column{colLine, colDirection, colDuration}
	case groupOrder:
		return []column{colStart, colID}
	case groupRest:
		return []column{colClass, colDetails}
	}
	return nil
}

func (c column) group() group {
	for _, g := range groups() {
		if slices.Contains(g.columns(), c) {
			return g
		}
	}
	return 0
}

// encode gives the plaintext of FORMAT.md section 12, "group", of the rows of one page.
func (g group) encode(rows []Row) ([]byte, error) {
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

func encodeColumn(col column, rows []Row) ([]byte, error) {
	switch col {
	case colLine:
		return appendNames(nil, rows, func(r Row) string { return r.Line })
	case colClass:
		return appendNames(nil, rows, func(r Row) string { return r.Class })
	case colDetails:
		return appendDetails(nil, rows)
	}
	var b []byte
	for _, r := range rows {
		b = appendFixed(b, col, r)
	}
	return b, nil
}

func appendFixed(b []byte, col column, r Row) []byte {
	switch col {
	case colID:
		return r.ID.Append(b)
	case colStart:
		return binary.BigEndian.AppendUint64(b, uint64(r.Start.UnixNano()))
	case colDuration:
		return binary.BigEndian.AppendUint32(b, uint32(line.In(r.Duration)))
	case colDirection:
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

// openGroup opens a page of a group and gives its columns. One of a later version is passed over.
func (c *Catalog) openGroup(b *block, g group, page int) (map[column]cryptobyte.String, error) {
	rows := b.zone.rows
	if g == groupRest {
		rows = min(pageRows, rows-page*pageRows)
	}
	sealed, err := c.dir.Get(groupKey(b.id, g, page))
	var plain []byte
	if err == nil {
		plain, err = seal.OpenBox(b.key, sealed, []byte("catalog group"), b.id.Append(nil), []byte{byte(g), byte(page)})
	}
	var cols map[column]cryptobyte.String
	if err == nil {
		cols, err = g.parse(plain, rows)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: block %s, %s, page %d: %w", ErrAltered, b.id, g, page, err)
	}
	return cols, nil
}

// parse takes a group apart. rows is how many there must be, 0 when that is not known.
func (g group) parse(plain []byte, rows int) (map[column]cryptobyte.String, error) {
	s := cryptobyte.String(plain)
	var version uint8
	var n uint32
	if !s.ReadUint8(&version) || version != formatVersion || !s.ReadUint32(&n) || n == 0 || n > MaxBlockRows || (rows != 0 && int(n) != rows) {
		return nil, errFormat
	}
	cols := map[column]cryptobyte.String{}
	for !s.Empty() {
		var col uint8
		var size uint32
		var b []byte
		if !s.ReadUint8(&col) || !s.ReadUint32(&size) || !s.ReadBytes(&b, int(size)) {
			return nil, errFormat
		}
		if width := fixedWidth(column(col)); width != 0 && len(b) != int(n)*width {
			return nil, errFormat
		}
		cols[column(col)] = b
	}
	for _, col := range g.columns() {
		if _, ok := cols[col]; !ok {
			return nil, errFormat
		}
	}
	return cols, nil
}

// fixedWidth is the bytes of one value, 0 for columns that are not so simple.
func fixedWidth(col column) int {
	switch col {
	case colID, colStart:
		return 8
	case colDuration:
		return 4
	case colDirection:
		return 1
	}
	return 0
}

// nameColumn is a column of names, opened.
type nameColumn struct {
	names  []string
	places cryptobyte.String
	width  int
}

func openNames(s cryptobyte.String, rows int) (nameColumn, error) {
	var c nameColumn
	var n uint16
	if !s.ReadUint16(&n) {
		return c, errFormat
	}
	for range n {
		var name cryptobyte.String
		if !s.ReadUint8LengthPrefixed(&name) {
			return c, errFormat
		}
		c.names = append(c.names, string(name))
	}
	c.width = 1
	if n > 256 {
		c.width = 2
	}
	c.places = s
	if len(s) != rows*c.width {
		return c, errFormat
	}
	return c, nil
}

func (c nameColumn) place(i int) int {
	if c.width == 1 {
		return int(c.places[i])
	}
	return int(binary.BigEndian.Uint16(c.places[2*i:]))
}

func (c nameColumn) at(i int) string { return c.names[c.place(i)] }

// zone is what a query asks first: the smallest and largest of a block.
type zone struct {
	rows        int
	first, last time.Time // smallest and largest start
	shortest    line.Samples
	longest     line.Samples
	directions  uint8 // one bit each
	lines       []string
	ids         []idRange // by shard
}

// idRange is the smallest and largest slot that a block has of one shard.
type idRange struct{ shard, low, high uint32 }

func zoneOf(rows []Row) zone {
	z := zone{rows: len(rows), first: rows[0].Start, last: rows[0].Start,
		shortest: line.In(rows[0].Duration), longest: line.In(rows[0].Duration)}
	for _, r := range rows {
		if r.Start.Before(z.first) {
			z.first = r.Start
		}
		if r.Start.After(z.last) {
			z.last = r.Start
		}
		z.shortest, z.longest = min(z.shortest, line.In(r.Duration)), max(z.longest, line.In(r.Duration))
		z.directions |= 1 << r.Direction
		if !slices.Contains(z.lines, r.Line) {
			z.lines = append(z.lines, r.Line)
		}
		z.addID(r.ID)
	}
	slices.Sort(z.lines)
	return z
}

func (z *zone) addID(id keys.ID) {
	i := slices.IndexFunc(z.ids, func(r idRange) bool { return r.shard == id.Shard })
	if i < 0 {
		z.ids = append(z.ids, idRange{id.Shard, id.Slot, id.Slot})
		return
	}
	z.ids[i].low, z.ids[i].high = min(z.ids[i].low, id.Slot), max(z.ids[i].high, id.Slot)
}

func (z zone) mayHave(id keys.ID) bool {
	return slices.ContainsFunc(z.ids, func(r idRange) bool { return r.shard == id.Shard && r.low <= id.Slot && id.Slot <= r.high })
}

// seal gives the bytes of FORMAT.md section 12, "zone", sealed under the block's slot.
func (z zone) seal(key keys.Key, id keys.ID) []byte {
	b := []byte{formatVersion}
	b = binary.BigEndian.AppendUint32(b, uint32(z.rows))
	b = binary.BigEndian.AppendUint64(b, uint64(z.first.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(z.last.UnixNano()))
	b = binary.BigEndian.AppendUint32(b, uint32(z.shortest))
	b = binary.BigEndian.AppendUint32(b, uint32(z.longest))
	b = append(b, z.directions)
	b = binary.BigEndian.AppendUint16(b, uint16(len(z.lines)))
	for _, l := range z.lines {
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

func openZone(key keys.Key, id keys.ID, sealed []byte) (zone, error) {
	plain, err := seal.OpenBox(key, sealed, []byte("catalog zone"), id.Append(nil))
	if err != nil {
		return zone{}, err
	}
	s := cryptobyte.String(plain)
	var z zone
	var version uint8
	var rows, shortest, longest uint32
	var first, last uint64
	var lines, ids uint16
	if !s.ReadUint8(&version) || version != formatVersion || !s.ReadUint32(&rows) || rows == 0 || rows > MaxBlockRows || !s.ReadUint64(&first) ||
		!s.ReadUint64(&last) || !s.ReadUint32(&shortest) || !s.ReadUint32(&longest) || !s.ReadUint8(&z.directions) || !s.ReadUint16(&lines) {
		return zone{}, errFormat
	}
	z.rows, z.first, z.last = int(rows), time.Unix(0, int64(first)).UTC(), time.Unix(0, int64(last)).UTC()
	z.shortest, z.longest = line.Samples(shortest), line.Samples(longest)
	for range lines {
		var l cryptobyte.String
		if !s.ReadUint8LengthPrefixed(&l) {
			return zone{}, errFormat
		}
		z.lines = append(z.lines, string(l))
	}
	if !s.ReadUint16(&ids) {
		return zone{}, errFormat
	}
	for range ids {
		var r idRange
		if !s.ReadUint32(&r.shard) || !s.ReadUint32(&r.low) || !s.ReadUint32(&r.high) {
			return zone{}, errFormat
		}
		z.ids = append(z.ids, r)
	}
	if !s.Empty() {
		return zone{}, errFormat
	}
	return z, nil
}
