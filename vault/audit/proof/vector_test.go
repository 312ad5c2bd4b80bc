package proof

import (
	"bytes"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/audit/entry"
	"linekeep/vault/vaulttest/vectors"
)

// TestTheDescribedCheckpointAndProofVerify with nothing but the bytes of FORMAT.md, section "Audit log".
func TestTheDescribedCheckpointAndProofVerify(t *testing.T) {
	v, log := vectors.Read(t, "audit checkpoint"), vectors.Read(t, "audit log")
	id, chip, err := ParseKey(string(v.Bytes(t, "key")))
	if err != nil || !bytes.Equal(id[:], vectors.Read(t, "common").Bytes(t, "vault id")) || !bytes.Equal(chip.Attest, v.Bytes(t, "attest")) ||
		!bytes.Equal(chip.Counter, v.Bytes(t, "counter")) || Key(id, chip) != string(v.Bytes(t, "key")) {
		t.Fatalf("the key: %v, %+v", err, chip)
	}
	notes, rest := Split(v.Bytes(t, "checkpoints"))
	if len(notes) != 1 || len(rest) > 0 {
		t.Fatalf("%d checkpoints, %q", len(notes), rest)
	}
	s, err := Open(notes[0], chip)
	if err != nil || s.Text() != string(v.Bytes(t, "text")) || s.Size != 3 || s.Epoch != 6 || s.Counter != 6 || !bytes.Equal(s.Root[:], log.Bytes(t, "root")) ||
		!s.At.Equal(time.Date(2026, 11, 24, 9, 1, 0, 0, time.UTC)) {
		t.Errorf("the checkpoint: %v, %+v", err, s)
	}
	text := vectors.Read(t, "audit proof").Bytes(t, "proof")
	p, err := Parse(text)
	if err != nil || !bytes.Equal(p.Text(), text) {
		t.Fatalf("the proof: %v", err)
	}
	e, _, err := p.Verify(chip)
	if err != nil || e.Seq != 1 || e.Action != entry.HoldSet || e.Register != 2 || !bytes.Equal(e.Hashes[0][:], vectors.Read(t, "register changes").Bytes(t, "hash")) ||
		!bytes.Equal(p.Entry, log.Bytes(t, "entry 1")) {
		t.Errorf("the proof: %v, %+v", err, e)
	}
	p.Entry = log.Bytes(t, "entry 0")
	if _, _, err := p.Verify(chip); err == nil {
		t.Error("another entry is proved")
	}
	if _, err := Open(notes[0], tpm.Identity{Counter: chip.Counter, Attest: vectors.Read(t, "erasure").Bytes(t, "list")[68:159]}); err == nil {
		t.Error("another chip signed it as well")
	}
}
