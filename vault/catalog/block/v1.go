package block

import (
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/line"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// ErrVersion1 reports a block of version 1. ReadVersion1 gives its rows, to be written as a block of this version.
var ErrVersion1 = errors.New("a block of version 1")

// The groups and columns of version 1.
const (
	v1Criteria, v1Order, v1Rest                                              = 1, 2, 3
	v1ID, v1Start, v1Line, v1Class, v1Duration, v1Direction, v1Details uint8 = 1, 2, 3, 4, 5, 6, 7
	v1PageRows                                                               = 512
)

// RemovalKeys are all the keys that a block of this version or of version 1 can have.
func RemovalKeys(id keys.ID) [][]byte {
	all := [][]byte{ZoneKey(id)}
	for _, g := range Groups() {
		pages := g.Pages(MaxRows)
		if g == v1Rest {
			pages = MaxRows / v1PageRows
		}
		for page := range pages {
			all = append(all, GroupKey(id, g, page))
		}
	}
	return all
}

// ReadVersion1 gives the rows of a block of version 1, in its order; get reads a value of the folder.
func ReadVersion1(key keys.Key, id keys.ID, get func(key []byte) ([]byte, error)) ([]Row, error) {
	criteria, err := openV1(key, id, v1Criteria, 0, get)
	if err != nil {
		return nil, err
	}
	order, err := openV1(key, id, v1Order, 0, get)
	if err != nil {
		return nil, err
	}
	n := len(order[v1ID]) / idSize
	lines, err := namesV1(criteria[v1Line], n)
	if err != nil || len(order[v1Start]) != 8*n || len(criteria[v1Duration]) != 4*n || len(criteria[v1Direction]) != n || n > MaxRows {
		return nil, ErrFormat
	}
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = Row{ID: IDAt(order[v1ID], i), Start: StartAt(order[v1Start], i), Line: lines[i],
			Duration:  line.Samples(binary.BigEndian.Uint32(criteria[v1Duration][4*i:])).Duration(),
			Direction: line.Direction(criteria[v1Direction][i])}
	}
	for first := 0; first < n; first += v1PageRows {
		rest, err := openV1(key, id, v1Rest, first/v1PageRows, get)
		if err != nil {
			return nil, err
		}
		if err := restV1(rest, rows[first:min(n, first+v1PageRows)]); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// openV1 opens a page of a group of version 1.
func openV1(key keys.Key, id keys.ID, g Group, page int, get func(key []byte) ([]byte, error)) (map[uint8]cryptobyte.String, error) {
	sealed, err := get(GroupKey(id, g, page))
	if err != nil {
		return nil, err
	}
	plain, err := seal.OpenBox(key, sealed, []byte("catalog group"), id.Append(nil), []byte{byte(g), byte(page)})
	if err != nil {
		return nil, err
	}
	return parseV1(plain)
}

func parseV1(plain []byte) (map[uint8]cryptobyte.String, error) {
	s := cryptobyte.String(plain)
	var version uint8
	var n uint32
	if !s.ReadUint8(&version) || version != version1 || !s.ReadUint32(&n) {
		return nil, ErrFormat
	}
	cols := map[uint8]cryptobyte.String{}
	for !s.Empty() {
		var col uint8
		var size uint32
		var b []byte
		if !s.ReadUint8(&col) || !s.ReadUint32(&size) || !s.ReadBytes(&b, int(size)) {
			return nil, ErrFormat
		}
		cols[col] = b
	}
	return cols, nil
}

// restV1 puts class and details into rows, which are a page.
func restV1(rest map[uint8]cryptobyte.String, rows []Row) error {
	classes, err := namesV1(rest[v1Class], len(rows))
	if err != nil {
		return err
	}
	details := rest[v1Details]
	for i := range rows {
		var record cryptobyte.String
		if !details.ReadUint16LengthPrefixed(&record) {
			return ErrFormat
		}
		if _, ok := rows[i].readDetails(&record); !ok || !record.Empty() {
			return ErrFormat
		}
		rows[i].Class = classes[i]
	}
	return nil
}

// namesV1 gives each row's name.
func namesV1(s cryptobyte.String, rows int) ([]string, error) {
	var n uint16
	if !s.ReadUint16(&n) {
		return nil, ErrFormat
	}
	list := make([]string, n)
	for i := range list {
		if !readText(&s, &list[i]) {
			return nil, ErrFormat
		}
	}
	p := Places{Width: 1, Bytes: s}
	if n > 256 {
		p.Width = 2
	}
	if len(s) != rows*p.Width {
		return nil, ErrFormat
	}
	names := make([]string, rows)
	for i := range names {
		if p.At(i) >= len(list) {
			return nil, ErrFormat
		}
		names[i] = list[p.At(i)]
	}
	return names, nil
}
