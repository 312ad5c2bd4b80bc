package settings

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

func open(t *testing.T, dir string, vault byte, key keys.Key) *Folder {
	t.Helper()
	f, err := Open(dir, [keys.VaultIDSize]byte{vault}, key)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return f
}

func TestWhatWasSavedComesBackAndNothingOfItIsOnTheDisk(t *testing.T) {
	dir, key := t.TempDir(), keys.NewKey()
	f := open(t, dir, 1, key)
	if _, err := f.Load("console.key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it was saved: got %v, want fs.ErrNotExist", err)
	}
	secret := []byte("a private key of the console")
	if err := f.Save("console.key", secret); err != nil {
		t.Fatalf("Save: %v", err)
	}
	got, err := open(t, dir, 1, key).Load("console.key")
	if err != nil || !bytes.Equal(got, secret) {
		t.Errorf("Load: got %q, %v", got, err)
	}
	for _, path := range []string{"console.key", "copy/console.key"} {
		raw, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil || bytes.Contains(raw, secret[:8]) {
			t.Errorf("%s: %v, the secret in clear: %v", path, err, bytes.Contains(raw, secret[:8]))
		}
	}
}

func TestOneFlippedBitIsMendedAndTwoAreTold(t *testing.T) {
	dir, key := t.TempDir(), keys.NewKey()
	f := open(t, dir, 1, key)
	if err := f.Save("a", []byte("value")); err != nil {
		t.Fatal(err)
	}
	flip := func(path string) {
		raw, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)/2] ^= 4
		if err := os.WriteFile(filepath.Join(dir, path), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip("a")
	if got, err := f.Load("a"); err != nil || string(got) != "value" {
		t.Errorf("one copy altered: got %q, %v", got, err)
	}
	flip("a")
	flip("copy/a")
	if got, err := f.Load("a"); !errors.Is(err, ErrAltered) || got != nil {
		t.Errorf("both copies altered: got %q, %v; want ErrAltered and nothing", got, err)
	}
}

func TestAValueOpensOnlyInItsOwnPlace(t *testing.T) {
	dir, key := t.TempDir(), keys.NewKey()
	f := open(t, dir, 1, key)
	if err := f.Save("a", []byte("value")); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*Folder{"b": f, "a": open(t, dir, 2, key)} {
		if _, err := f.Load(name); !errors.Is(err, ErrAltered) {
			t.Errorf("under another name, or in another vault (%s): got %v, want ErrAltered", name, err)
		}
	}
	if _, err := open(t, dir, 1, keys.NewKey()).Load("a"); !errors.Is(err, ErrAltered) {
		t.Errorf("under another key: got %v, want ErrAltered", err)
	}
}

func TestANameStaysInItsFolder(t *testing.T) {
	f := open(t, t.TempDir(), 1, keys.NewKey())
	for _, name := range []string{"", "../a", "a/b", ".", "..", ".tmp"} {
		if err := f.Save(name, nil); err == nil {
			t.Errorf("Save(%q): no error", name)
		}
	}
	if err := f.Save("big", make([]byte, MaxSize+1)); err == nil {
		t.Error("Save of more than MaxSize: no error")
	}
}

// TestTheDescribedBytesOpen reads the worked example of FORMAT.md, section 13.
func TestTheDescribedBytesOpen(t *testing.T) {
	v := vectors.Read(t, "setting")
	key, err := keys.KeyFrom(v["key"])
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, t.TempDir(), 0, key)
	copy(f.vaultID[:], v["vault id"])
	got, err := f.open(string(v["name"]), v["file"])
	if err != nil || !bytes.Equal(got, v["value"]) {
		t.Errorf("got %x, %v; want %x", got, err, v["value"])
	}
	for i := range v["file"] {
		altered := bytes.Clone(v["file"])
		altered[i] ^= 1
		if _, err := f.open(string(v["name"]), altered); err == nil {
			t.Errorf("byte %d altered: opened", i)
		}
	}
}

// FuzzSetting: nothing but what was saved under this name and key opens, whatever lies on the disk.
func FuzzSetting(f *testing.F) {
	folder := &Folder{vaultID: [keys.VaultIDSize]byte{1}, key: keys.NewKey()}
	whole := append([]byte(head), seal.Box(folder.key, []byte("value"), folder.place("a")...)...)
	f.Add(whole)
	f.Add([]byte(head))
	f.Fuzz(func(t *testing.T, file []byte) {
		value, err := folder.open("a", file)
		if (err == nil) != bytes.Equal(file, whole) {
			t.Fatalf("%x opens as %q, %v", file, value, err)
		}
	})
}

// TestVerifyNamesEachCopyThatIsNotWhatWasSaved, says nothing of one that is being saved, and changes nothing.
func TestVerifyNamesEachCopyThatIsNotWhatWasSaved(t *testing.T) {
	dir, key := t.TempDir(), keys.NewKey()
	f := open(t, dir, 1, key)
	saved := make(chan error, 1) // one answer
	go func() {
		var err error
		for i := range 50 {
			err = errors.Join(err, f.Save("a", []byte{byte(i)}))
		}
		saved <- err
	}()
	for done := false; !done; {
		if found := f.Verify(); len(found) > 0 {
			t.Fatalf("while it is saved: %v", found)
		}
		select {
		case err := <-saved:
			if done = true; err != nil {
				t.Fatal(err)
			}
		default:
		}
	}
	whole, err := os.ReadFile(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		data []byte // nil removes it
		want error
	}{{"a", nil, fs.ErrNotExist}, {"copy/a", nil, fs.ErrNotExist}, {"a", whole[:9], ErrAltered}, {"copy/a", []byte{}, ErrAltered}} {
		path := filepath.Join(dir, c.path)
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if c.data == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		for _, found := range [][]error{f.Verify(), Inspect(dir, f.vaultID, key)} {
			if len(found) != 1 || !errors.Is(found[0], c.want) || !bytes.Contains([]byte(found[0].Error()), []byte("settings/"+c.path+":")) {
				t.Errorf("%s: %v, want %v", c.path, found, c.want)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARemovedValueIsGoneInBothCopiesAndTheOthersStay(t *testing.T) {
	dir, key := t.TempDir(), keys.NewKey()
	f := open(t, dir, 1, key)
	for _, name := range []string{"a", "b"} {
		if err := f.Save(name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := f.Remove("a"); err != nil {
			t.Fatalf("Remove: %v", err)
		}
	}
	names, err := f.Names()
	if err != nil || len(names) != 1 || names[0] != "b" {
		t.Errorf("Names: %v, %v", names, err)
	}
	if _, err := open(t, dir, 1, key).Load("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of what was removed: %v", err)
	}
	if err := f.Remove("../b"); err == nil {
		t.Error("a name that leads out of the folder was taken")
	}
}
