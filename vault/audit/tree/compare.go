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
	Hashes
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
		var got tlog.Hash
		if _, err := io.ReadFull(s.in, got[:]); err != nil {
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
func (h Hashes) Compare() *Comparison {
	return &Comparison{Hashes: h, in: bufio.NewReaderSize(io.NewSectionReader(h.File, 0, 1<<62), 1<<18)}
}
