package tpmtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"linekeep/drivers/tpm"
)

// lockoutBarred is how long the chip takes no authorisation of the lockout after a wrong one.
const lockoutBarred = 24 * time.Hour

// NewAccount implements tpm.Accounts.
func (m *Memory) NewAccount(ctx context.Context, auth []byte) (tpm.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepped(ctx); err != nil {
		return tpm.Account{}, err
	}
	if len(auth) != tpm.AuthSize {
		return tpm.Account{}, errors.New("tpmtest: an authorisation has 32 bytes")
	}
	secret := make([]byte, tpm.AccountSecretSize)
	rand.Read(secret)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tpm.Account{}, fmt.Errorf("make account: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tpm.Account{}, fmt.Errorf("make account: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return tpm.Account{}, fmt.Errorf("make account: %w", err)
	}
	return tpm.Account{Secret: m.box(kindSecret, auth, secret), Signing: m.box(kindSigning, auth, private), Public: public}, nil
}

// OpenAccount implements tpm.Accounts.
func (m *Memory) OpenAccount(ctx context.Context, secret tpm.Blob, auth []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.use(ctx, kindSecret, secret, auth)
}

// Sign implements tpm.Accounts.
func (m *Memory) Sign(ctx context.Context, signing tpm.Blob, auth []byte, digest [32]byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	private, err := m.use(ctx, kindSigning, signing, auth)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return ecdsa.SignASN1(rand.Reader, key.(*ecdsa.PrivateKey), digest[:])
}

// use opens an account's key, and counts a wrong authorisation.
func (m *Memory) use(ctx context.Context, kind string, blob tpm.Blob, auth []byte) ([]byte, error) {
	if err := m.prepped(ctx); err != nil {
		return nil, err
	}
	if len(auth) != tpm.AuthSize {
		return nil, errors.New("tpmtest: an authorisation has 32 bytes")
	}
	inside, err := m.unbox(kind, blob)
	if err != nil {
		return nil, err
	}
	m.forgive()
	if m.failed >= tpm.LockoutAfter {
		return nil, fmt.Errorf("use account: %w", tpm.ErrLocked)
	}
	if !bytes.Equal(inside[:tpm.AuthSize], auth) {
		if m.failed++; m.failed == 1 {
			m.counted = m.clock()
		}
		return nil, fmt.Errorf("use account: %w", tpm.ErrWrongAuth)
	}
	return inside[tpm.AuthSize:], nil
}

// forgive takes off one failure for each LockoutForgives that have gone by.
func (m *Memory) forgive() {
	for m.failed > 0 && m.clock().Sub(m.counted) >= tpm.LockoutForgives {
		m.failed--
		m.counted = m.counted.Add(tpm.LockoutForgives)
	}
}

// Lockout implements tpm.Accounts.
func (m *Memory) Lockout(ctx context.Context) (tpm.Lockout, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgive()
	return tpm.Lockout{Failed: m.failed, Max: tpm.LockoutAfter, Locked: m.failed >= tpm.LockoutAfter}, m.ready(ctx)
}

// Unlock implements tpm.Accounts.
func (m *Memory) Unlock(ctx context.Context, lockout []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch err := m.prepped(ctx); {
	case err != nil:
		return err
	case m.clock().Before(m.barred):
		return fmt.Errorf("%w: it takes no authorisation of the lockout until %s", tpm.ErrUnavailable, m.barred)
	case !bytes.Equal(lockout, m.lockout):
		m.barred = m.clock().Add(lockoutBarred)
		return fmt.Errorf("unlock: %w", tpm.ErrWrongAuth)
	}
	m.failed = 0
	return nil
}
