package tpmtest

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm"
)

// Memory is a chip in memory, for tests that are about something else than the chip. It keeps every promise of
// tpm.Chip and can be made to fail like one: see Fail, LoseAdvance, DieAfterAdvances, Distrust, Clear. A test that
// puts an old disk back needs nothing here: the chip is not on the disk. Only tests can link it.
type Memory struct {
	mu       sync.Mutex
	clock    func() time.Time
	fault    error
	distrust bool
	closed   bool
	advances *advances

	state
}

// advances says what becomes of the next ones.
type advances struct {
	lose, reply bool // the next one does not happen; it happens, and nobody hears of it
	left        int  // after so many more the chip is gone
}

// state is what a chip has inside.
type state struct {
	aead           cipher.AEAD // its seed: another one opens nothing
	name           [sha256.Size]byte
	prepared       bool
	counter        uint64 // survives Clear: a counter made anew goes on
	attest         *ecdsa.PrivateKey
	identity       tpm.Identity
	owner, lockout []byte
	failed         int
	counted        time.Time // since when the next failure waits to be forgiven
	barred         time.Time // until when no authorisation of the lockout is taken
}

var _ tpm.Chip = (*Memory)(nil)

// NewMemory is a chip of its own, as it comes from the factory: it opens nothing that another one sealed.
func NewMemory() *Memory {
	m := &Memory{clock: time.Now, advances: new(advances)}
	m.seed()
	return m
}

// seed makes what TPM2_Clear makes anew.
func (m *Memory) seed() {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // unreachable: the key has the one length there is
	}
	m.state = state{aead: aead, counter: m.counter}
	rand.Read(m.name[:])
}

// SetClock has failures forgiven by another clock than the wall's.
func (m *Memory) SetClock(clock func() time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock = clock
}

// Fail makes every call give err, such as tpm.ErrUnavailable, until Fail(nil).
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = err
}

// LoseAdvance loses the next Advance: the whole of it, or, where it happens, only the word of it.
func (m *Memory) LoseAdvance(happens bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advances.lose, m.advances.reply = !happens, happens
}

// DieAfterAdvances makes the chip unavailable once it has advanced n more times, until Fail(nil). The word of the last one
// still arrives.
func (m *Memory) DieAfterAdvances(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advances.left = n
}

// Distrust says whether what was measured is not what the vendor signed for: then nothing is unsealed.
func (m *Memory) Distrust(yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.distrust = yes
}

// Clear is TPM2_Clear by somebody who may: all that was sealed is lost, and the chip is as from the factory, but its
// counter goes on from where it stood.
func (m *Memory) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seed()
}

// Clone is a chip with the same inside as this one has now: the past state that no attacker has. It is the positive
// control of a test that shows what an older disk does not open.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Memory{clock: m.clock, advances: new(advances), state: m.state}
	c.owner, c.lockout = slices.Clone(m.owner), slices.Clone(m.lockout)
	return c
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

func (m *Memory) prepped(ctx context.Context) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	if !m.prepared {
		return tpm.ErrNotReady
	}
	return nil
}

