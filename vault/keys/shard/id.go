// Package shard is the files of slot keys, and the names of what lies in them.
//
//	In:    slot keys, 4,096 at once, and the key of their shard
//	Out:   a file, and the line of the root that it answers to; slot keys again
//	Owner: plain values; no goroutine
//	Full:  a shard is 128 KiB; a month that needs more has further parts
package shard

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// IDSize is the length of an ID on disk, in bytes.
const IDSize = 8

// ID names a recording, or another thing that can be erased, for ever: its shard's number and its slot in it.
// Shards count from 1, so that the zero ID names nothing. It says nothing about a person.
type ID struct{ Shard, Slot uint32 }

// String is "SHARD-SLOT", such as "7-42".
func (id ID) String() string {
	return strconv.FormatUint(uint64(id.Shard), 10) + "-" + strconv.FormatUint(uint64(id.Slot), 10)
}

// ParseID reads what String writes, and no other spelling of it.
func ParseID(s string) (ID, error) {
	shard, slot, _ := strings.Cut(s, "-")
	a, errA := strconv.ParseUint(shard, 10, 32)
	b, errB := strconv.ParseUint(slot, 10, 32)
	id := ID{Shard: uint32(a), Slot: uint32(b)}
	if errA != nil || errB != nil || id.Shard == 0 || id.String() != s {
		return ID{}, fmt.Errorf("keys: %q is not a recording's id, such as 7-42", s)
	}
	return id, nil
}

// Append appends the 8 bytes of the id, big endian.
func (id ID) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, id.Shard)
	return binary.BigEndian.AppendUint32(b, id.Slot)
}

// IDFrom reads what Append wrote; b must be exactly IDSize bytes.
func IDFrom(b []byte) (ID, error) {
	if len(b) != IDSize {
		return ID{}, fmt.Errorf("keys: an id has %d bytes, not %d", IDSize, len(b))
	}
	return ID{Shard: binary.BigEndian.Uint32(b), Slot: binary.BigEndian.Uint32(b[4:])}, nil
}

// Month is a calendar month in UTC, "2026-11".
type Month string

const monthLayout = "2006-01"

// MonthOf is the month that t lies in.
func MonthOf(t time.Time) Month { return Month(t.UTC().Format(monthLayout)) }

// Next is the month after m.
func (m Month) Next() Month {
	t, err := time.Parse(monthLayout, string(m))
	if err != nil {
		return m // unreachable for a month made by MonthOf or read from a root
	}
	return MonthOf(t.AddDate(0, 1, 0))
}

// Valid refuses what would not come back from a file name.
func (m Month) Valid() bool {
	t, err := time.Parse(monthLayout, string(m))
	return err == nil && MonthOf(t) == m
}

// Info is what a shard is for.
type Info struct {
	Number uint32
	Class  string // retention class ("standard"), or "catalog" for blocks, "office" for accounts, cases, grants
	Month  Month
	Part   uint16 // counts from 1 within the month of a class
	Slots  uint32 // how many it was filled with
}

// MaxClass is the longest name of a retention class, in bytes.
const MaxClass = 32

// ValidClass says whether a retention class can stand in a file name: a letter, then letters, digits and dashes, all lower case.
func ValidClass(class string) error {
	ok := len(class) > 0 && len(class) <= MaxClass && class[0] >= 'a' && class[0] <= 'z'
	for i := range len(class) {
		c := class[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fmt.Errorf("keys: class %q: want 1 to %d of a-z, 0-9 and dash, a letter first", class, MaxClass)
	}
	return nil
}
