package proof

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/mod/sumdb/tlog"

	"linekeep/drivers/tpm"
	"linekeep/vault/audit/entry"
)

// proofMagic is the first line of a proof (c2sp.org/tlog-proof).
const proofMagic = "c2sp.org/tlog-proof@v1"

// Proof shows that an entry is in a log: the entry, the hashes beside its way to the root, and a checkpoint of that root.
type Proof struct {
	Entry  []byte // as it is hashed
	Index  uint64
	Hashes tlog.RecordProof
	Note   []byte // the checkpoint
}

// Text is the proof as a file.
func (p Proof) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofMagic, base64.StdEncoding.EncodeToString(p.Entry), p.Index)
	for _, h := range p.Hashes {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteByte('\n')
	b.Write(p.Note)
	return []byte(b.String())
}

// Parse reads what Text wrote, and proves nothing. Errors: ErrBad.
func Parse(text []byte) (Proof, error) {
	var p Proof
	head, rest, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || len(lines) > 3+63 || lines[0] != proofMagic {
		return p, fmt.Errorf("%w: it does not begin as a proof does", ErrBad)
	}
	extra, okExtra := strings.CutPrefix(lines[1], "extra ")
	index, okIndex := strings.CutPrefix(lines[2], "index ")
	var errs [2]error
	p.Entry, errs[0] = base64.StdEncoding.DecodeString(extra)
	p.Index, errs[1] = strconv.ParseUint(index, 10, 63)
	if !okExtra || !okIndex || errs[0] != nil || errs[1] != nil {
		return p, fmt.Errorf("%w: no entry, or no place", ErrBad)
	}
	for _, line := range lines[3:] {
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			return p, fmt.Errorf("%w: %q is no hash", ErrBad, line)
		}
		p.Hashes = append(p.Hashes, tlog.Hash(h))
	}
	if p.Note = []byte(rest); string(p.Text()) != string(text) {
		return p, fmt.Errorf("%w: not as it is written", ErrBad)
	}
	return p, nil
}

// Verify proves that the entry is in the log, at its place, as the chip signed it. Errors: ErrBad, ErrNotSigned, ErrNotProved.
func (p Proof) Verify(chip tpm.Identity) (entry.Entry, Signed, error) {
	signed, err := Open(p.Note, chip)
	if err != nil {
		return entry.Entry{}, signed, err
	}
	e, err := entry.Parse(p.Entry)
	if err != nil {
		return e, signed, fmt.Errorf("%w: %w", ErrBad, err)
	}
	if e.Seq != p.Index || p.Index >= signed.Size {
		return e, signed, fmt.Errorf("%w: entry %d of a log of %d is said to be number %d", ErrNotProved, e.Seq, signed.Size, p.Index)
	}
	if err := tlog.CheckRecord(p.Hashes, int64(signed.Size), signed.Root, int64(p.Index), tlog.RecordHash(p.Entry)); err != nil {
		return e, signed, fmt.Errorf("%w: the entry is not in the log: %w", ErrNotProved, err)
	}
	return e, signed, nil
}

// Continues proves that the log of newer goes on where that of older ended, with nothing altered. Errors: ErrNotProved.
func Continues(older, newer Checkpoint, hashes tlog.TreeProof) error {
	if older.VaultID != newer.VaultID {
		return fmt.Errorf("%w: checkpoints of two vaults", ErrNotProved)
	}
	if older.Size > newer.Size {
		return fmt.Errorf("%w: the log had %d entries on %s, and %d later", ErrNotProved, older.Size, older.At.Format(timeLayout), newer.Size)
	}
	if older.Size == 0 {
		return nil
	}
	if err := tlog.CheckTree(hashes, int64(newer.Size), newer.Root, int64(older.Size), older.Root); err != nil {
		return fmt.Errorf("%w: the first %d entries are not those of before: %w", ErrNotProved, older.Size, err)
	}
	return nil
}

// keyBytes is a chip's key as it is written: what it is, the counter's name, the attestation key.
func keyBytes(chip tpm.Identity) []byte {
	var b cryptobyte.Builder
	b.AddBytes([]byte(algorithm))
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(chip.Counter) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(chip.Attest) })
	return b.BytesOrPanic() // a P-256 key and a name: it cannot overflow
}

// Key is a chip's public key as a line of text, which whoever verifies without the box keeps.
func Key(vaultID [16]byte, chip tpm.Identity) string {
	v := verifier{origin: Origin(vaultID), chip: chip}
	return fmt.Sprintf("%s+%08x+%s", v.origin, v.KeyHash(), base64.StdEncoding.EncodeToString(keyBytes(chip)))
}

// ParseKey reads what Key wrote. Errors: ErrBad.
func ParseKey(line string) (vaultID [16]byte, chip tpm.Identity, err error) {
	parts := strings.SplitN(strings.TrimSpace(line), "+", 3)
	if len(parts) != 3 {
		return vaultID, chip, fmt.Errorf("%w: this is no key", ErrBad)
	}
	id, errID := hex.DecodeString(strings.TrimPrefix(parts[0], originPrefix))
	raw, errKey := base64.StdEncoding.DecodeString(parts[2])
	s := cryptobyte.String(raw)
	var head []byte
	var counter, attest cryptobyte.String
	if errID != nil || errKey != nil || len(id) != len(vaultID) || !s.ReadBytes(&head, len(algorithm)) || string(head) != algorithm ||
		!s.ReadUint16LengthPrefixed(&counter) || !s.ReadUint16LengthPrefixed(&attest) || !s.Empty() {
		return vaultID, chip, fmt.Errorf("%w: this is no key of a chip", ErrBad)
	}
	vaultID, chip = [16]byte(id), tpm.Identity{Counter: counter, Attest: attest}
	if Key(vaultID, chip) != strings.TrimSpace(line) {
		return vaultID, chip, fmt.Errorf("%w: the key is mistyped", ErrBad)
	}
	return vaultID, chip, nil
}
