// Package journal keeps what was just recorded until it has been moved and filed: sealed segments of all open
// calls in one sequence of files, each group with one write and one fdatasync.
//
// Stage: line -> call -> encode -> seal -> [journal] -> store -> search -> release.
//
//	In:    groups of records whose bodies are sealed already; it cannot open them
//	Out:   nil from Append = the group is stored; Replay gives back, after a crash, every record it said that of
//	Owner: the caller; nothing here starts a goroutine. Its methods may be called from several
//	Full:  past Config.Max, or where Config.Room says so, Append answers ErrFull and nothing of the group counts
//
// Why not a database: one write and one fdatasync for 192 KB takes 1.0 to 1.4 ms and writes 1.04 to 1.08 bytes
// per byte, measured on ext4; the same group as one Badger transaction wrote 5.5. And a full disk is an error
// here, where memory-mapped files make it a SIGBUS.
package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"linekeep/vault/keys"
)

const (
	// RotateBytes is when a file ends and the next begins: 87 s of 32 calls, 45 minutes of one. Small enough that
	// what is filed goes soon, large enough that the directory's fsync is rare.
	RotateBytes = 16 << 20
	// MaxBytes is the most the journal holds when chunks cannot be moved: 90 minutes of 32 calls.
	MaxBytes = 1 << 30
	// GraceFiles is how many later files must have begun before a file that nobody needs goes: out of them the
	// store repairs a month's folder that lost its newest writes.
	GraceFiles = 2
)

var (
	// ErrFull reports that there is no room for the group; the journal is as it was. It may work again later.
	ErrFull = errors.New("journal: no room")
	// ErrClosed reports use after Close.
	ErrClosed = errors.New("journal: closed")
	// ErrAltered reports that a record is not what was written. Its bytes are never handed on.
	ErrAltered = errors.New("journal: record altered")
)

// Config says where the journal is and how it is bounded.
type Config struct {
	Dir     string
	VaultID [16]byte
	Key     keys.Key // keys.Outer("journal")
	Rotate  int64    // bytes; 0 is RotateBytes
	Max     int64    // bytes; 0 is MaxBytes
	Grace   int      // files; 0 is GraceFiles
	// Room is asked before each write, with the bytes to come; nil says there is always room.
	Room func(need int64) error
	Log  *slog.Logger

	create func(path string) (handle, error) // tests inject failing disks here
}

