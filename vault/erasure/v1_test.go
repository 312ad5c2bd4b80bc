package erasure

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/vaulttest/vectors"
)

// TestTheFilesOfVersion1OpenForEver reads files as they were written when the format was made. They are never changed: what
// was erased stays erased, and certificates are kept by people.
func TestTheFilesOfVersion1OpenForEver(t *testing.T) {
	const v1 = "testdata/v1"
	key, err := keys.KeyFrom(vectors.Read(t, "erasure").Bytes(t, "outer"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "erasures")
	for _, d := range []string{dir, filepath.Join(dir, "copy")} {
		if err := os.CopyFS(d, os.DirFS(v1)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Open(Config{Dir: dir, VaultID: [16]byte(vectors.Read(t, "common").Bytes(t, "vault id")), Key: key, FS: pair.Disk{}, Clock: time.Now,
		Head: func() Head { return Head{} }})
	if err != nil {
		t.Fatal(err)
	}
	if orders := l.Orders(); l.Newest() != 12 || len(orders) != 1 || orders[0].Why != Mistake {
		t.Errorf("newest %d, orders %+v, findings %v", l.Newest(), l.Orders(), l.Findings())
	}
	c, err := l.Find(keys.ID{Shard: 7, Slot: 42})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(v1, "certificate.txt"))
	if err != nil {
		t.Fatal(err)
	}
	paper, err := Parse(text)
	if err != nil || paper.Entry.Hash() != c.Entry.Hash() {
		t.Errorf("the certificate: %+v, %v", paper.Entry, err)
	}
	for _, each := range []Certificate{c, paper} {
		if counter, err := each.Verify(); err != nil || counter != 6 {
			t.Errorf("Verify: %d, %v", counter, err)
		}
	}
}
