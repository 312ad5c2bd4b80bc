// Package proof verifies what an audit log says, anywhere: without the box, its chip or its keys.
//
//	In:    a signed checkpoint of the log; an entry with its proof; the public half of the chip's key
//	Out:   whether the chip signed the checkpoint, whether the entry is in the log it names, whether one
//	       checkpoint's log goes on where an earlier one's ended
//	Owner: plain values; no goroutine
//	Full:  a proof has at most 63 hashes; a checkpoint some 600 bytes
//
// A checkpoint is a note (c2sp.org/tlog-checkpoint, with three lines of our own) signed by the chip's attestation key. That
// key is restricted: it signs nothing but what the chip itself states. So the signature is an NV_Certify of the vault's
// counter with the hash of the text as its qualifying data: one command gives the signature and the chip's
// word for where its counter stood, a program that can only use the chip forges no other kind of statement, and chips that
// are in use already need no new key.
package proof

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"linekeep/drivers/tpm"
)

var (
	// ErrBad reports text that is no checkpoint, or no proof.
	ErrBad = errors.New("audit: not a checkpoint or proof of a known form")
	// ErrNotSigned reports a checkpoint that this chip did not sign.
	ErrNotSigned = errors.New("audit: the chip did not sign this checkpoint")
	// ErrNotProved reports a proof that does not prove what it should.
	ErrNotProved = errors.New("audit: not proved")
)

const (
	originPrefix = "linekeep-audit/" // then the vault's id in hexadecimal
	timeLayout   = "2006-01-02T15:04:05.000000000Z"
	// algorithm is that of signatures without a number of their own in c2sp.org/signed-note; then a name of ours.
	algorithm = "\xfflinekeep-nv-certify/1"
	maxText   = 4 << 10
)

// Checkpoint is the state of a log at a moment.
type Checkpoint struct {
	VaultID [16]byte
	Size    uint64    // entries
	Root    tlog.Hash // of the tree over them
	Epoch   uint64    // of the vault's keys
	At      time.Time
	Before  [32]byte // hash of the checkpoint before it; zeros for the first
}

// Origin names the log.
func Origin(vaultID [16]byte) string { return originPrefix + hex.EncodeToString(vaultID[:]) }

// Text is what is signed.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\nepoch %d\ntime %s\nbefore %s\n", Origin(c.VaultID), c.Size, base64.StdEncoding.EncodeToString(c.Root[:]),
		c.Epoch, c.At.UTC().Format(timeLayout), base64.StdEncoding.EncodeToString(c.Before[:]))
}

// Hash is what the next checkpoint carries, and what the chip signs.
func (c Checkpoint) Hash() [32]byte { return sha256.Sum256([]byte(c.Text())) }

// parseText reads what Text wrote, and nothing else.
func parseText(text string) (Checkpoint, error) {
	var c Checkpoint
	lines := strings.Split(text, "\n")
	if len(text) > maxText || len(lines) != 7 {
		return c, fmt.Errorf("%w: it has not the six lines", ErrBad)
	}
	id, err := hex.DecodeString(strings.TrimPrefix(lines[0], originPrefix))
	if err != nil || len(id) != len(c.VaultID) {
		return c, fmt.Errorf("%w: its first line names no log of ours", ErrBad)
	}
	c.VaultID = [16]byte(id)
	value := func(line, key string) string {
		v, ok := strings.CutPrefix(line, key+" ")
		if !ok {
			err = errors.Join(err, fmt.Errorf("no line %q", key))
		}
		return v
	}
	hash := func(s string) (h [32]byte) {
		b, bad := base64.StdEncoding.DecodeString(s)
		if err = errors.Join(err, bad); len(b) == len(h) {
			h = [32]byte(b)
		}
		return h
	}
	number := func(s string) uint64 {
		n, bad := strconv.ParseUint(s, 10, 63)
		err = errors.Join(err, bad)
		return n
	}
	c.Size, c.Root, c.Epoch = number(lines[1]), hash(lines[2]), number(value(lines[3], "epoch"))
	var bad error
	c.At, bad = time.Parse(timeLayout, value(lines[4], "time"))
	c.Before = hash(value(lines[5], "before"))
	if err = errors.Join(err, bad); err != nil || c.Text() != text {
		return c, fmt.Errorf("%w: not as it is written: %w", ErrBad, err)
	}
	return c, nil
}