// handle is what the journal asks of a file.
type handle interface {
	ReadAt(b []byte, off int64) (int, error)
	WriteAt(b []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error // fdatasync
	Close() error
}

// Journal is the open journal of a vault.
type Journal struct {
	cfg  Config
	seal *sealer   // under mu
	read sync.Pool // of *sealer, for readers beside the writer

	mu      sync.Mutex // one group at a time: Append, Release, Close
	closed  bool
	buf     []byte
	next    uint64 // number of the next group; never given twice, not even after a failure
	prev    link   // the newest group that counts
	number  uint64 // of the newest file made
	writing bool   // the newest of files may still be written to

	files   sync.Map // file number -> *file, for Read without the lock
	order   []*file  // oldest first
	bytes   int64    // in all files
	newest  Position // of the record of the newest stored group
	stated  uint64   // the oldest file needed, as the newest stored group says it
	written Written
}

// file is one file of the journal.
type file struct {
	number uint64
	name   string
	h      handle
	size   int64 // of what counts
	live   int   // records somebody still needs
}

// link is how a group names the one before it.
type link struct {
	group uint64
	mac   [macSize]byte
}

// Position is where a record lies. It stays right as long as the record is not released.
type Position struct {
	File   uint64
	Offset int64
}

// Written counts what was written since the journal was opened, for measurements and Status.
type Written struct {
	Groups  uint64
	Bytes   uint64 // to disk, headers included
	Payload uint64 // of bodies alone
	Failed  uint64 // groups refused or failed
}

// Append stores the group: nil = all of it is on disk, synced, and each record's Pos says where. An error = none
// of it counts, and none of it is ever read back as stored while the journal goes on. Errors: ErrFull, ErrClosed.
func (j *Journal) Append(g Group, records []Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	err := j.append(g, records)
	if err != nil {
		j.written.Failed++
	}
	return err
}

func (j *Journal) append(g Group, records []Record) error {
	number := j.next
	j.next++
	need := int64(fileHeader + (1+len(records))*headerSize + g.size())
	for i := range records {
		need += int64(len(records[i].Body))
	}
	if !g.Final {
		if err := j.room(need); err != nil {
			return err
		}
	}
	f, fresh, err := j.writable(need)
	if err != nil {
		return err
	}
	off := f.size
	j.buf = j.buf[:0]
	if fresh {
		j.buf, off = j.seal.appendFileHeader(j.buf, j.cfg.VaultID, f.number), 0
	}
	g.prev, g.oldest = j.prev, j.needed()
	var mac [macSize]byte
	j.buf, mac = j.seal.appendGroup(j.buf, f.number, number, &g, records)
	if err := j.write(f, off); err != nil {
		return err
	}
	for i := range records {
		records[i].Pos = Position{File: f.number, Offset: records[i].Pos.Offset + off}
		if records[i].Kind.kept() {
			f.live++
		}
		j.written.Payload += uint64(len(records[i].Body))
	}
	f.size = off + int64(len(j.buf))
	j.bytes += int64(len(j.buf))
	j.prev, j.stated = link{group: number, mac: mac}, g.oldest
	j.newest = Position{File: f.number, Offset: off}
	if fresh {
		j.newest.Offset += fileHeader
	}
	j.written.Groups++
	j.written.Bytes += uint64(len(j.buf))
	return nil
}

func (j *Journal) room(need int64) error {
	if limit := j.cfg.Max; j.bytes+need > limit {
		return fmt.Errorf("%w: %d bytes wait to be moved, of at most %d", ErrFull, j.bytes, limit)
	}
	if j.cfg.Room == nil {
		return nil
	}
	if err := j.cfg.Room(need); err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return nil
}

// write puts the buffer at off of f and syncs it. After a failed write f ends where it ended before; after a
// failed sync nobody can say what is on disk, and a second fdatasync would answer nil all the same (Linux reports
// a writeback error once and marks the pages clean), so f is never written to again.
func (j *Journal) write(f *file, off int64) error {
	if _, err := f.h.WriteAt(j.buf, off); err != nil {
		if isFull(err) {
			return j.undo(f, true, fmt.Errorf("%w: %w", ErrFull, err))
		}
		return j.undo(f, false, fmt.Errorf("write %s: %w", f.name, err))
	}
	if err := f.h.Sync(); err != nil {
		return j.undo(f, false, fmt.Errorf("sync %s: %w", f.name, err))
	}
	if f.size == 0 { // a new file: its name must be as durable as its contents
		if err := syncDir(j.cfg.Dir); err != nil {
			return j.undo(f, false, fmt.Errorf("sync the journal's folder: %w", err))
		}
	}
	return nil
}

// undo takes back what a failed write may have left at the end of f. Where that fails too nothing is lost: the
// next group does not name this one as the one before it, so replay steps over it.
func (j *Journal) undo(f *file, trusted bool, cause error) error {
	if f.size == 0 {
		j.writing = false
		return errors.Join(cause, j.drop(f))
	}
	err := f.h.Truncate(f.size)
	j.writing = trusted && err == nil
	return errors.Join(cause, err)
}

// Read gives the record at p, with its body appended to dst. Errors: ErrAltered, which names the file and offset.
func (j *Journal) Read(p Position, dst []byte) (Record, []byte, error) {
	v, ok := j.files.Load(p.File)
	if !ok {
		return Record{}, dst, fmt.Errorf("read record: %s is gone", fileName(p.File))
	}
	f := v.(*file)
	var head [headerSize]byte
	if _, err := f.h.ReadAt(head[:], p.Offset); err != nil {
		return Record{}, dst, fmt.Errorf("read %s at %d: %w", f.name, p.Offset, err)
	}
	s := j.read.Get().(*sealer)
	defer j.read.Put(s)
	r, ok := s.header(head[:], f.number)
	if !ok {
		return Record{}, dst, fmt.Errorf("%w: %s at %d", ErrAltered, f.name, p.Offset)
	}
	start := len(dst)
	dst = slices.Grow(dst, r.Size)[:start+r.Size]
	if _, err := f.h.ReadAt(dst[start:], p.Offset+headerSize); err != nil {
		return Record{}, dst[:start], fmt.Errorf("read %s at %d: %w", f.name, p.Offset, err)
	}
	if !r.matches(dst[start:]) {
		return Record{}, dst[:start], fmt.Errorf("%w: %s at %d", ErrAltered, f.name, p.Offset)
	}
	r.Pos, r.Body = p, dst[start:]
	return r, dst, nil
}

// Probe reads the newest stored group back from the file. Errors: ErrAltered, or what the disk says.
func (j *Journal) Probe() error {
	j.mu.Lock()
	newest := j.newest
	j.mu.Unlock()
	if newest == (Position{}) {
		return nil // nothing was stored since Open
	}
	r, _, err := j.Read(newest, nil)
	if err == nil && r.Kind != KindGroup {
		err = fmt.Errorf("%w: another record stands where the newest group was written", ErrAltered)
	}
	return err
}

// Release says that the records at these places are needed no longer: moved, and filed where that is due. A file
// goes when nothing in it is needed and GraceFiles later ones have begun; Sweep removes it.
func (j *Journal) Release(places ...Position) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range places {
		if v, ok := j.files.Load(p.File); ok {
			v.(*file).live--
		}
	}
}

