package pipeline

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// logEvery is how often one kind of trouble is logged at most: all of it can come with every frame.
const logEvery = time.Second

// trouble counts one kind of it, from any goroutine.
type trouble struct {
	n    atomic.Uint64
	last atomic.Pointer[error]
	told uint64 // by the polling goroutine
}

func (t *trouble) note(err error) {
	t.last.Store(&err)
	t.n.Add(1)
}

// news is what to log of it, or nil if that was said already.
func (t *trouble) news() []slog.Attr {
	n := t.n.Load()
	if n == t.told {
		return nil
	}
	more := n - t.told
	t.told = n
	return []slog.Attr{slog.Uint64("more", more), slog.Uint64("total", n), slog.Any("err", *t.last.Load())}
}
