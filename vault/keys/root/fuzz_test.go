package root

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/secret"
	"linekeep/vault/vaulttest/vectors"
)

// withSum ends a file with its checksum, or the fuzzer would never get past it.
func withSum(file []byte) []byte {
	sum := sha256.Sum256(file)
	return append(bytes.Clone(file), sum[:]...)
}

func FuzzRoot(f *testing.F) {
	v := vectors.Read(f, "root")
	file := v.Bytes(f, "file")
	f.Add(file[:len(file)-sha256.Size], v.Bytes(f, "contents"))
	f.Add([]byte(magic), []byte{0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, file, body []byte) {
		if r, err := Parse(withSum(file)); err == nil {
			front, err := r.Front.marshal()
			if err != nil || !bytes.Equal(front, r.front) {
				t.Fatalf("front came back as %x, %v", front, err)
			}
			if _, err := r.Open(secret.New()); err == nil {
				t.Fatal("opened with a key it is not under")
			}
		}
		c, err := parseContents(body)
		if err != nil {
			return
		}
		again, err := c.marshal()
		if err != nil {
			t.Fatalf("parsed and not marshalled: %v", err)
		}
		d, err := parseContents(again)
		if err != nil {
			t.Fatalf("not parsed again: %v", err)
		}
		if third, err := d.marshal(); err != nil || !bytes.Equal(third, again) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

func FuzzBackup(f *testing.F) {
	file := vectors.Read(f, "backup").Bytes(f, "file")
	f.Add(file[:len(file)-sha256.Size])
	f.Add([]byte(backupMagic))
	f.Fuzz(func(t *testing.T, file []byte) {
		b, err := ParseBackup(withSum(file))
		if err != nil {
			return
		}
		if again, err := b.marshal(); err != nil || !bytes.Equal(again, withSum(file)) {
			t.Fatalf("came back as %x, %v", again, err)
		}
	})
}

func TestARootIsBoundToItsFront(t *testing.T) {
	front := Front{ID: ID{Epoch: 3, Seq: 9}, Blob: tpm.Blob("blob"), Chip: tpm.Identity{Storage: []byte("a"), Counter: []byte("b")}}
	key := secret.New()
	c := &Contents{Vault: secret.New(), Owner: secret.New(), Spare: secret.New(), NextShard: 1, Written: time.Now()}
	file, err := Seal(front, key, c)
	if err != nil {
		t.Fatal(err)
	}
	for at := range file[:len(file)-sha256.Size] {
		bad := bytes.Clone(file[:len(file)-sha256.Size])
		bad[at] ^= 4
		r, err := Parse(withSum(bad))
		if err != nil {
			continue // not even the outside
		}
		if _, err := r.Open(key); err == nil {
			t.Fatalf("byte %d altered, with a checksum that fits: opens", at)
		}
	}
	for cut := range file {
		if _, err := Parse(file[:cut]); err == nil {
			t.Fatalf("%d of %d bytes: parsed", cut, len(file))
		}
	}
}

func TestARootWithoutWhatItNeedsIsRefused(t *testing.T) {
	c := &Contents{Vault: secret.New(), Owner: secret.New(), Spare: secret.New(), NextShard: 1}
	body, err := c.marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseContents(body); err != nil {
		t.Fatal(err)
	}
	const keyField = 2 + 4 + secret.Size
	for what, body := range map[string][]byte{
		"no vault key": body[keyField:], "nothing": nil, "the vault key twice": append(bytes.Clone(body[:keyField]), body...),
		"cut short": body[:len(body)-1], "no ids": append(bytes.Clone(body), 0, tagDoomed, 0, 0, 0, 0),
		"ids out of order": append(bytes.Clone(body), 0, tagDoomed, 0, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1),
	} {
		if _, err := parseContents(body); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}
