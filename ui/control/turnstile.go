package control

import (
	"net"
	"sync"
)

// turnstile lets only so many connections in at once; the next waits in the kernel's queue.
type turnstile struct {
	net.Listener
	places chan struct{} // one for each connection that is in
	closed chan struct{}
	once   sync.Once
}

func newTurnstile(ln net.Listener, n int) *turnstile {
	return &turnstile{Listener: ln, places: make(chan struct{}, n), closed: make(chan struct{})}
}

func (t *turnstile) Accept() (net.Conn, error) {
	select {
	case t.places <- struct{}{}:
	case <-t.closed:
		return nil, net.ErrClosed
	}
	c, err := t.Listener.Accept()
	if err != nil {
		<-t.places
		return nil, err
	}
	return &guest{Conn: c, leave: sync.OnceFunc(func() { <-t.places })}, nil
}

func (t *turnstile) Close() error {
	t.once.Do(func() { close(t.closed) })
	return t.Listener.Close()
}

// guest gives its place back when it leaves.
type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}
