package proof

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"linekeep/drivers/tpm"
	"linekeep/vault/vaulttest/vectors"
)

// sampleNote is a checkpoint as a chip would sign it, with words that no chip said: what is read before anything is proved.
func sampleNote(tb testing.TB) (tpm.Identity, []byte) {
	tb.Helper()
	chip := tpm.Identity{Counter: []byte("counter"), Attest: []byte("no key")}
	c := Checkpoint{VaultID: [16]byte{1}, Size: 3, Root: tlog.Hash{2}, Epoch: 4, At: time.Unix(5, 6).UTC(), Before: [32]byte{7}}
	word := tpm.Certificate{Attest: []byte("words"), Signature: []byte("none")}
	text, err := note.Sign(&note.Note{Text: c.Text()}, signer{verifier: verifier{origin: Origin(c.VaultID), chip: chip}, word: word})
	if err != nil {
		tb.Fatal(err)
	}
	return chip, text
}

func FuzzCheckpoint(f *testing.F) {
	chip, text := sampleNote(f)
	f.Add(text)
	f.Add(vectors.Read(f, "audit checkpoint").Bytes(f, "checkpoints"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Read(data)
		if err == nil && !bytes.HasPrefix(data, []byte(s.Text())) {
			t.Errorf("a checkpoint that is not what Text writes was taken: %q", data)
		}
		if _, err := Open(data, chip); err == nil {
			t.Errorf("nobody signed %q", data)
		}
	})
}

func FuzzSplit(f *testing.F) {
	_, text := sampleNote(f)
	f.Add(append(append(bytes.Clone(text), text...), text[:99]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		notes, rest := Split(data)
		if back := append(bytes.Join(notes, nil), rest...); !bytes.Equal(back, data) {
			t.Errorf("%q became %q", data, back)
		}
	})
}

func FuzzProof(f *testing.F) {
	chip, text := sampleNote(f)
	f.Add(Proof{Entry: []byte("entry"), Index: 2, Hashes: tlog.RecordProof{{1}, {2}}, Note: text}.Text())
	f.Add(vectors.Read(f, "audit proof").Bytes(f, "proof"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Text(), data) {
			t.Errorf("a proof that is not what Text writes was taken: %q", data)
		}
		if _, _, err := p.Verify(chip); err == nil {
			t.Errorf("nobody signed %q", data)
		}
	})
}

func FuzzKey(f *testing.F) {
	chip, _ := sampleNote(f)
	f.Add(Key([16]byte{1}, chip))
	f.Add(string(vectors.Read(f, "audit checkpoint").Bytes(f, "key")))
	f.Fuzz(func(t *testing.T, line string) {
		id, chip, err := ParseKey(line)
		if err != nil {
			return
		}
		if again, same, err := ParseKey(Key(id, chip)); err != nil || again != id || !bytes.Equal(same.Attest, chip.Attest) || !bytes.Equal(same.Counter, chip.Counter) {
			t.Errorf("%q became another key", line)
		}
	})
}
