package block

import (
	"encoding/binary"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/catalog/number"
	"linekeep/vault/keys"
)

// Places is a column of places in a dictionary, one for each row.
type Places struct {
	Width int // bytes each: 0 where all have the same, 1 or 2
	Bytes []byte
}

// At is the place of row i.
func (p Places) At(i int) int {
	switch p.Width {
	case 0:
		return 0
	case 1:
		return int(p.Bytes[i])
	}
	return int(binary.BigEndian.Uint16(p.Bytes[2*i:]))
}

// Wanted is a set of places that has an answer for every place there can be, so a loop over rows needs no test.
type Wanted struct{ yes [1 << 16]bool }

// Yes says whether a place is in the set.
func (w *Wanted) Yes(place int) bool { return w.yes[place&(1<<16-1)] }

// Clear empties the set, as far as a column of that width can ask.
func (w *Wanted) Clear(width int) {
	if width < 2 {
		clear(w.yes[:256])
		return
	}
	clear(w.yes[:])
}

// Keep gives those of rows whose place is in the set. It writes over rows.
func (w *Wanted) Keep(p Places, rows []uint16) []uint16 {
	n := 0
	if p.Width == 0 {
		if w.yes[0] {
			return rows
		}
		return nil
	}
	if p.Width == 1 {
		for _, i := range rows {
			rows[n] = i
			if w.yes[p.Bytes[i]] {
				n++
			}
		}
		return rows[:n]
	}
	for _, i := range rows {
		rows[n] = i
		if w.yes[uint16(p.Bytes[2*int(i)])<<8|uint16(p.Bytes[2*int(i)+1])] {
			n++
		}
	}
	return rows[:n]
}

// Dictionary is a column of texts, opened: each different text once, and the rows' places.
type Dictionary struct {
	texts string // as written: 1 + n each
	n     int
	Places
}

// ReadDictionary takes apart a group of one dictionary, for so many rows.
func ReadDictionary(body []byte, rows int) (Dictionary, error) {
	s := cryptobyte.String(body)
	d, err := readDictionary(&s, rows)
	if err == nil && !s.Empty() {
		err = ErrFormat
	}
	return d, err
}

func readDictionary(s *cryptobyte.String, rows int) (d Dictionary, err error) {
	if d.texts, d.n, err = readAllTexts(s); err != nil {
		return d, err
	}
	d.Width = placeWidth(d.n)
	if d.n == 0 || !s.ReadBytes(&d.Bytes, rows*d.Width) {
		return d, ErrFormat
	}
	return d, nil
}

// readAllTexts reads what addTexts wrote, and sees to it that Mark can walk through it.
func readAllTexts(s *cryptobyte.String) (texts string, n int, err error) {
	var count uint16
	var all cryptobyte.String
	if !s.ReadUint16(&count) || !s.ReadUint24LengthPrefixed(&all) {
		return "", 0, ErrFormat
	}
	texts = string(all)
	at := 0
	for range count {
		if at >= len(texts) {
			return "", 0, ErrFormat
		}
		at += 1 + int(texts[at])
	}
	if at != len(texts) {
		return "", 0, ErrFormat
	}
	return texts, int(count), nil
}

// Mark puts the places of the texts that match into the set, from place first on, and says whether any did.
func mark(texts string, first int, match func(string) bool, into *Wanted) (some bool) {
	for place := first; len(texts) > 0; place++ {
		n := int(texts[0])
		if match(texts[1 : 1+n]) {
			into.yes[place&(1<<16-1)] = true
			some = true
		}
		texts = texts[1+n:]
	}
	return some
}

// Mark puts the places of the texts that match into the set, and says whether any did.
func (d Dictionary) Mark(match func(string) bool, into *Wanted) bool {
	return mark(d.texts, 0, match, into)
}

// Filter is the criteria, opened.
type Filter struct {
	Lines, Classes  Dictionary
	Flags, quarters []byte
}

// ReadCriteria takes the criteria apart, for so many rows.
func ReadCriteria(body []byte, rows int) (f Filter, err error) {
	s := cryptobyte.String(body)
	if f.Lines, err = readDictionary(&s, rows); err != nil {
		return f, err
	}
	if f.Classes, err = readDictionary(&s, rows); err != nil {
		return f, err
	}
	if !s.ReadBytes(&f.Flags, rows) || !s.ReadBytes(&f.quarters, 2*rows) || !s.Empty() {
		return f, ErrFormat
	}
	return f, nil
}

// KeepFlags gives those of rows whose flags are want under mask. It writes over rows.
func (f Filter) KeepFlags(mask, want uint8, rows []uint16) []uint16 {
	n := 0
	for _, i := range rows {
		rows[n] = i
		if f.Flags[i]&mask == want {
			n++
		}
	}
	return rows[:n]
}

