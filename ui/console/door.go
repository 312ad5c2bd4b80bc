package console

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"
)

// door lets only so many connections be open at once. A neighbour that opens thousands uses up the door, not the
// memory of the recorder.
type door struct {
	net.Listener
	places chan struct{} // one for each connection that may be open: a full channel holds up Accept, which is the point
	closed chan struct{}
	once   sync.Once
}

func newDoor(ln net.Listener, places int) *door {
	return &door{Listener: ln, places: make(chan struct{}, places), closed: make(chan struct{})}
}

// Accept waits for a free place, then for a connection.
func (d *door) Accept() (net.Conn, error) {
	select {
	case d.places <- struct{}{}:
	case <-d.closed:
		return nil, net.ErrClosed
	}
	conn, err := d.Listener.Accept()
	if err != nil {
		<-d.places
		return nil, err
	}
	return &guest{Conn: conn, leave: sync.OnceFunc(func() { <-d.places })}, nil
}

// Close ends Accept, also one that waits for a place.
func (d *door) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Listener.Close()
}

// guest is a connection that frees its place when it closes.
type guest struct {
	net.Conn
	leave func()
}

// Read wipes the room it is given before it fills it: TLS opens records in place, and keeps one room for all of them.
func (g *guest) Read(p []byte) (int, error) {
	clear(p)
	return g.Conn.Read(p)
}

func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

// errorPause is the least time between two lines about connections that went wrong.
const errorPause = time.Minute

// fewErrors passes on what net/http says of bad connections, at most once in errorPause, and how many went before.
type fewErrors struct {
	slog.Handler

	mu   sync.Mutex
	next time.Time
	kept int
}

func newFewErrors(to *slog.Logger) *fewErrors { return &fewErrors{Handler: to.Handler()} }

// Handle takes one line.
func (f *fewErrors) Handle(ctx context.Context, r slog.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Time.Before(f.next) {
		f.kept++
		return nil
	}
	line := slog.NewRecord(r.Time, r.Level, "console connection went wrong", 0)
	line.AddAttrs(slog.String("err", r.Message), slog.Int("before", f.kept))
	f.next, f.kept = r.Time.Add(errorPause), 0
	return f.Handler.Handle(ctx, line)
}
