package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// errStop ends a walk early.
var errStop = errors.New("stop")

// found is an entry, or a place where one should be.
type found struct {
	Stored
	off, size int64 // size 0: how long it is is not known, and the walk ends
	err       error
}

// records walks over the entries of a file, as far as it counts. It has a handle of its own: the writer may close its own at
// any time.
func (l *Log) records(p *part, visit func(found) error) (err error) {
	f, err := l.cfg.FS.Open(l.path(p.name), false)
	if err != nil {
		return fmt.Errorf("read %s: %w", p.name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in := bufio.NewReaderSize(io.NewSectionReader(f, headerSize, max(p.size-headerSize, 0)), 1<<18)
	var b []byte
	for off := int64(headerSize); off < p.size; {
		head, err := in.Peek(recordHead)
		core, sealed, ok := recordSize(head)
		n := recordHead + core + sealed + sumSize
		r := found{off: off, size: int64(n)}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", p.name, err)
		}
		if !ok || off+r.size > p.size {
			r.size, r.err = 0, errTorn
			if err := visit(r); err != nil && !errors.Is(err, errStop) {
				return err
			}
			return nil
		}
		b = slices.Grow(b[:0], n)[:n]
		if _, err := io.ReadFull(in, b); err != nil {
			return fmt.Errorf("read %s: %w", p.name, err)
		}
		r.Stored, _, r.err = parseRecord(b)
		if err := visit(r); errors.Is(err, errStop) {
			return nil
		} else if err != nil {
			return err
		}
		off += r.size
	}
	return nil
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
