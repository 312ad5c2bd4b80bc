// Package tpmdev is a TPM 2.0: a device of the kernel, or the unix socket of a software TPM.
//
//	In:    a path, and the vendor's Policy
//	Out:   a tpm.Chip
//	Owner: the caller, who waits for the one goroutine of an operation; calls take turns
//	Full:  a chip has three slots for objects; an operation loads two at most and flushes both
//
// A sealed object can be used in one way only: PolicyPCR brings a session to what was measured at boot,
// PolicyAuthorize accepts it if the vendor has signed exactly that, for our purpose (Policy.Ref), and PolicyNV
// if the counter has not passed the object's epoch. So a new firmware needs a new signature, never a new sealing, and
// one step of the counter revokes. There is no password.
//
// The wire between processor and chip is not trusted: sessions are salted to the storage key, and secrets and authorisations
// cross under AES-128-CFB or as an HMAC. Until the chip's Identity is pinned, whoever can put something of their own
// between the two from the first day on still reads along.
package tpmdev

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
	turn   chan struct{} // one token: an operation is under way
	closed chan struct{}

	// What only the operation under way touches.
	chip   *known               // what was found first; another one later is another chip
	ticket *tpm2.TPMTTKVerified // the chip's word that the vendor signed the policy
}

var _ tpm.Chip = (*Device)(nil)

// oneTurn is the size of turn: the chip does one thing at a time.
const oneTurn = 1

// Open finds the chip, and shuts its platform hierarchy. It makes nothing: see Prepare. Ref is the purpose that
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
		if err := l.shutPlatform(); err != nil {
			return err
		}
		if _, err := l.chip(d); !errors.Is(err, tpm.ErrNotReady) {
			return err
		}
		return nil // a chip that nobody prepared yet
	})
	if err != nil {
		return nil, fmt.Errorf("open TPM %s: %w", path, err)
	}
	return d, nil
}

// chip gives the storage key, and refuses a chip of another identity than was found first. Errors: tpm.ErrNotReady, tpm.ErrRefused.
func (l *link) chip(d *Device) (storage, error) {
	if d.chip == nil {
		p, err := l.look()
		if err != nil {
			return storage{}, err
		}
		if !p.whole() {
			return storage{}, tpm.ErrNotReady
		}
		d.chip = p.known()
		return p.storage, nil
	}
	key, err := l.lookStorage()
	switch {
	case err != nil:
		return key, err
	case len(key.Name.Buffer) == 0:
		return key, fmt.Errorf("%w any more", tpm.ErrNotReady)
	case !bytes.Equal(key.Name.Buffer, d.chip.storage.Buffer):
		return key, fmt.Errorf("%w: the storage key is another one than at the start", tpm.ErrRefused)
	}
	return key, nil
}

// with runs an operation that needs a prepared chip.
func (d *Device) with(ctx context.Context, operate func(l *link, key storage, chip *known) error) error {
	return d.do(ctx, func(l *link) error {
		key, err := l.chip(d)
		if err != nil {
			return err
		}
		return operate(l, key, d.chip)
	})
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

// do runs one operation on a link of its own, and frees all it loaded. When the chip's slots are taken, it frees what it
// can and tries once more: no operation has an effect before it has all it needs.
func (d *Device) do(ctx context.Context, operate func(*link) error) error {
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
	// On a goroutine of its own, because callers hold secrets, and what runs under secret.Do pays for each allocation: some 13,000
	// of go-tpm's for one sealing took 25 ms. The few commands that carry a secret are erased one by one.
	done := make(chan error)
	go func() {
		err := d.once(ctx, d.socket, operate)
		if slotsTaken(err) {
			err = d.once(ctx, true, operate)
		}
		done <- err
	}()
	return <-done
}

func (d *Device) once(ctx context.Context, sweep bool, operate func(*link) error) (err error) {
	l, err := dial(ctx, d.path, d.socket)
	if err != nil {
		return err
	}
	defer func() { err = classify(errors.Join(err, l.Close())) }()
	if sweep {
		if err := l.Sweep(); err != nil {
			return err
		}
	}
	return operate(l)
}

// slotsTaken says whether an operation failed for want of room on the chip.
func slotsTaken(err error) bool {
	for _, code := range []tpm2.TPMRC{tpm2.TPMRCObjectMemory, tpm2.TPMRCObjectHandles, tpm2.TPMRCSessionMemory, tpm2.TPMRCSessionHandles, tpm2.TPMRCMemory} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
