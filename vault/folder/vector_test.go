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