// KeepQuarters gives those of rows whose quarters of a second are from low to high. It writes over rows.
func (f Filter) KeepQuarters(low, high uint16, rows []uint16) []uint16 {
	n, span := 0, high-low
	for _, i := range rows {
		rows[n] = i
		if binary.BigEndian.Uint16(f.quarters[2*int(i):])-low <= span {
			n++
		}
	}
	return rows[:n]
}

// NumberColumn is the numbers, opened.
type NumberColumn struct {
	deltas []byte
	packed int
	texts  string
	Places
}

// ReadNumbers takes the numbers apart, for so many rows.
func ReadNumbers(body []byte, rows int) (c NumberColumn, err error) {
	s := cryptobyte.String(body)
	var packed uint16
	var deltas cryptobyte.String
	if !s.ReadUint16(&packed) || !s.ReadUint16LengthPrefixed(&deltas) {
		return c, ErrFormat
	}
	c.deltas, c.packed = deltas, int(packed)
	if c.texts, _, err = readAllTexts(&s); err != nil {
		return c, err
	}
	c.Width = 2
	if !s.ReadBytes(&c.Bytes, 2*rows) || !s.Empty() {
		return c, ErrFormat
	}
	return c, nil
}

// Mark puts the places of the numbers that match into the set, and says whether any did.
func (c NumberColumn) Mark(m number.Matcher, into *Wanted) (some bool, err error) {
	rest, key := c.deltas, number.Key(0)
	for place := range c.packed {
		delta, n := binary.Uvarint(rest)
		if n <= 0 {
			return false, ErrFormat
		}
		rest = rest[n:]
		key += number.Key(delta)
		if m.MatchKey(key) {
			into.yes[1+place] = true
			some = true
		}
	}
	if len(rest) != 0 {
		return false, ErrFormat
	}
	if len(c.texts) > 0 && mark(c.texts, 1+c.packed, m.MatchText, into) {
		some = true
	}
	return some, nil
}

// ReadLists gives the rows that have a text which matches, each once and in order.
func ReadLists(body []byte, rows int, match func(string) bool) ([]uint16, error) {
	s := cryptobyte.String(body)
	texts, _, err := readAllTexts(&s)
	if err != nil {
		return nil, err
	}
	var n uint32
	if !s.ReadUint24(&n) || len(s) != 4*int(n) {
		return nil, ErrFormat
	}
	var w Wanted
	if !mark(texts, 0, match, &w) {
		return nil, nil
	}
	var found []uint16
	for ; len(s) > 0; s = s[4:] {
		row, place := binary.BigEndian.Uint16(s), binary.BigEndian.Uint16(s[2:])
		if int(row) >= rows {
			return nil, ErrFormat
		}
		if w.yes[place] && (len(found) == 0 || found[len(found)-1] < row) {
			found = append(found, row)
		}
	}
	return found, nil
}

// Intersect gives what is in both, which ascend. It writes over a.
func Intersect(a, b []uint16) []uint16 {
	n := 0
	for _, i := range a {
		at, ok := slices.BinarySearch(b, i)
		if ok {
			a[n] = i
			n++
		}
		b = b[at:]
	}
	return a[:n]
}

// ReadRows gives those rows of a page that are wanted: places in the page, which ascend.
func ReadRows(body []byte, places []int) ([]Row, error) {
	s := cryptobyte.String(body)
	rows := make([]Row, len(places))
	at := 0
	var record cryptobyte.String
	for n, place := range places {
		for ; at <= place; at++ {
			if !s.ReadUint16LengthPrefixed(&record) {
				return nil, ErrFormat
			}
		}
		var id []byte
		if !record.ReadBytes(&id, idSize) || !rows[n].read(&record, formatVersion) || !record.Empty() {
			return nil, ErrFormat
		}
		rows[n].ID = IDAt(id, 0)
	}
	return rows, nil
}

// StartAt is row i of the starts.
func StartAt(starts []byte, i int) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(starts[8*i:]))).UTC()
}

// IDAt is row i of the ids.
func IDAt(ids []byte, i int) keys.ID {
	return keys.ID{Shard: binary.BigEndian.Uint32(ids[8*i:]), Slot: binary.BigEndian.Uint32(ids[8*i+4:])}
}

// Find is the place of id among the ids, -1 when it is not there.
func Find(ids []byte, id keys.ID) int {
	want := uint64(id.Shard)<<32 | uint64(id.Slot)
	for i := 0; i+idSize <= len(ids); i += idSize {
		if binary.BigEndian.Uint64(ids[i:]) == want {
			return i / idSize
		}
	}
	return -1
}
