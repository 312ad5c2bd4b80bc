package erasure

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm"
)

const (
	certificateMagic = "LKecrt"
	pemType          = "LINEKEEP CERTIFICATE OF ERASURE"
	// maxNames bounds a chip's names and keys: a P-256 key takes 91 bytes, a name 34.
	maxNames = 1 << 10
)

// Certificate is an entry of the list with the chip's word for it. It needs nothing else to be verified.
type Certificate struct {
	Entry Entry
	Chip  tpm.Identity // counter and attestation key; the storage key's name is not in it
	Word  tpm.Certificate
}

// Verify proves the entry: the chip signed it, and its counter stood at the entry's epoch or beyond when it did. So it proves,
// too, where the audit log ended then (Entry.Log): a log of the same vault that does not go on from there was altered. It
// gives where the counter stood. Errors: ErrNotProved.
func (c Certificate) Verify() (counter uint64, err error) {
	counter, err = tpm.Verify(c.Chip, c.Word, c.Entry.Hash())
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	if counter < c.Entry.Epoch {
		return 0, fmt.Errorf("%w: the counter stood at %d, before epoch %d", ErrNotProved, counter, c.Entry.Epoch)
	}
	return counter, nil
}

// Words say what the certificate says, for people.
func (c Certificate) Words() string {
	const layout = "Monday 2 January 2006, 15:04:05 MST"
	e := c.Entry
	ids := make([]string, 0, len(e.Calls))
	for _, id := range e.Calls {
		ids = append(ids, id.String())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Certificate of erasure %d\n\n", e.Number)
	fmt.Fprintf(&b, "Calls:    %s\n", strings.Join(ids, ", "))
	fmt.Fprintf(&b, "Ordered:  %s\n", e.Ordered.Format(layout))
	fmt.Fprintf(&b, "Erased:   %s\n", e.Erased.Format(layout))
	fmt.Fprintf(&b, "Reason:   %s\n", reason(e.Why))
	fmt.Fprintf(&b, "Vault:    %x\n", e.VaultID)
	fmt.Fprintf(&b, "Epoch:    %d. The security chip's counter has reached it and never goes back; no key of an earlier epoch opens any more.\n", e.Epoch)
	fmt.Fprintf(&b, "Chip:     %s\n", c.Chip.Fingerprint())
	if e.Log != nil {
		fmt.Fprintf(&b, "Log:      %d entries of the audit log stood before it; the root over them is %s\n", e.Log.Size,
			base64.StdEncoding.EncodeToString(e.Log.Root[:]))
	}
	return b.String()
}

func reason(w Why) string {
	switch w {
	case Order:
		return "a person asked for it (order)"
	case Objection:
		return "a party objected to being recorded (objection)"
	case Retention:
		return "it had been kept as long as it may be (retention)"
	case HandOver:
		return "a test call of before the hand-over (hand-over)"
	case Mistake:
		return "it should not have been recorded (mistake)"
	}
	return w.String()
}

// Text is the certificate as a file: words for people, and below them what Parse reads.
func (c Certificate) Text() []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddBytes([]byte(certificateMagic))
	b.AddUint16(formatVersion)
	addChip(b, c.Chip)
	addRecord(b, c)
	block := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: b.BytesOrPanic()})
	return append([]byte(c.Words()+"\n"), block...)
}

// Parse reads the file that Text wrote. The words above the block count for nothing: what they say may have been
// altered, so show Words of what comes back. Errors: ErrAltered.
func Parse(text []byte) (Certificate, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return Certificate{}, fmt.Errorf("%w: this is no certificate of erasure, or more than one", ErrAltered)
	}
	return parseBlock(block.Bytes)
}

func parseBlock(data []byte) (Certificate, error) {
	var c Certificate
	s := cryptobyte.String(data)
	var head []byte
	var version uint16
	if !s.ReadBytes(&head, len(certificateMagic)) || string(head) != certificateMagic || !s.ReadUint16(&version) || version != formatVersion {
		return c, fmt.Errorf("%w: not a certificate of a known version", ErrAltered)
	}
	chip, err := readChip(&s)
	if err != nil {
		return c, err
	}
	if c, err = readRecord(&s); err != nil {
		return c, err
	}
	c.Chip = chip
	if !s.Empty() {
		return c, fmt.Errorf("%w: bytes left over", ErrAltered)
	}
	return c, nil
}

func addChip(b *cryptobyte.Builder, chip tpm.Identity) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(chip.Counter) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(chip.Attest) })
}

func readChip(s *cryptobyte.String) (tpm.Identity, error) {
	var counter, attest cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&counter) || !s.ReadUint16LengthPrefixed(&attest) || len(counter) > maxNames || len(attest) > maxNames {
		return tpm.Identity{}, fmt.Errorf("%w: the chip's names are cut short", ErrAltered)
	}
	return tpm.Identity{Counter: counter, Attest: attest}, nil
}

func addRecord(b *cryptobyte.Builder, c Certificate) {
	entry := c.Entry.Bytes()
	b.AddUint32(uint32(len(entry)))
	b.AddBytes(entry)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(c.Word.Attest) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(c.Word.Signature) })
}

func readRecord(s *cryptobyte.String) (Certificate, error) {
	var c Certificate
	var n uint32
	var entry []byte
	var attest, signature cryptobyte.String
	if !s.ReadUint32(&n) || uint64(n) > uint64(len(*s)) || !s.ReadBytes(&entry, int(n)) || !s.ReadUint16LengthPrefixed(&attest) ||
		!s.ReadUint16LengthPrefixed(&signature) {
		return c, fmt.Errorf("%w: an entry is cut short", ErrAltered)
	}
	var err error
	c.Entry, err = ParseEntry(entry)
	c.Word = tpm.Certificate{Attest: attest, Signature: signature}
	return c, err
}
