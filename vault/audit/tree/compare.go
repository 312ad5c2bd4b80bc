package tree

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrAltered reports hashes that are not those of the entries.
var ErrAltered = errors.New("audit: hashes of the tree altered")

// Comparison reads the file of the tree's hashes along with the entries: proofs are made from it.
type Comparison struct {
	*Hashes
	in   io.Reader
	over bool // it cannot be read on
}

// Next compares what the file has with the hashes that an entry adds, and puts them right if they are sure.
func (s *Comparison) Next(size int64, want []tlog.Hash, sure bool) error {
	if s.over {
		return nil
	}
	var bad bool
	for i := range want {
		got, waits := s.waits(tlog.StoredHashCount(size) + int64(i))
		if waits { // the file has it once there is room
			s.from(tlog.StoredHashCount(size) + int64(i) + 1)
		} else if _, err := io.ReadFull(s.in, got[:]); err != nil {
			s.over = true
			return fmt.Errorf("%w: they end before entry %d, and are made anew at the next start: %w", ErrAltered, size, err)
		}
		bad = bad || got != want[i]
	}
	if !bad {
		return nil
	}
	err := fmt.Errorf("%w: at entry %d", ErrAltered, size)
	if sure {
		err = errors.Join(err, s.Write(size, want))
	}
	return err
}

// Compare begins to read the file.
func (h *Hashes) Compare() *Comparison {
	s := &Comparison{Hashes: h}
	s.from(0)
	return s
}

// from reads on from a hash.
func (s *Comparison) from(index int64) {
	s.in = bufio.NewReaderSize(io.NewSectionReader(s.File, index*tlog.HashSize, 1<<62), 1<<18)
}
