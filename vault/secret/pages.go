package secret

import (
	"fmt"
	"sync"
	"unsafe"
)

// calls are what pages ask of the kernel, so that a test can refuse each.
type calls struct {
	pageSize int
	reserve  func(n int) ([]byte, error) // empty pages of our own, outside the Go heap
	lock     func(b []byte) error        // keep them out of swap
	hide     func(b []byte) error        // and out of core dumps and forks
	release  func(b []byte) error
}

// pages gets memory in whole pages, and knows what of it is not kept as it should be.
type pages struct {
	calls

	mu    sync.Mutex
	total int64
	flaws map[*byte]flaw // by the first byte
}

// flaw is what the kernel refused for a piece of memory.
type flaw struct {
	bytes int64
	open  bool // not locked
	heap  bool // not even pages of our own
	why   error
}

// Status says how well secrets are kept.
type Status struct {
	Locked int64 // bytes that never reach swap
	Open   int64 // bytes that may
	Reason error // why some are open, or would stand in a core dump; nil while all is as it should be
}

// Memory says how well the secrets of this process are kept.
func Memory() Status { return process().pages.Status() }

// Status says how well these pages are kept.
func (p *pages) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Locked: p.total}
	for _, f := range p.flaws {
		if f.open {
			s.Locked, s.Open = s.Locked-f.bytes, s.Open+f.bytes
		}
		s.Reason = f.why
	}
	return s
}

// get gives at least n empty bytes, in whole pages, and always does: a box that cannot lock memory still records.
func (p *pages) get(n int) []byte {
	n = (n + p.pageSize - 1) / p.pageSize * p.pageSize
	b, f := p.try(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total += int64(n)
	if f.why != nil {
		p.flaws[unsafe.SliceData(b)] = f
	}
	return b
}

func (p *pages) try(n int) ([]byte, flaw) {
	f := flaw{bytes: int64(n)}
	b, err := p.reserve(n)
	if err != nil {
		f.heap, f.open, f.why = true, true, fmt.Errorf("reserve %d bytes for secrets: %w", n, err)
		return make([]byte, n), f
	}
	if err := p.hide(b); err != nil {
		f.why = fmt.Errorf("keep secrets out of dumps: %w", err)
	}
	if err := p.lock(b); err != nil {
		f.open, f.why = true, fmt.Errorf("lock %d bytes of secrets in memory: %w", n, err)
	}
	return b, f
}

// dropped takes back what nobody holds any more, and nobody wiped.
func (p *pages) dropped(b []byte) { p.giveBack(b[:cap(b)]) }

// giveBack wipes memory that get gave, and frees it.
func (p *pages) giveBack(b []byte) {
	clear(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	at := unsafe.SliceData(b)
	f := p.flaws[at]
	if !f.heap {
		if err := p.release(b); err != nil { // it is wiped, and stays ours
			f.bytes, f.why = int64(len(b)), fmt.Errorf("free memory of secrets: %w", err)
			p.flaws[at] = f
			return
		}
	}
	p.total -= int64(len(b))
	delete(p.flaws, at)
}
