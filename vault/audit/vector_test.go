package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/drivers/tpm"
	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/tree"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

// described are the keys of the vault that FORMAT.md describes, as far as it takes to read its log.
type described struct {
	id    [16]byte
	vault keys.Key
	slot  keys.Key // K_audit of the one slot there is
	chip  tpm.Identity
}

func (d described) VaultID() [keys.VaultIDSize]byte { return d.id }
func (d described) Outer(purpose string) keys.Key   { return d.vault.Derive("outer", []byte(purpose)) }
func (d described) Chip() tpm.Identity              { return d.chip }
func (described) Epoch() uint64                     { return 6 }
func (described) Checkpoint() []byte                { return nil }
func (described) SetCheckpoint([]byte)              {}

var errDescribed = errors.New("nothing more is described")

func (described) Slot(keys.ID) (keys.Slot, error) { return keys.Slot{}, errDescribed }
func (described) Next(context.Context, string, time.Time) (keys.Slot, error) {
	return keys.Slot{}, errDescribed
}
func (described) Certify(context.Context, [32]byte) (tpm.Certificate, error) {
	return tpm.Certificate{}, errDescribed
}

func theDescribed(t *testing.T) described {
	t.Helper()
	checkpoint := vectors.Read(t, "audit checkpoint")
	return described{id: [16]byte(vectors.Read(t, "common").Bytes(t, "vault id")), vault: must(keys.KeyFrom(vectors.Read(t, "common").Bytes(t, "vault key"))),
		slot: must(keys.KeyFrom(vectors.Read(t, "derivation").Bytes(t, "slot audit"))),
		chip: tpm.Identity{Counter: checkpoint.Bytes(t, "counter"), Attest: checkpoint.Bytes(t, "attest")}}
}

// TestTheDescribedBytesAreWhatIsWritten takes the worked example of FORMAT.md, section "Audit log", apart and puts it together again.
func TestTheDescribedBytesAreWhatIsWritten(t *testing.T) {
	d, v := theDescribed(t), vectors.Read(t, "audit log")
	outer := d.Outer(Outer)
	if !bytes.Equal(outer.Bytes()[:], v.Bytes(t, "outer")) {
		t.Errorf("outer: %x", outer.Bytes()[:])
	}
	file := v.Bytes(t, "file")
	h, err := parseHeader(file[:headerSize], d.id, outer)
	if err != nil {
		t.Fatal(err)
	}
	want := header{chip: sha256.Sum256(d.chip.Attest), root: [32]byte(must(tlog.TreeHash(0, nil))), office: keys.ID{Shard: 6, Slot: 128},
		register: mark{1, [32]byte(vectors.Read(t, "erasure").Bytes(t, "entry")[1+16+4*8+1:])}} // the same 32 bytes stand in for a hash there
	if h != want {
		t.Errorf("the header says %+v\nwant %+v", h, want)
	}
	whole := h.bytes(d.id, outer)
	var grown tree.Tree
	var hashes []byte
	for i, name := range []string{"entry 0", "entry 1", "entry 2"} {
		s, n, err := parseRecord(file[len(whole):])
		if err != nil {
			t.Fatal(err)
		}
		if again := must(s.Bytes()); !bytes.Equal(again, v.Bytes(t, name)) || s.Seq != uint64(i) {
			t.Errorf("%s is %x", name, again)
		}
		if whole = appendRecord(whole, s.Core, s.Sealed); n == 0 || i == 0 && !bytes.Equal(s.Sealed, v.Bytes(t, "sealed")) {
			t.Errorf("%s has the details %x", name, s.Sealed)
		}
		for _, h := range grown.Add(nil, tlog.RecordHash(s.Core)) {
			hashes = append(hashes, h[:]...)
		}
	}
	if root := grown.Root(); !bytes.Equal(whole, file) || !bytes.Equal(hashes, v.Bytes(t, "tree")) || !bytes.Equal(root[:], v.Bytes(t, "root")) {
		t.Errorf("the file is\n%x\nthe tree\n%x\nits root %x", whole, hashes, root[:])
	}
	details := Details{Say("tracks", "both")}
	call := keys.ID{Shard: 7, Slot: 42}
	plain, err := seal.OpenBox(d.slot, v.Bytes(t, "sealed"), []byte(detailsBox), d.id[:], call.Append(nil))
	if err != nil || !bytes.Equal(plain, v.Bytes(t, "details")) || !bytes.Equal(must(details.Bytes()), plain) {
		t.Errorf("the details are %x, %v", plain, err)
	}
	if parsed, err := entry.ParseDetails(plain); err != nil || parsed.Of("tracks") != "both" {
		t.Errorf("the details say %v, %v", parsed, err)
	}
}

// TestTheDescribedFolderIsALogThatVerifies: the three files, with the names and bytes of FORMAT.md; and one of them altered.
func TestTheDescribedFolderIsALogThatVerifies(t *testing.T) {
	log, checkpoint := vectors.Read(t, "audit log"), vectors.Read(t, "audit checkpoint")
	files := map[string][]byte{"log.000000000000": log.Bytes(t, "file"), "tree": log.Bytes(t, "tree"), "checkpoints": checkpoint.Bytes(t, "checkpoints")}
	for _, altered := range []string{"", "log.000000000000", "tree", "checkpoints"} {
		dir := t.TempDir()
		for name, b := range files {
			if b = bytes.Clone(b); name == altered {
				b[len(b)/2] ^= 1
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Inspect(t.Context(), Config{Dir: dir, Keys: theDescribed(t), Clock: time.Now, Log: slog.New(slog.DiscardHandler), Floor: 3, Notes: 3})
		if err != nil || (len(r.Findings) > 0) != (altered != "") || altered == "" && (r.Entries != 3 || !bytes.Equal(r.Root[:], log.Bytes(t, "root"))) {
			t.Errorf("altered %q: %+v, %v", altered, r, err)
		}
	}
}
