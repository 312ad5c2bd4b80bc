package secret

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

func TestABufferedReaderKeepsNothingOfWhatWasTaken(t *testing.T) {
	var lc net.ListenConfig
	plain, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := Listener(plain)
	defer ln.Close()
	said := make(chan struct{})
	go func() {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if _, err := io.WriteString(c, "the-password-is-horse\n"); err != nil {
			t.Error(err)
		}
		<-said
		if _, err := io.WriteString(c, "next\n"); err != nil {
			t.Error(err)
		}
	}()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 64)
	first, err := r.ReadSlice('\n') // a piece of the reader's own buffer
	if err != nil || string(first) != "the-password-is-horse\n" {
		t.Fatalf("%q, %v", first, err)
	}
	close(said)
	if next, err := r.ReadString('\n'); err != nil || next != "next\n" {
		t.Fatalf("%q, %v", next, err)
	}
	if strings.Contains(string(first), "horse") {
		t.Errorf("the buffer still holds %q", first)
	}
}
