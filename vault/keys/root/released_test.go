package root

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"linekeep/vault/envelope"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
)

// TestFilesOfTheFirstFormatOpenForEver reads a root and a key backup as they were written once. FORMAT.md's examples follow
// the code; these never change.
func TestFilesOfTheFirstFormatOpenForEver(t *testing.T) {
	load := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", "v1", name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	key := func(b []byte) secret.Key {
		k, err := secret.From(b)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	rootKey := make([]byte, secret.Size)
	for i := range rootKey {
		rootKey[i] = 0x60 + byte(i)
	}
	r, err := Parse(load("root.3.5"))
	if err != nil {
		t.Fatal(err)
	}
	direct, err := r.Open(key(rootKey))
	if err != nil {
		t.Fatal(err)
	}
	recovery, err := envelope.PrivateFrom(key(bytes.Repeat([]byte{0x31}, secret.Size)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseBackup(load(BackupName))
	if err != nil {
		t.Fatal(err)
	}
	byCode, err := b.Open(recovery)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]*Contents{"root": direct, "backup": byCode} {
		l, ok := c.Shard(7)
		if !ok || l.Class != "standard" || l.Month != "2026-11" || l.Part != 1 || l.Rewrite != 1 || l.Seq != 5 || c.NextShard != 8 || c.Fresh != 3 ||
			c.Spent != 4 || c.Wear.Today != 2 || c.Wear.Total != 3 || c.Office != (Mark{Shard: 6, Next: 128}) || !c.IsDoomed(shard.ID{Shard: 7, Slot: 41}) {
			t.Errorf("%s: %+v", what, c)
		}
		for fill, k := range map[byte]secret.Key{0x41: c.Owner, 0x42: c.Commissioning, 0x43: c.Spare} {
			if !k.Equal(key(bytes.Repeat([]byte{fill}, secret.Size))) {
				t.Errorf("%s: the key of %#x is another", what, fill)
			}
		}
		auth, err := c.Lockout.Open(r.VaultID, recovery)
		if err != nil || !auth.Equal(key(bytes.Repeat([]byte{0x51}, secret.Size))) {
			t.Errorf("%s: the lockout's authorisation: %v", what, err)
		}
	}
}