// Signed is a checkpoint with the chip's word for it.
type Signed struct {
	Checkpoint
	Note    []byte          // as it is handed out
	Word    tpm.Certificate // the chip's
	Counter uint64          // where the chip's counter stood; 0 until it is verified
}

// Sign has a chip sign a checkpoint.
func Sign(ctx context.Context, c Checkpoint, chip tpm.Identity, certify func(context.Context, [32]byte) (tpm.Certificate, error)) (Signed, error) {
	word, err := certify(ctx, c.Hash())
	if err != nil {
		return Signed{}, fmt.Errorf("have the chip sign a checkpoint: %w", err)
	}
	key := verifier{origin: Origin(c.VaultID), chip: chip}
	text, err := note.Sign(&note.Note{Text: c.Text()}, signer{verifier: key, word: word})
	if err != nil {
		return Signed{}, fmt.Errorf("write a checkpoint: %w", err)
	}
	return Open(text, chip)
}

// Open reads a checkpoint and proves that the chip signed it. Errors: ErrBad, ErrNotSigned.
func Open(text []byte, chip tpm.Identity) (Signed, error) {
	s, err := Read(text)
	if err != nil {
		return s, err
	}
	if _, err := note.Open(text, note.VerifierList(verifier{origin: Origin(s.VaultID), chip: chip})); err != nil {
		return s, fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	s.Counter, err = tpm.Verify(chip, s.Word, s.Hash())
	if err != nil {
		return s, fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	return s, nil
}

// Read reads a checkpoint, and proves nothing. Errors: ErrBad.
func Read(text []byte) (Signed, error) {
	s := Signed{Note: text}
	if len(text) > maxText {
		return s, fmt.Errorf("%w: too long", ErrBad)
	}
	var unverified *note.UnverifiedNoteError
	_, err := note.Open(text, note.VerifierList())
	if !errors.As(err, &unverified) || len(unverified.Note.UnverifiedSigs) != 1 {
		return s, fmt.Errorf("%w: not a note with one signature", ErrBad)
	}
	if s.Checkpoint, err = parseText(unverified.Note.Text); err != nil {
		return s, err
	}
	sig := unverified.Note.UnverifiedSigs[0]
	raw, err := base64.StdEncoding.DecodeString(sig.Base64)
	if err != nil || sig.Name != Origin(s.VaultID) {
		return s, fmt.Errorf("%w: signed for another log", ErrBad)
	}
	s.Word, err = readWord(raw[4:]) // note.Open saw to it that the key's hash is there
	return s, err
}

// Split gives the notes of a file of checkpoints; what is left over at its end, as a power cut leaves it, is not a note.
func Split(file []byte) (notes [][]byte, rest []byte) {
	const mark = "\n\n\u2014 "
	for len(file) > 0 {
		at := strings.Index(string(file), mark)
		if at < 0 {
			return notes, file
		}
		end := strings.IndexByte(string(file[at+len(mark):]), '\n')
		if end < 0 {
			return notes, file
		}
		end += at + len(mark) + 1
		notes, file = append(notes, file[:end]), file[end:]
	}
	return notes, nil
}

// verifier is a chip's key in the words of package note.
type verifier struct {
	origin string
	chip   tpm.Identity
}

func (v verifier) Name() string { return v.origin }

// KeyHash is that of c2sp.org/signed-note: of the name and the key.
func (v verifier) KeyHash() uint32 {
	h := sha256.New()
	h.Write([]byte(v.origin + "\n"))
	h.Write(keyBytes(v.chip))
	return binary.BigEndian.Uint32(h.Sum(nil))
}

func (v verifier) Verify(text, sig []byte) bool {
	word, err := readWord(sig)
	if err == nil {
		_, err = tpm.Verify(v.chip, word, sha256.Sum256(text))
	}
	return err == nil
}

type signer struct {
	verifier
	word tpm.Certificate
}

func (s signer) Sign([]byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.word.Attest) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.word.Signature) })
	return b.Bytes()
}

func readWord(sig []byte) (tpm.Certificate, error) {
	s := cryptobyte.String(sig)
	var attest, signature cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&attest) || !s.ReadUint16LengthPrefixed(&signature) || !s.Empty() {
		return tpm.Certificate{}, fmt.Errorf("%w: its signature is cut short", ErrBad)
	}
	return tpm.Certificate{Attest: attest, Signature: signature}, nil
}
