package tpmdev

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
	maxResponse    = 4096 // TPM 2.0 PC Client profile, the largest response
	responseHeader = 10   // tag, size, code
	// A chip that is busy or testing itself asks for the same command again. Hardware takes up to some
	// seconds for its self-test, so we go on for ten.
	firstPause = 2 * time.Millisecond
	longPause  = 250 * time.Millisecond
	patience   = 10 * time.Second
	// flushTime is for freeing what was loaded, also after the operation's context has ended.
	flushTime = 2 * time.Second
)

// link is one connection to the chip, for one operation. It is go-tpm's transport.
type link struct {
	ctx    context.Context
	wire   io.ReadWriteCloser
	loaded []tpm2.TPMHandle
}

var _ transport.TPM = (*link)(nil)

func dial(ctx context.Context, path string, socket bool) (*link, error) {
	if !socket {
		// Blocking on purpose: os.OpenFile makes a device non-blocking, and the kernel's TPM driver then
		// answers a read that comes too early with end of file (tpm-dev-common.c).
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("%w: open device: %w", tpm.ErrUnavailable, err)
		}
		return &link{ctx: ctx, wire: os.NewFile(uintptr(fd), path)}, nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
	}
	return &link{ctx: ctx, wire: conn}, nil
}

// Send implements transport.TPM. It sends the command again while the chip asks for that, which go-tpm does not.
func (l *link) Send(command []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	if conn, ok := l.wire.(net.Conn); ok {
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) }) // only fails on a closed connection
		defer stop()
	}
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
		}
		response, err := l.exchange(command)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", tpm.ErrUnavailable, errors.Join(err, ctx.Err()))
		}
		switch tpm2.TPMRC(binary.BigEndian.Uint32(response[6:])) {
		case tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting:
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

func (l *link) exchange(command []byte) ([]byte, error) {
	if _, err := l.wire.Write(command); err != nil {
		return nil, fmt.Errorf("send command: %w", err)
	}
	response := make([]byte, maxResponse)
	for n, want := 0, responseHeader; ; {
		m, err := l.wire.Read(response[n:])
		n += m
		if n >= responseHeader {
			want = int(min(binary.BigEndian.Uint32(response[2:]), maxResponse+1))
		}
		switch {
		case n >= responseHeader && n == want:
			return response[:n], nil
		case n > want || want > maxResponse || want < responseHeader:
			return nil, fmt.Errorf("read response: %d bytes announced, %d came", want, n)
		case err != nil:
			return nil, fmt.Errorf("read response: %w", err)
		}
	}
}

// keep notes an object or session to be flushed at the end.
func (l *link) keep(h tpm2.TPMHandle) { l.loaded = append(l.loaded, h) }

// flush frees one object or session now.
func (l *link) flush(h tpm2.TPMHandle) error {
	for i, other := range l.loaded {
		if other == h {
			l.loaded = append(l.loaded[:i], l.loaded[i+1:]...)
			break
		}
	}
	_, err := tpm2.FlushContext{FlushHandle: h}.Execute(l)
	if err != nil {
		return fmt.Errorf("flush %#x: %w", h, err)
	}
	return nil
}

// close frees what is loaded and hangs up.
func (l *link) close() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), flushTime)
	defer cancel()
	l.ctx = ctx
	if conn, ok := l.wire.(net.Conn); ok && len(l.loaded) > 0 {
		_ = conn.SetDeadline(time.Time{}) // a deadline that an ended context set; a closed connection shows at the flush
	}
	var errs []error
	for len(l.loaded) > 0 {
		errs = append(errs, l.flush(l.loaded[len(l.loaded)-1]))
	}
	errs = append(errs, l.wire.Close())
	return errors.Join(errs...)
}

// sweep flushes what a killed process left in a software TPM: there is no resource manager, and whoever has
// the connection is alone on it.
func (l *link) sweep() error {
	for _, kind := range []tpm2.TPMHandle{tpm2.TPMHandle(tpm2.TPMHTTransient) << 24, tpm2.TPMHandle(tpm2.TPMHTLoadedSession) << 24} {
		handles, err := l.handles(kind)
		if err != nil {
			return err
		}
		for _, h := range handles {
			if err := l.flush(h); err != nil {
				return fmt.Errorf("free what another process left: %w", err)
			}
		}
	}
	return nil
}

// handles lists what the chip has from a handle on, of the same kind.
func (l *link) handles(from tpm2.TPMHandle) ([]tpm2.TPMHandle, error) {
	const many = 64 // more than any chip holds at once
	response, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: uint32(from), PropertyCount: many}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("list handles: %w", err)
	}
	list, err := response.CapabilityData.Data.Handles()
	if err != nil {
		return nil, fmt.Errorf("list handles: %w", err)
	}
	return list.Handle, nil
}

// classify says for every error whether trying later may help. What a caller finds out about the chip must be one of the two.
func classify(err error) error {
	if err == nil || errors.Is(err, tpm.ErrUnavailable) || errors.Is(err, tpm.ErrRefused) {
		return err
	}
	var code tpm2.TPMRC
	if !errors.As(err, &code) || code.IsWarning() || code == tpm2.TPMRCInitialize || code == tpm2.TPMRCFailure || code == tpm2.TPMRCPCRChanged {
		return fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", tpm.ErrRefused, err)
}

// unavailable is for operations that know no refusal.
func unavailable(err error) error {
	if errors.Is(err, tpm.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
}