// needed is the oldest file that must stay. Files go from the oldest on only, so that those left always follow
// each other and a hole is a finding.
func (j *Journal) needed() uint64 {
	for _, f := range j.order {
		if f.live > 0 || f.number+uint64(j.cfg.Grace) >= j.number {
			return f.number
		}
	}
	return j.number
}

// Sweep removes the files that the newest stored group says are needed no longer. Said first and removed after:
// otherwise a file that is gone on purpose would look like one that was lost.
func (j *Journal) Sweep() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.order) > 0 && j.order[0].number < j.stated {
		if err := j.drop(j.order[0]); err != nil {
			return err
		}
	}
	return nil
}

// Verify reads all of the journal again and gives what is altered or missing.
func (j *Journal) Verify() ([]*Damage, error) {
	j.mu.Lock()
	sizes := make(map[uint64]int64)
	var numbers []uint64
	for _, f := range j.order {
		numbers = append(numbers, f.number)
		sizes[f.number] = f.size
	}
	stated := j.stated
	j.mu.Unlock()
	if stated == 0 {
		return nil, nil // nothing was stored since Open, and Open has read it all
	}
	s := j.read.Get().(*sealer)
	defer j.read.Put(s)
	r, err := load(j.cfg, s, numbers, func(n uint64) int64 { return sizes[n] }, true)
	if err != nil {
		return nil, err
	}
	return r.Damages, nil
}

// Inspect reads a journal nobody has open, and changes nothing.
func Inspect(cfg Config) (*Replay, error) {
	numbers, err := list(cfg.Dir)
	if err != nil {
		return nil, err
	}
	return load(cfg.withDefaults(), newSealer(cfg.Key), numbers, func(uint64) int64 { return -1 }, false)
}

// Status is how the journal stands.
func (j *Journal) Status() (bytes int64, files int, w Written) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bytes, len(j.order), j.written
}

// Close ends writing and reading. Whoever wants the next start to know of a clean end appends a Clean group first.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	var errs []error
	for _, f := range j.order {
		j.files.Delete(f.number)
		if err := f.h.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", f.name, err))
		}
	}
	j.order = nil
	return errors.Join(errs...)
}

// Behind says whether the file of p is not the newest any more.
func (j *Journal) Behind(p Position) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return p.File < j.number
}
