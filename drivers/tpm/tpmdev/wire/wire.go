// Package wire carries commands to a TPM 2.0 and back: it sends again what the chip asks for again, and frees what was loaded.
//
//	In:    commands, as go-tpm writes them
//	Out:   responses
//	Owner: the caller, who closes; no goroutine
//	Full:  a response is at most 4,096 bytes; a chip that answers nothing for ten seconds is given up
package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"golang.org/x/sys/unix"

	"linekeep/drivers/tpm"
)

const (
	// ResponseHeader is a response's tag, size and code, in bytes; a command's is as long.
	ResponseHeader = 10
	maxResponse    = 4096 // TPM 2.0 PC Client profile, the largest response
	// A chip that is busy, testing itself, or sparing its memory asks for the same command again. Hardware takes up to some
	// seconds for its self-test, so we go on for ten.
	firstPause = 250 * time.Microsecond
	longPause  = 250 * time.Millisecond
	patience   = 10 * time.Second
	// flushTime is for freeing what was loaded, also after the operation's context has ended.
	flushTime = 2 * time.Second
)

// Wire is one connection to the chip, for one operation. It is go-tpm's transport.
type Wire struct {
	ctx    context.Context
	conn   io.ReadWriteCloser
	loaded []tpm2.TPMHandle
	read   [][]byte // responses: go-tpm decrypts secrets in them, in place
}

var _ transport.TPM = (*Wire)(nil)

// Dial connects to a device of the kernel, or to a software TPM's socket. Errors: tpm.ErrUnavailable.
func Dial(ctx context.Context, path string, socket bool) (*Wire, error) {
	if !socket {
		// Blocking on purpose: os.OpenFile makes a device non-blocking, and the kernel's TPM driver then
		// answers a read that comes too early with end of file (tpm-dev-common.c).
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("%w: open device: %w", tpm.ErrUnavailable, err)
		}
		return &Wire{ctx: ctx, conn: os.NewFile(uintptr(fd), path)}, nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
	}
	return &Wire{ctx: ctx, conn: conn}, nil
}

// Send implements transport.TPM. It sends the command again while the chip asks for that, which go-tpm does not.
func (w *Wire) Send(command []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if conn, ok := w.conn.(net.Conn); ok {
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) }) // only fails on a closed connection
		defer stop()
	}
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
		}
		response, err := w.exchange(command)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", tpm.ErrUnavailable, errors.Join(err, ctx.Err()))
		}
		switch tpm2.TPMRC(binary.BigEndian.Uint32(response[6:])) {
		case tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting, tpm2.TPMRCNVRate:
		default:
			return response, nil
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
		}
	}
}

func (w *Wire) exchange(command []byte) ([]byte, error) {
	if _, err := w.conn.Write(command); err != nil {
		return nil, fmt.Errorf("send command: %w", err)
	}
	response := make([]byte, maxResponse)
	w.read = append(w.read, response)
	for n, want := 0, ResponseHeader; ; {
		m, err := w.conn.Read(response[n:])
		n += m
		if n >= ResponseHeader {
			want = int(min(binary.BigEndian.Uint32(response[2:]), maxResponse+1))
		}
		switch {
		case n >= ResponseHeader && n == want:
			return response[:n], nil
		case n > want || want > maxResponse || want < ResponseHeader:
			return nil, fmt.Errorf("read response: %d bytes announced, %d came", want, n)
		case err != nil:
			return nil, fmt.Errorf("read response: %w", err)
		}
	}
}

// Keep notes an object or session to be flushed at the end.
func (w *Wire) Keep(h tpm2.TPMHandle) { w.loaded = append(w.loaded, h) }

// Flush frees one object or session now.
func (w *Wire) Flush(h tpm2.TPMHandle) error {
	for i, other := range w.loaded {
		if other == h {
			w.loaded = append(w.loaded[:i], w.loaded[i+1:]...)
			break
		}
	}
	_, err := tpm2.FlushContext{FlushHandle: h}.Execute(w)
	if err != nil {
		return fmt.Errorf("flush %#x: %w", h, err)
	}
	return nil
}

// Close frees what is loaded, wipes what was read, and hangs up.
func (w *Wire) Close() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), flushTime)
	defer cancel()
	w.ctx = ctx
	if conn, ok := w.conn.(net.Conn); ok && len(w.loaded) > 0 {
		_ = conn.SetDeadline(time.Time{}) // a deadline that an ended context set; a closed connection shows at the flush
	}
	var errs []error
	for len(w.loaded) > 0 {
		errs = append(errs, w.Flush(w.loaded[len(w.loaded)-1]))
	}
	for _, response := range w.read {
		clear(response)
	}
	errs = append(errs, w.conn.Close())
	return errors.Join(errs...)
}

// Sweep flushes what a killed process left in a software TPM: there is no resource manager, and whoever has
// the connection is alone on it.
func (w *Wire) Sweep() error {
	for _, kind := range []tpm2.TPMHandle{tpm2.TPMHandle(tpm2.TPMHTTransient) << 24, tpm2.TPMHandle(tpm2.TPMHTLoadedSession) << 24} {
		handles, err := w.handles(kind)
		if err != nil {
			return err
		}
		for _, h := range handles {
			if err := w.Flush(h); err != nil {
				return fmt.Errorf("free what another process left: %w", err)
			}
		}
	}
	return nil
}

// handles lists what the chip has from a handle on, of the same kind.
func (w *Wire) handles(from tpm2.TPMHandle) ([]tpm2.TPMHandle, error) {
	const many = 64 // more than any chip holds at once
	response, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: uint32(from), PropertyCount: many}.Execute(w)
	if err != nil {
		return nil, fmt.Errorf("list handles: %w", err)
	}
	list, err := response.CapabilityData.Data.Handles()
	if err != nil {
		return nil, fmt.Errorf("list handles: %w", err)
	}
	return list.Handle, nil
}
