// Package tpmdev seals on a TPM 2.0: a device of the kernel, or the unix socket of a software TPM.
//
//	In:    a path, and the vendor's Policy
//	Out:   a tpm.Sealer
//	Owner: the caller; no goroutine of ours, calls take turns
//	Full:  a chip has three slots for objects; an operation loads two at most and flushes both
//
// A sealed object can be used in one way only: PolicyPCR brings a session to what was measured at boot,
// PolicyAuthorize accepts it if the vendor has signed exactly that, for our purpose (Policy.Ref). So a new
// firmware needs a new signature, never a new sealing. There is no password.
//
// The wire between processor and chip is not trusted: sessions are salted to the storage key and the secret
// crosses under AES-128-CFB in both directions. Until the storage key's name is pinned at provisioning, whoever
// can put something of their own between the two from the first day on still reads along.
package tpmdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm"
)

// Device is a chip under a vendor's policy. It opens the path anew for each operation: a software TPM serves
// one connection at a time, so other processes wait their turn and none finds the slots taken.
type Device struct {
	path   string
	socket bool
	policy Policy
	vendor vendorKey
	srk    tpm2.TPM2BName // of the storage key found by Open; another one later is another chip
	turn   chan struct{}  // one token: an operation is under way
	closed chan struct{}
}

var _ tpm.Sealer = (*Device)(nil)

// oneTurn is the size of turn: the chip does one thing at a time.
const oneTurn = 1

// Open finds the chip and its storage key, which it makes and persists the first time. Ref is the purpose that
// the caller accepts, "linekeep-release" or "linekeep-demo"; a policy for another one is ErrRefused.
// Errors: ErrPolicy, tpm.ErrRefused, tpm.ErrUnavailable.
func Open(ctx context.Context, path string, policy Policy, ref string) (*Device, error) {
	if err := policy.Validate(); err != nil {
		return nil, err
	}
	if policy.Ref != ref {
		return nil, fmt.Errorf("%w: policy is for %q, only %q is accepted", tpm.ErrRefused, policy.Ref, ref)
	}
	vendor, err := policy.vendorKey()
	if err != nil {
		return nil, err
	}
	socket, err := isSocket(path)
	if err != nil {
		return nil, err
	}
	d := &Device{path: path, socket: socket, policy: policy, vendor: vendor, turn: make(chan struct{}, oneTurn), closed: make(chan struct{})}
	err = d.do(ctx, func(l *link) error {
		key, err := l.storageKey()
		d.srk = key.Name
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open TPM %s: %w", path, err)
	}
	return d, nil
}

func isSocket(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
	case err != nil:
		return false, fmt.Errorf("look at TPM: %w: %w", tpm.ErrUnavailable, err)
	case info.Mode()&os.ModeSocket != 0:
		return true, nil
	case info.Mode()&os.ModeCharDevice != 0:
		return false, nil
	}
	return false, fmt.Errorf("%w: %s is neither a device nor a socket", tpm.ErrUnavailable, path)
}

// Seal implements tpm.Sealer.
func (d *Device) Seal(ctx context.Context, secret []byte) (tpm.Blob, error) {
	if len(secret) == 0 || len(secret) > tpm.MaxSecret {
		return nil, fmt.Errorf("seal: a TPM seals 1 to %d bytes, not %d", tpm.MaxSecret, len(secret))
	}
	var blob tpm.Blob
	err := d.do(ctx, func(l *link) (err error) {
		blob, err = l.seal(d, secret)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("seal: %w", unavailable(err)) // no refusal is known of sealing: it asks for no authorisation
	}
	return blob, nil
}

// Unseal implements tpm.Sealer.
func (d *Device) Unseal(ctx context.Context, blob tpm.Blob) ([]byte, error) {
	object, err := parseBlob(blob)
	if err != nil {
		return nil, fmt.Errorf("unseal: %w: %w", tpm.ErrRefused, err)
	}
	var secret []byte
	err = d.do(ctx, func(l *link) (err error) {
		secret, err = l.unseal(d, object)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	return secret, nil
}

// Close implements tpm.Sealer. It waits for an operation under way; a second Close does nothing.
func (d *Device) Close() error {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	select {
	case <-d.closed:
	default:
		close(d.closed)
	}
	return nil
}

// do runs one operation on a link of its own, and frees all it loaded.
func (d *Device) do(ctx context.Context, operate func(*link) error) (err error) {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: wait for a turn: %w", tpm.ErrUnavailable, ctx.Err())
	}
	defer func() { <-d.turn }()
	select {
	case <-d.closed:
		return fmt.Errorf("%w: closed", tpm.ErrUnavailable)
	default:
	}
	l, err := dial(ctx, d.path, d.socket)
	if err != nil {
		return err
	}
	defer func() { err = classify(errors.Join(err, l.close())) }()
	if d.socket {
		if err := l.sweep(); err != nil {
			return err
		}
	}
	return operate(l)
}
