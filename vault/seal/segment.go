package seal

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

const (
	// padTo hides how loud or busy a half second was: Opus packets get longer when somebody speaks.
	padTo   = 128
	padMark = 0x80

	segmentMagic   = "LKsegm"
	segmentVersion = 1
	flagLast       = 1
	// adSize: magic and version, vault id, recording id, party, flags, sequence, start, length, padded length.
	adSize = 8 + keys.VaultIDSize + keys.IDSize + 1 + 1 + 4 + 8 + 8 + 4
)

var errNeverMarshalled = errors.New("seal: a data key is never marshalled")

// DataKey encrypts one recording. It cannot be printed. Its methods may be called from several goroutines; they take turns.
type DataKey struct{ state func() *dataKeyState }

// dataKeyState has a cipher made once, which works on the key where it lies, and room for what it is called with: through cipher.AEAD both escape
// to the heap, which would be two allocations for each segment.
type dataKeyState struct {
	key   keys.Key
	mu    sync.Mutex
	aead  cipher.AEAD
	nonce [chacha20poly1305.NonceSize]byte
	ad    [adSize]byte
}

// NewDataKey makes a random data key.
func NewDataKey() DataKey { return dataKey(keys.NewKey()) }

func dataKey(k keys.Key) DataKey {
	s := &dataKeyState{key: k, aead: k.AEAD()}
	return DataKey{state: func() *dataKeyState { return s }}
}

// IsZero tells a DataKey that was never set.
func (d DataKey) IsZero() bool { return d.state == nil }

func (d DataKey) use() *dataKeyState {
	if d.state == nil {
		panic("seal: the zero DataKey was used")
	}
	return d.state()
}

func (d DataKey) key() keys.Key { return d.use().key }

// Wipe overwrites the key. A wiped key must not be used.
func (d DataKey) Wipe() {
	if d.state == nil {
		return
	}
	s := d.state()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key.Wipe()
	s.aead = nil
}

// Format writes the same words for every verb.
func (DataKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "DataKey(hidden)") } // fmt.State keeps no errors

// LogValue hides the key from slog.
func (DataKey) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalJSON always gives an error.
func (DataKey) MarshalJSON() ([]byte, error) { return nil, errNeverMarshalled }

// MarshalText always gives an error.
func (DataKey) MarshalText() ([]byte, error) { return nil, errNeverMarshalled }

// Header is what stands outside a sealed segment and is bound to it as associated data.
type Header struct {
	ID    keys.ID
	Party segment.Party
	Last  bool
	Seq   uint32       // of the track; never used twice under one data key
	Start line.Samples // from the start of the recording
	Len   line.Samples
}

func (h Header) flags() byte {
	if h.Last {
		return flagLast
	}
	return 0
}

// prepare fills in nonce and associated data; mu is held. Party and sequence alone make the nonce unique: a
// track uses each sequence number once. The last flag stands in it so that an end cannot be taken away.
func (s *dataKeyState) prepare(vaultID [keys.VaultIDSize]byte, h Header, padded int) {
	s.nonce = [chacha20poly1305.NonceSize]byte{0: byte(h.Party), 1: h.flags()}
	binary.BigEndian.PutUint32(s.nonce[8:], h.Seq)
	ad := append(s.ad[:0], segmentMagic...)
	ad = binary.BigEndian.AppendUint16(ad, segmentVersion)
	ad = append(ad, vaultID[:]...)
	ad = h.ID.Append(ad)
	ad = append(ad, byte(h.Party), h.flags())
	ad = binary.BigEndian.AppendUint32(ad, h.Seq)
	ad = binary.BigEndian.AppendUint64(ad, uint64(h.Start))
	ad = binary.BigEndian.AppendUint64(ad, uint64(h.Len))
	binary.BigEndian.AppendUint32(ad, uint32(padded))
}

// SealedSize is the length of the sealed form of n bytes.
func SealedSize(n int) int { return padded(n) + tagSize }

func padded(n int) int { return (n/padTo + 1) * padTo }

// Segment appends to dst the sealed form of plain: a byte 0x80 and zeros up to a multiple of 128 bytes, then
// ChaCha20-Poly1305 with nonce (party, last, seq), associated data = version, vault id, header, padded length.
// It allocates nothing when dst has room for SealedSize(len(plain)). plain must not overlap dst.
func (d DataKey) Segment(dst []byte, vaultID [keys.VaultIDSize]byte, h Header, plain []byte) []byte {
	s := d.use()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := padded(len(plain))
	dst = slices.Grow(dst, n+tagSize)
	at := len(dst)
	dst = append(dst, plain...)
	dst = append(dst, padMark)
	dst = dst[:at+n]
	clear(dst[at+len(plain)+1:])
	s.prepare(vaultID, h, n)
	// The cipher's inner state, which has the key in it, lies on this goroutine's stack, and would stay there.
	secret.Do(func() { dst = s.aead.Seal(dst[:at], s.nonce[:], dst[at:], s.ad[:]) })
	return dst
}

// OpenSegment appends to dst what Segment sealed under the same header. Errors: ErrAltered; dst is then given back
// as it was. It allocates nothing when dst has room for len(sealed).
func (d DataKey) OpenSegment(dst []byte, vaultID [keys.VaultIDSize]byte, h Header, sealed []byte) ([]byte, error) {
	n := len(sealed) - tagSize
	if n < padTo || n%padTo != 0 {
		return dst, fmt.Errorf("%w: %d bytes are no sealed segment", ErrAltered, len(sealed))
	}
	s := d.use()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepare(vaultID, h, n)
	out, err := dst, error(nil)
	secret.Do(func() { out, err = s.aead.Open(dst, s.nonce[:], sealed, s.ad[:]) })
	if err != nil {
		return dst, ErrAltered
	}
	plain, ok := unpad(out[len(dst):])
	if !ok {
		return dst, fmt.Errorf("%w: padding is not ours", ErrAltered)
	}
	return out[:len(dst)+len(plain)], nil
}

// unpad takes off exactly what Segment put on: each plaintext has one padded form, and the other way round.
func unpad(b []byte) ([]byte, bool) {
	plain := bytes.TrimRight(b, "\x00")
	if len(plain) == 0 || plain[len(plain)-1] != padMark || len(b)-len(plain) >= padTo {
		return nil, false
	}
	return plain[:len(plain)-1], true
}
