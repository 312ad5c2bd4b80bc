package tpmdev

import (
	"context"
	"fmt"

	"linekeep/drivers/tpm"
)

// Seal implements tpm.Sealer.
func (d *Device) Seal(ctx context.Context, secret []byte, epoch uint64) (tpm.Blob, error) {
	if len(secret) == 0 || len(secret) > tpm.MaxSecret {
		return nil, fmt.Errorf("seal: a TPM seals 1 to %d bytes, not %d", tpm.MaxSecret, len(secret))
	}
	var blob tpm.Blob
	err := d.with(ctx, func(l *link, key storage, chip *known) (err error) {
		blob, err = l.seal(d, key, chip, secret, epoch)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return blob, nil
}

// Unseal implements tpm.Sealer.
func (d *Device) Unseal(ctx context.Context, blob tpm.Blob, epoch uint64) ([]byte, error) {
	object, err := parseBlob(blob)
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	var secret []byte
	err = d.with(ctx, func(l *link, key storage, chip *known) (err error) {
		secret, err = l.unseal(d, key, chip, object, epoch)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	return secret, nil
}

// Epoch implements tpm.Sealer.
func (d *Device) Epoch(ctx context.Context) (epoch uint64, err error) {
	err = d.with(ctx, func(l *link, key storage, chip *known) (err error) {
		epoch, err = l.count(key, chip.counter)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read epoch: %w", err)
	}
	return epoch, nil
}

// Advance implements tpm.Sealer.
func (d *Device) Advance(ctx context.Context, owner []byte, from uint64) (epoch uint64, err error) {
	err = d.with(ctx, func(l *link, key storage, chip *known) (err error) {
		epoch, err = l.advance(key, chip, owner, from)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("advance the counter: %w", err)
	}
	return epoch, nil
}

// Prepare implements tpm.Sealer.
func (d *Device) Prepare(ctx context.Context) (tpm.Identity, error) {
	var identity tpm.Identity
	err := d.do(ctx, func(l *link) error {
		chip, err := l.prepare()
		if err != nil {
			return err
		}
		if d.chip == nil {
			d.chip = chip
		}
		identity = d.chip.Identity
		_, err = l.chip(d)
		return err
	})
	if err != nil {
		return tpm.Identity{}, fmt.Errorf("prepare the chip: %w", err)
	}
	return identity, nil
}

// Identity implements tpm.Sealer.
func (d *Device) Identity(ctx context.Context) (tpm.Identity, error) {
	var identity tpm.Identity
	err := d.with(ctx, func(_ *link, _ storage, chip *known) error {
		identity = chip.Identity
		return nil
	})
	if err != nil {
		return tpm.Identity{}, fmt.Errorf("identify the chip: %w", err)
	}
	return identity, nil
}

// Owned implements tpm.Sealer.
func (d *Device) Owned(ctx context.Context) (owner, lockout bool, err error) {
	err = d.do(ctx, func(l *link) error {
		m, err := l.limits()
		owner, lockout = m.ownerSet, m.lockoutSet
		return err
	})
	if err != nil {
		return false, false, fmt.Errorf("ask who owns the chip: %w", err)
	}
	return owner, lockout, nil
}

// Own implements tpm.Sealer.
func (d *Device) Own(ctx context.Context, owner, lockout []byte) error {
	for i, auth := range [][]byte{owner, lockout} {
		if i > 0 && len(auth) == 0 {
			continue
		}
		if err := checkAuth(auth); err != nil {
			return fmt.Errorf("own the chip: %w", err)
		}
	}
	err := d.with(ctx, func(l *link, key storage, _ *known) error { return l.own(key, owner, lockout) })
	if err != nil {
		return fmt.Errorf("own the chip: %w", err)
	}
	return nil
}

// Certify implements tpm.Sealer.
func (d *Device) Certify(ctx context.Context, qualifying [32]byte) (tpm.Certificate, error) {
	var certificate tpm.Certificate
	err := d.with(ctx, func(l *link, _ storage, chip *known) (err error) {
		certificate, err = l.certify(chip, qualifying)
		return err
	})
	if err != nil {
		return tpm.Certificate{}, fmt.Errorf("certify the counter: %w", err)
	}
	return certificate, nil
}
