package secret

import (
	"runtime"
	"sync"
)

// chunkSize is by how much the arena grows: room for 2,048 keys, which is more than a box with 32 calls up has.
const chunkSize = 64 << 10

// cell is the memory of one key.
type cell = [Size]byte

// arena hands out cells of locked memory. A cell that comes back is wiped, so that each goes out empty.
type arena struct {
	pages   *pages
	ciphers ciphers

	mu    sync.Mutex
	spare []*cell
	cells int // all there are, handed out or not
}

// process is where this process's keys lie: the limit on locked pages is the process's too.
//
//nolint:gochecknoglobals // keys are made in every package, and locked pages are counted for the process as a whole
var process = sync.OnceValue(func() *arena { return newArena(kernel()) })

func newArena(k calls) *arena {
	return &arena{pages: &pages{calls: k, flaws: map[*byte]flaw{}}, ciphers: newCiphers()}
}

// take hands out an empty cell.
func (a *arena) take() *place {
	c := a.cell()
	p := &place{bytes: c[:], home: a}
	p.cleanup = runtime.AddCleanup(p, a.dropped, c)
	return p
}

// dropped takes back the cell of a key that nobody holds any more, and nobody wiped.
func (a *arena) dropped(c *cell) { a.giveBack(c[:]) }

func (a *arena) cell() *cell {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.spare) == 0 {
		a.grow()
	}
	last := len(a.spare) - 1
	c := a.spare[last]
	a.spare = a.spare[:last]
	return c
}

// grow adds a chunk; mu is held. Chunks stay: whoever needed so many keys at once will again.
func (a *arena) grow() {
	chunk := a.pages.get(chunkSize)
	n := len(chunk) / Size
	a.cells += n
	if cap(a.spare) < a.cells { // room for all of them, so that giving back never allocates
		a.spare = append(make([]*cell, 0, a.cells), a.spare...)
	}
	for i := n - 1; i >= 0; i-- { // the last of spare goes out first: cells in the order of their addresses
		a.spare = append(a.spare, (*cell)(chunk[i*Size:]))
	}
}

func (a *arena) giveBack(b []byte) {
	clear(b)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spare = append(a.spare, (*cell)(b))
}

// used is how many cells are handed out.
func (a *arena) used() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cells - len(a.spare)
}
