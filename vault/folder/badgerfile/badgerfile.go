// Package badgerfile knows what the files of Badger v4.9.6 look like, and says where they stop making sense.
//
// Stage: line -> call -> encode -> seal -> [store] -> search -> release.
//
//	In:    the files of a folder that no Badger has open, or copies of them
//	Out:   what kind each is, how far it can be read, and what is wrong with it
//	Owner: plain functions; no goroutine of ours
//	Full:  logs are streamed; manifests, a few kilobytes, are read whole
//
// Badger reads its own files trustingly: a table that was cut short is a panic in a goroutine of its own, and a
// log is cut at its first wrong byte without a word. So someone has to look before.
package badgerfile

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Names that Badger gives its files.
const (
	Manifest = "MANIFEST"
	Registry = "KEYREGISTRY"
	Discard  = "DISCARD" // statistics for a garbage collection
	Lock     = "LOCK"
)

// LogHeader is what Badger writes first in a log: the data key's id (8 bytes) and the start of the IV (12). One wrong
// bit there makes every value of the file unreadable.
const LogHeader = 20

// Kind is what a file is to Badger. The letters are written to disk.
type Kind uint8

// The kinds of files.
const (
	KindManifest Kind = 'M' // which tables live
	KindRegistry Kind = 'K' // the data key
	KindTable    Kind = 'T' // keys and pointers, small values; never changes
	KindValueLog Kind = 'V' // large values; never changes once the next one is begun
	KindMemLog   Kind = 'W' // the write-ahead log of a memtable; gone after a clean stop
)

// IsLog says whether the file is appended to through a map.
func (k Kind) IsLog() bool { return k == KindValueLog || k == KindMemLog }

// KindOf says what a file is by its name; false for one that is not Badger's own.
func KindOf(name string) (Kind, bool) {
	switch name {
	case Manifest:
		return KindManifest, true
	case Registry:
		return KindRegistry, true
	}
	switch filepath.Ext(name) {
	case ".sst":
		return KindTable, true
	case ".vlog":
		return KindValueLog, true
	case ".mem":
		return KindMemLog, true
	}
	return 0, false
}

// NumberOf is the number in a log's or table's name.
func NumberOf(name string) (uint32, bool) {
	n, err := strconv.ParseUint(strings.TrimSuffix(name, filepath.Ext(name)), 10, 32)
	return uint32(n), err == nil
}

// ValueLogName is the name of a value log.
func ValueLogName(n uint32) string { return fmt.Sprintf("%06d.vlog", n) }

// MemLogName is the name of a memtable's log.
func MemLogName(n uint32) string { return fmt.Sprintf("%05d.mem", n) }
