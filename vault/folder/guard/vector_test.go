package guard

import (
	"bytes"
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/vectors"
)

func vectorNameAndKey(t *testing.T, v vectors.Vector) (string, keys.Key) {
	t.Helper()
	key, err := keys.KeyFrom(v.Bytes(t, "folder list"))
	if err != nil {
		t.Fatal(err)
	}
	return string(v.Bytes(t, "path")), key
}

func TestAListIsReadAndWrittenAsTheFormatSays(t *testing.T) {
	v := vectors.Read(t, "folder")
	name, key := vectorNameAndKey(t, v)
	want := v.Bytes(t, "list")
	l, err := decodeList(want, name, key)
	if err != nil {
		t.Fatal(err)
	}
	if l.seq != 3 || l.commits != 258 || len(l.items) != 2 || l.items[1].name != "000001.vlog" || l.items[1].size != 25130 {
		t.Errorf("list %+v", l)
	}
	if got, err := l.encode(name, key); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded %x, %v", got, err)
	}
	for i := range want {
		bad := bytes.Clone(want)
		bad[i] ^= 1
		if _, err := decodeList(bad, name, key); err == nil {
			t.Errorf("byte %d altered: read", i)
		}
	}
}

// FuzzList: a list under the right key, whatever is in it, is read or refused, and what is read is written the same.
func FuzzList(f *testing.F) {
	key := keys.NewKey()
	for _, l := range []list{{}, {seq: 1, commits: 2, items: []item{{kind: 'M', name: "MANIFEST"}, {kind: 'V', name: "1.vlog", size: 7}}}} {
		b, err := l.encode("f", key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:len(b)-32])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append(bytes.Clone(body), listMAC(body, key)...)
		l, err := decodeList(b, "f", key)
		if err != nil {
			return
		}
		if again, err := l.encode("f", key); err != nil || !bytes.Equal(again, b) {
			t.Errorf("read %x, written %x, %v", b, again, err)
		}
	})
}
