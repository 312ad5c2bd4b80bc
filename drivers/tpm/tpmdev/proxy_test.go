package tpmdev_test

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm/tpmtest"
)

// proxy stands between driver and chip. It records all that crosses, and may answer in the chip's place.
type proxy struct {
	path   string
	answer func(command []byte) (response []byte) // nil: ask the chip

	mu    sync.Mutex
	taken []byte
}

func (p *proxy) serve(t *testing.T, chip *tpmtest.Chip) {
	t.Helper()
	p.path = filepath.Join(filepath.Dir(chip.Socket), fmt.Sprintf("proxy%p", p))
	listener, err := net.Listen("unix", p.path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.relay(conn, chip.Socket)
		}
	})
	t.Cleanup(func() { _ = listener.Close(); wg.Wait() })
}

func (p *proxy) relay(conn net.Conn, socket string) {
	defer func() { _ = conn.Close() }()
	chip, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer func() { _ = chip.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		command := bytes.Clone(buf[:n])
		response := p.record(command)
		if response == nil {
			if _, err := chip.Write(command); err != nil {
				return
			}
			if n, err = chip.Read(buf); err != nil {
				return
			}
			response = buf[:n]
		}
		p.mu.Lock()
		p.taken = append(p.taken, response...)
		p.mu.Unlock()
		if _, err := conn.Write(response); err != nil {
			return
		}
	}
}

func (p *proxy) record(command []byte) (response []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = append(p.taken, command...)
	if p.answer == nil {
		return nil
	}
	return p.answer(command)
}

func (p *proxy) saw(needle []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Contains(p.taken, needle)
}

// busy answers the first few commands with a code, and then leaves them to the chip.
func busy(code tpm2.TPMRC, times int, when tpm2.TPMCC) func([]byte) []byte {
	return func(command []byte) []byte {
		if times == 0 || when != 0 && !bytes.Equal(command[6:10], []byte{0, 0, byte(when >> 8), byte(when)}) {
			return nil
		}
		times--
		return []byte{0x80, 0x01, 0, 0, 0, 10, 0, 0, byte(code >> 8), byte(code)}
	}
}
