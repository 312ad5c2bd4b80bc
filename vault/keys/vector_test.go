package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"linekeep/vault/vaulttest/vectors"
)

func vectorKey(t *testing.T, v vectors.Vector, field string) Key {
	t.Helper()
	k, err := KeyFrom(v.Bytes(t, field))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func commonVaultID(t *testing.T) [VaultIDSize]byte {
	t.Helper()
	return [VaultIDSize]byte(vectors.Read(t, "common").Bytes(t, "vault id"))
}

func TestDerivedKeysAreThoseOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "derivation")
	base := vectorKey(t, vectors.Read(t, "common"), "vault key")
	path, purpose := v.Bytes(t, "folder path"), v.Bytes(t, "outer purpose")
	k := &Keys{contents: &contents{vault: base}}
	slot := Slot{key: base}
	for _, test := range []struct {
		field string
		info  []byte
		got   Key
	}{
		{"folder", Info("folder", path), k.Folder(string(path))},
		{"outer", Info("outer", purpose), k.Outer(string(purpose))},
		{"slot meta", Info("slot meta"), slot.Meta()},
		{"slot audit", Info("slot audit"), slot.Audit()},
		{"slot wrap", Info("slot wrap"), slot.Wrap()},
	} {
		if !bytes.Equal(test.info, v.Bytes(t, test.field+" info")) {
			t.Errorf("%s: info is %x", test.field, test.info)
		}
		if !bytes.Equal(test.got.Bytes()[:], v.Bytes(t, test.field)) {
			t.Errorf("%s: another key", test.field)
		}
	}
}

// Who adds a purpose to the code adds it to the format's description too.
func TestEveryDerivationLabelStandsInTheFormat(t *testing.T) {
	text, err := os.ReadFile("../FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`\b(?:Derive|Info)\("([^"]+)"`)
	found := 0
	err = filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range call.FindAllSubmatch(source, -1) {
			found++
			if !bytes.Contains(text, append(append([]byte("`"), m[1]...), '`')) {
				t.Errorf("%s: label %q is not in FORMAT.md", path, m[1])
			}
		}
		return err
	})
	if err != nil || found < 9 {
		t.Errorf("%d labels found, %v", found, err)
	}
}

func vectorShard(t *testing.T) (shardLine, []byte) {
	t.Helper()
	v := vectors.Read(t, "shard")
	l := shardLine{
		ShardInfo: ShardInfo{Number: 7, Class: "standard", Month: "2026-11", Part: 1, Slots: SlotsPerShard},
		rewrite:   1, seq: 5, key: vectorKey(t, v, "shard key"),
	}
	slots := make([]byte, 0, SlotsPerShard*KeySize)
	for i := range uint32(SlotsPerShard) {
		key := sha256.Sum256(binary.BigEndian.AppendUint32(nil, i))
		slots = append(slots, key[:]...)
	}
	header := v.Bytes(t, "header")
	file, err := sealShard(commonVaultID(t), &l, header[len(header)-chacha20poly1305.NonceSizeX:], slots)
	if err != nil {
		t.Fatal(err)
	}
	return l, file
}

func TestAShardIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "shard")
	l, file := vectorShard(t)
	header, first, tag := v.Bytes(t, "header"), v.Bytes(t, "first slot"), v.Bytes(t, "tag")
	if !bytes.HasPrefix(file, append(bytes.Clone(header), first...)) || !bytes.HasSuffix(file, tag) {
		t.Errorf("header %x, first slot %x", file[:len(header)], file[len(header):][:KeySize])
	}
	if !bytes.Equal(l.hash[:], v.Bytes(t, "hash")) || len(file) != l.fileSize() || len(file) != 524386 {
		t.Errorf("hash %x of %d bytes", l.hash, len(file))
	}
	slots, err := openShard(commonVaultID(t), l, file)
	if err != nil || sha256.Sum256([]byte{0, 0, 0, 0}) != [32]byte(slots[:KeySize]) {
		t.Errorf("openShard: %v", err)
	}
	vaultID, read, err := readShardHeader(file)
	if err != nil || vaultID != commonVaultID(t) || read.ShardInfo != l.ShardInfo || read.seq != 5 {
		t.Errorf("readShardHeader: %+v, %v", read, err)
	}
}

func TestARootIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "root")
	want, rootKey := v.Bytes(t, "file"), vectorKey(t, v, "root key")
	r, err := parseRoot(want)
	if err != nil {
		t.Fatal(err)
	}
	if r.vaultID != commonVaultID(t) || r.id != (rootID{1, 5}) || !bytes.Equal(r.blob, v.Bytes(t, "blob")) {
		t.Errorf("outside: %+v", r.id)
	}
	c, err := r.open(rootKey)
	if err != nil {
		t.Fatal(err)
	}
	l, _ := vectorShard(t)
	if len(c.shards) != 1 || c.shards[0].ShardInfo != l.ShardInfo || c.shards[0].hash != l.hash || !c.shards[0].key.Equal(l.key) ||
		!c.written.Equal(november) || c.nextShard != 8 {
		t.Errorf("contents: %+v", c)
	}
	body, err := c.marshal()
	if err != nil || !bytes.Equal(body, v.Bytes(t, "contents")) {
		t.Errorf("contents marshalled: %x, %v", body, err)
	}
	file, err := sealRoot(r.vaultID, r.id, r.blob, rootKey, r.nonce, c)
	if err != nil || !bytes.Equal(file, want) {
		t.Errorf("sealed again: %x, %v", file, err)
	}
}

func FuzzRoot(f *testing.F) {
	f.Add([]byte(rootMagic), []byte{0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, file, body []byte) {
		sum := sha256.Sum256(file)
		if r, err := parseRoot(append(bytes.Clone(file), sum[:]...)); err == nil {
			header, err := rootHeader(r.vaultID, r.id, r.blob)
			if err != nil || !bytes.Equal(header, r.header) {
				t.Fatalf("header came back as %x, %v", header, err)
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
		if _, err := parseContents(again); err != nil {
			t.Fatalf("not parsed again: %v", err)
		}
	})
}

func FuzzShardHeader(f *testing.F) {
	f.Add([]byte(shardMagic + "\x00\x01"))
	f.Fuzz(func(t *testing.T, file []byte) {
		vaultID, l, err := readShardHeader(file)
		if err != nil {
			return
		}
		if header, err := shardHeader(vaultID, l, nil); err != nil || !bytes.HasPrefix(file, header) || !isShardName(l.fileName()) {
			t.Fatalf("%s came back as %x, %v", l.fileName(), header, err)
		}
	})
}
