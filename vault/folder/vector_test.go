package folder

import (
	"bytes"
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/vectors"
)

func vectorFolder(t *testing.T, v vectors.Vector) *Folder {
	t.Helper()
	base, err := keys.KeyFrom(vectors.Read(t, "common").Bytes(t, "vault key"))
	if err != nil {
		t.Fatal(err)
	}
	return &Folder{o: Options{Name: string(v.Bytes(t, "path"))}, keys: derive(base)}
}

func TestKeysOfAFolderAreThoseOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "folder")
	f := vectorFolder(t, v)
	for name, got := range map[string]keys.Key{"folder cloak": f.keys.cloak, "folder value": f.keys.value, "folder list": f.keys.list} {
		if !bytes.Equal(got.Bytes()[:], v.Bytes(t, name)) {
			t.Errorf("%s: another key", name)
		}
	}
}

func TestAValueOpensAsTheFormatSays(t *testing.T) {
	v := vectors.Read(t, "folder")
	f := vectorFolder(t, v)
	key, value := v.Bytes(t, "badger key"), v.Bytes(t, "value")
	plain, commit, err := f.openValue(key, value)
	if err != nil || !bytes.Equal(plain, v.Bytes(t, "plain")) || commit != 258 {
		t.Errorf("opened %x of commit %d, %v", plain, commit, err)
	}
	for i := range value {
		bad := bytes.Clone(value)
		bad[i] ^= 1
		if _, _, err := f.openValue(key, bad); err == nil {
			t.Errorf("byte %d altered: opened", i)
		}
	}
	if _, _, err := f.openValue([]byte("r8"), value); err == nil {
		t.Error("opened under another key")
	}
}

func TestAListIsReadAndWrittenAsTheFormatSays(t *testing.T) {
	v := vectors.Read(t, "folder")
	f := vectorFolder(t, v)
	want := v.Bytes(t, "list")
	l, err := decodeList(want, f.o.Name, f.keys.list)
	if err != nil {
		t.Fatal(err)
	}
	if l.seq != 3 || l.commits != 258 || len(l.items) != 2 || l.items[1].name != "000001.vlog" || l.items[1].size != 25130 {
		t.Errorf("list %+v", l)
	}
	if got, err := l.encode(f.o.Name, f.keys.list); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded %x, %v", got, err)
	}
	for i := range want {
		bad := bytes.Clone(want)
		bad[i] ^= 1
		if _, err := decodeList(bad, f.o.Name, f.keys.list); err == nil {
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

// FuzzLogWalk: any bytes are walked to an end that lies within them.
func FuzzLogWalk(f *testing.F) {
	f.Add(make([]byte, 100))
	f.Add(append(make([]byte, logHeader), 0x40, 0, 1, 1, 0, 'k', 'v', 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		end, _, err := walkLog(bytes.NewReader(b))
		if err != nil || end < 0 || end > int64(len(b)) {
			t.Errorf("end %d of %d, %v", end, len(b), err)
		}
		finAfter(b)
		if n, err := manifestEnd(b); err == nil && n > len(b) {
			t.Errorf("manifest ends at %d of %d", n, len(b))
		}
	})
}
