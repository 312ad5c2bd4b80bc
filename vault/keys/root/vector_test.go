package root

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"linekeep/drivers/tpm"
	"linekeep/vault/envelope"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
	"linekeep/vault/vaulttest/vectors"
)

func vectorKey(t *testing.T, v vectors.Vector, field string) secret.Key {
	t.Helper()
	k, err := secret.From(v.Bytes(t, field))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// example is what the format's example of a root holds.
func example(t *testing.T) *Contents {
	t.Helper()
	v, s := vectors.Read(t, "root"), vectors.Read(t, "shard")
	recovery, err := envelope.PublicFrom(v.Bytes(t, "recovery public"))
	if err != nil {
		t.Fatal(err)
	}
	wrapped := new(Contents)
	if err := wrapped.readLockout(v.Bytes(t, "lockout")); err != nil {
		t.Fatal(err)
	}
	return &Contents{
		Vault: vectorKey(t, vectors.Read(t, "common"), "vault key"), Owner: vectorKey(t, v, "owner"),
		Commissioning: vectorKey(t, v, "commissioning"), Spare: vectorKey(t, v, "spare"), Recovery: &recovery, Lockout: wrapped.Lockout,
		NextShard: 8, Fresh: 3, Written: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), Spent: 4,
		Wear:   Wear{Last: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), Today: 2, Total: 3},
		Office: Mark{Shard: 6, Next: 128}, Doomed: []shard.ID{{Shard: 7, Slot: 41}, {Shard: 7, Slot: 42}},
		Shards: []shard.Line{{Info: shard.Info{Number: 7, Class: "standard", Month: "2026-11", Part: 1, Slots: shard.MaxSlots},
			Rewrite: 1, Seq: 5, Key: vectorKey(t, s, "shard key"), Hash: [sha256.Size]byte(s.Bytes(t, "hash"))}},
		others: []field{{tag: 0x1234, value: []byte("later")}},
	}
}

func exampleFront(t *testing.T) Front {
	t.Helper()
	v := vectors.Read(t, "root")
	return Front{VaultID: [16]byte(vectors.Read(t, "common").Bytes(t, "vault id")), ID: ID{Epoch: 3, Seq: 5}, Blob: v.Bytes(t, "blob"),
		Chip: tpm.Identity{Storage: v.Bytes(t, "storage"), Counter: v.Bytes(t, "counter"), Attest: v.Bytes(t, "attest")}}
}

func TestARootIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "root")
	want, rootKey := v.Bytes(t, "file"), vectorKey(t, v, "root key")
	body, err := example(t).marshal()
	if err != nil || !bytes.Equal(body, v.Bytes(t, "contents")) {
		t.Errorf("contents marshalled: %x, %v", body, err)
	}
	nonce := bytes.Repeat([]byte{0xe0}, chacha20poly1305.NonceSizeX)
	for i := range nonce {
		nonce[i] += byte(i)
	}
	file, err := seal(exampleFront(t), rootKey, nonce, example(t))
	if err != nil || !bytes.Equal(file, want) {
		t.Errorf("sealed: %x, %v", file, err)
	}
	r, err := Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	if r.VaultID != exampleFront(t).VaultID || r.ID != (ID{Epoch: 3, Seq: 5}) || !bytes.Equal(r.Blob, v.Bytes(t, "blob")) ||
		!SameChip(r.Chip, exampleFront(t).Chip) {
		t.Errorf("outside: %+v", r.ID)
	}
	c, err := r.Open(rootKey)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.marshal()
	if err != nil || !bytes.Equal(again, v.Bytes(t, "contents")) {
		t.Errorf("read and marshalled again: %x, %v", again, err)
	}
	if c.NextShard != 8 || c.Fresh != 3 || c.Spent != 4 || c.Wear.Today != 2 || c.Office.Next != 128 || !c.IsDoomed(shard.ID{Shard: 7, Slot: 42}) ||
		len(c.Shards) != 1 || c.Shards[0].Class != "standard" || c.Recovery == nil || c.Lockout == nil || len(c.others) != 1 {
		t.Errorf("contents: %+v", c)
	}
}

func TestABackupIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "backup")
	recovery, err := envelope.PrivateFrom(vectorKey(t, v, "recovery private"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseBackup(v.Bytes(t, "file"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.marshal(); err != nil || !bytes.Equal(again, v.Bytes(t, "file")) {
		t.Errorf("marshalled again: %x, %v", again, err)
	}
	if info := rootInfo(b.front); !bytes.Equal(info, v.Bytes(t, "root info")) {
		t.Errorf("info of the root key: %x", info)
	}
	if info := lockoutInfo(b.front.VaultID); !bytes.Equal(info, v.Bytes(t, "lockout info")) {
		t.Errorf("info of the lockout: %x", info)
	}
	c, err := b.Open(recovery)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := c.marshal(); err != nil || !bytes.Equal(body, vectors.Read(t, "root").Bytes(t, "contents")) {
		t.Errorf("contents: %x, %v", body, err)
	}
	lockout, err := b.lockout.Open(b.front.VaultID, recovery)
	if err != nil || !bytes.Equal(lockout.Bytes()[:], v.Bytes(t, "lockout")) {
		t.Errorf("lockout: %v", err)
	}
}
