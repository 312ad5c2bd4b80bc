package audit

import (
	"bytes"
	"testing"

	"linekeep/vault/audit/entry"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/vectors"
)

func fixedKey(tb testing.TB) keys.Key {
	tb.Helper()
	key, err := keys.KeyFrom(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// FuzzHeader has the key, as whoever altered the disk has not, so that what is behind the MAC is read too.
func FuzzHeader(f *testing.F) {
	key := fixedKey(f)
	h := header{chip: [32]byte{1}, first: 16384, before: 99, root: [32]byte{2}, register: mark{3, [32]byte{4}}, office: keys.ID{Shard: 1, Slot: 2}, flags: flagLost}
	whole := h.bytes([16]byte{5}, key)
	f.Add(whole)
	f.Add(whole[:headerSize-32])
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := parseHeader(data, [16]byte{5}, key); err == nil && !bytes.Equal(got.bytes([16]byte{5}, key), data) {
			t.Errorf("a header that is not what bytes writes was taken: %x", data)
		}
		mac := key.HMAC()
		mac.Write(data)
		signed := mac.Sum(bytes.Clone(data))
		if got, err := parseHeader(signed, [16]byte{5}, key); err == nil && !bytes.Equal(got.bytes([16]byte{5}, key), signed) {
			t.Errorf("a header that is not what bytes writes was taken: %x", signed)
		}
	})
}

func FuzzFileName(f *testing.F) {
	f.Add(fileName(16384))
	f.Add("log.+00000000001")
	f.Fuzz(func(t *testing.T, name string) {
		if first, ok := parseFileName(name); ok && fileName(first) != name {
			t.Errorf("%q was taken", name)
		}
	})
}

func FuzzRecord(f *testing.F) {
	e := entry.Entry{Action: entry.Hear}
	core, err := e.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(appendRecord(nil, core, nil))
	f.Add(appendRecord(nil, core, []byte("not its details")))
	f.Add(vectors.Read(f, "audit log").Bytes(f, "file")[headerSize:])
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, n, err := parseRecord(data); err == nil && !bytes.Equal(appendRecord(nil, s.Core, s.Sealed), data[:n]) {
			t.Errorf("a record that is not what appendRecord writes was taken: %x", data)
		}
	})
}
