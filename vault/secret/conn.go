package secret

import "net"

// Listener hands out connections that do not leave in a reader's buffer what was read before. A server keeps one buffer
// for each connection, and then for the next one: a password that came over it would stay there until something longer
// comes. Reader's room for more is free by io.Reader's contract, so it is wiped before each read, and a server reads on
// as soon as it has answered. Parts of it that hold something not yet taken are not touched.
func Listener(ln net.Listener) net.Listener { return listener{ln} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

type conn struct{ net.Conn }

func (c conn) Read(p []byte) (int, error) {
	clear(p)
	return c.Conn.Read(p)
}