// Prepare implements tpm.Sealer.
func (m *Memory) Prepare(ctx context.Context) (tpm.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil || m.prepared {
		return m.identity, err
	}
	if m.owner != nil {
		return tpm.Identity{}, tpm.ErrOwned
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tpm.Identity{}, fmt.Errorf("make attestation key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return tpm.Identity{}, fmt.Errorf("make attestation key: %w", err)
	}
	m.attest, m.prepared = key, true
	m.counter++
	m.identity = tpm.Identity{Storage: m.nameOf("storage"), Counter: m.nameOf("counter"), Attest: public}
	return m.identity, nil
}

// nameOf is a name as a TPM gives them: SHA-256's number and a hash.
func (m *Memory) nameOf(what string) []byte {
	sum := sha256.Sum256(append(m.name[:], what...))
	return append([]byte{0x00, 0x0b}, sum[:]...)
}

// Identity implements tpm.Sealer.
func (m *Memory) Identity(ctx context.Context) (tpm.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.identity, m.prepped(ctx)
}

// Epoch implements tpm.Sealer.
func (m *Memory) Epoch(ctx context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepped(ctx); err != nil {
		return 0, err
	}
	return m.counter, nil
}

// Advance implements tpm.Sealer.
func (m *Memory) Advance(ctx context.Context, owner []byte, from uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepped(ctx); err != nil {
		return 0, err
	}
	if m.counter != from {
		return m.counter, nil
	}
	if !bytes.Equal(owner, m.owner) {
		return 0, fmt.Errorf("advance: %w", tpm.ErrWrongAuth)
	}
	a := m.advances
	lose, reply := a.lose, a.reply
	a.lose, a.reply = false, false
	if lose {
		return 0, fmt.Errorf("%w: the order was lost", tpm.ErrUnavailable)
	}
	m.counter++
	if a.left > 0 {
		if a.left--; a.left == 0 {
			m.fault = fmt.Errorf("%w: it died", tpm.ErrUnavailable)
		}
	}
	if reply {
		return 0, fmt.Errorf("%w: the reply was lost", tpm.ErrUnavailable)
	}
	return m.counter, nil
}

// Owned implements tpm.Sealer.
func (m *Memory) Owned(ctx context.Context) (owner, lockout bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owner != nil, m.lockout != nil, m.ready(ctx)
}

// Own implements tpm.Sealer.
func (m *Memory) Own(ctx context.Context, owner, lockout []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepped(ctx); err != nil {
		return err
	}
	if len(owner) != tpm.AuthSize || len(lockout) != 0 && len(lockout) != tpm.AuthSize {
		return fmt.Errorf("own: an authorisation has %d bytes", tpm.AuthSize)
	}
	if m.owner != nil && !bytes.Equal(m.owner, owner) || m.owner == nil && m.lockout != nil {
		return tpm.ErrOwned
	}
	m.owner = slices.Clone(owner)
	if len(lockout) == 0 {
		return nil
	}
	if m.lockout != nil && !bytes.Equal(m.lockout, lockout) {
		return tpm.ErrOwned
	}
	m.lockout = slices.Clone(lockout)
	return nil
}

// Seal implements tpm.Sealer.
func (m *Memory) Seal(ctx context.Context, secret []byte, epoch uint64) (tpm.Blob, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepped(ctx); err != nil {
		return nil, err
	}
	if len(secret) == 0 || len(secret) > tpm.MaxSecret {
		return nil, errors.New("tpmtest: a chip seals 1 to 128 bytes")
	}
	return m.box(kindRoot, binary.BigEndian.AppendUint64(nil, epoch), secret), nil
}

// Unseal implements tpm.Sealer.
func (m *Memory) Unseal(ctx context.Context, blob tpm.Blob, epoch uint64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepped(ctx); err != nil {
		return nil, err
	}
	inside, err := m.unbox(kindRoot, blob)
	switch {
	case err != nil:
		return nil, err
	case m.distrust:
		return nil, fmt.Errorf("%w: the vendor has not signed what was measured", tpm.ErrRefused)
	case m.counter > epoch:
		return nil, fmt.Errorf("unseal: %w", tpm.ErrSpent)
	case binary.BigEndian.Uint64(inside) != epoch:
		return nil, fmt.Errorf("%w: sealed for another epoch", tpm.ErrRefused)
	}
	return inside[8:], nil
}

// The kinds of a blob, bound into it.
const (
	kindRoot    = "root"
	kindSecret  = "account secret"
	kindSigning = "account signing"
)

func (m *Memory) box(kind string, parts ...[]byte) tpm.Blob {
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	return m.aead.Seal(nonce, nonce, bytes.Join(parts, nil), []byte(kind))
}

func (m *Memory) unbox(kind string, blob tpm.Blob) ([]byte, error) {
	if len(blob) < chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("%w: not a blob", tpm.ErrRefused)
	}
	inside, err := m.aead.Open(nil, blob[:chacha20poly1305.NonceSizeX], blob[chacha20poly1305.NonceSizeX:], []byte(kind))
	if err != nil {
		return nil, fmt.Errorf("%w: not of this chip", tpm.ErrRefused)
	}
	return inside, nil
}

// Certify implements tpm.Sealer.
func (m *Memory) Certify(ctx context.Context, qualifying [32]byte) (tpm.Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepped(ctx); err != nil {
		return tpm.Certificate{}, err
	}
	var b cryptobyte.Builder // TPMS_ATTEST
	b.AddUint32(0xff544347)
	b.AddUint16(0x8014)
	prefixed := func(data []byte) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(data) })
	}
	prefixed(m.nameOf("attest"))
	prefixed(qualifying[:])
	b.AddUint64(uint64(m.clock().UnixMilli()))
	b.AddBytes(make([]byte, 4+4+1)) // resets, restarts, safe
	b.AddUint64(0)                  // firmware
	prefixed(m.identity.Counter)
	b.AddUint16(0)
	prefixed(binary.BigEndian.AppendUint64(nil, m.counter))
	attest, err := b.Bytes()
	if err != nil {
		return tpm.Certificate{}, fmt.Errorf("certify: %w", err)
	}
	sum := sha256.Sum256(attest)
	signature, err := ecdsa.SignASN1(rand.Reader, m.attest, sum[:])
	if err != nil {
		return tpm.Certificate{}, fmt.Errorf("certify: %w", err)
	}
	return tpm.Certificate{Attest: attest, Signature: signature}, nil
}

// Close implements tpm.Sealer.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
