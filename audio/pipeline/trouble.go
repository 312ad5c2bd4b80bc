package pipeline

import (
	"context"
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

// tell logs what is new of it.
func (t *trouble) tell(ctx context.Context, log *slog.Logger, msg string) {
	n := t.n.Load()
	if n == t.told {
		return
	}
	log.LogAttrs(ctx, slog.LevelError, msg, slog.Uint64("more", n-t.told), slog.Uint64("total", n), slog.Any("err", *t.last.Load()))
	t.told = n
}
