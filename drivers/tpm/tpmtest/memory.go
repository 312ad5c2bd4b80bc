package tpmtest

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"linekeep/drivers/tpm"
)

// Memory is a sealer in memory, for tests that are about something else than the chip. It keeps every
// promise of tpm.Sealer and can be made to fail like one. Only tests can link it.
type Memory struct {
	mu     sync.Mutex
	aead   cipher.AEAD
	fault  error
	closed bool
}

var _ tpm.Sealer = (*Memory)(nil)

// NewMemory is a chip of its own: it opens nothing that another one sealed.
func NewMemory() *Memory {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // unreachable: the key has the one length there is
	}
	return &Memory{aead: aead}
}

// Fail makes every call give err, such as tpm.ErrUnavailable, until Fail(nil).
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = err
}

func (m *Memory) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
	}
	if m.closed {
		return fmt.Errorf("%w: closed", tpm.ErrUnavailable)
	}
	return m.fault
}

// Seal implements tpm.Sealer.
func (m *Memory) Seal(ctx context.Context, secret []byte) (tpm.Blob, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	if len(secret) == 0 || len(secret) > tpm.MaxSecret {
		return nil, errors.New("tpmtest: a chip seals 1 to 128 bytes")
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	return m.aead.Seal(nonce, nonce, secret, nil), nil
}

// Unseal implements tpm.Sealer.
func (m *Memory) Unseal(ctx context.Context, blob tpm.Blob) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	if len(blob) < chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("%w: not a blob", tpm.ErrRefused)
	}
	secret, err := m.aead.Open(nil, blob[:chacha20poly1305.NonceSizeX], blob[chacha20poly1305.NonceSizeX:], nil)
	if err != nil {
		return nil, fmt.Errorf("%w: not sealed by this chip", tpm.ErrRefused)
	}
	return secret, nil
}

// Close implements tpm.Sealer.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
