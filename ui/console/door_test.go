package console

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestADoorLetsInOnlyAsManyAsThereArePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outside := &queue{guests: make(chan net.Conn, 3)} // the three guests of this test
		d := newDoor(outside, 2)
		for range 3 {
			near, _ := net.Pipe()
			outside.guests <- near
		}
		inside := make(chan net.Conn, 3) // likewise
		go func() {
			defer close(inside)
			for {
				c, err := d.Accept()
				if err != nil {
					return
				}
				inside <- c
			}
		}()
		synctest.Wait()
		if len(inside) != 2 {
			t.Errorf("%d came in, want 2", len(inside))
		}
		first := <-inside
		for range 2 { // closing twice frees one place
			if err := first.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		synctest.Wait()
		if len(inside) != 2 {
			t.Errorf("%d are inside after one left, want 2", len(inside))
		}
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		if _, err := d.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v, want net.ErrClosed", err)
		}
	})
}

// queue is a listener whose guests stand ready.
type queue struct{ guests chan net.Conn }

func (q *queue) Accept() (net.Conn, error) {
	c, ok := <-q.guests
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (q *queue) Close() error   { close(q.guests); return nil }
func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

func TestBadConnectionsAreLoggedOnceAMinuteAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := slog.NewLogLogger(newFewErrors(slog.New(slog.NewTextHandler(&out, nil))), slog.LevelWarn)
		for range 1000 {
			l.Print("http: TLS handshake error from 192.0.2.9:5555: remote error: tls: unknown certificate")
			time.Sleep(100 * time.Millisecond) // of the bubble's own clock
		}
		if lines := strings.Count(out.String(), "\n"); lines != 2 {
			t.Errorf("%d lines for 1,000 bad connections in 100 s, want 2", lines)
		}
		if !strings.Contains(out.String(), "before=599") {
			t.Errorf("the second line does not count those before it:\n%s", &out)
		}
	})
}

func TestARedirectGoesOnlyToWhatLooksLikeAHost(t *testing.T) {
	for _, c := range []struct{ host, listen, want string }{
		{"box.lan", ":443", "https://box.lan/"}, {"box.lan:80", ":8443", "https://box.lan:8443/"},
		{"192.0.2.7", ":8443", "https://192.0.2.7:8443/"}, {"[fd00::7]", ":443", "https://[fd00::7]/"},
		{"[fd00::7]:80", ":8443", "https://[fd00::7]:8443/"}, {"", ":443", ""}, {"a/b", ":443", ""}, {"a@b", ":443", ""},
		{"a\\b", ":443", ""}, {"a b", ":443", ""}, {"a?b", ":443", ""}, {"a#b", ":443", ""}, {"a%62", ":443", ""},
	} {
		if got, _ := secureAddress(c.host, c.listen); got != c.want {
			t.Errorf("host %q on %s: %q, want %q", c.host, c.listen, got, c.want)
		}
	}
}
