package note

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/vaulttest/vectors"
)

func config(t testing.TB, dir string) Config {
	t.Helper()
	v := vectors.Read(t, "retention")
	key, err := keys.KeyFrom(v.Bytes(t, "outer"))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Dir: dir, Key: key, FS: pair.Disk{}, Fresh: func() uint64 { return 1 << 40 }}
	for i := range c.VaultID {
		c.VaultID[i] = byte(0xa0 + i)
	}
	return c
}

func TestTheVectorsOpenAndAreWrittenAgain(t *testing.T) {
	v := vectors.Read(t, "retention")
	for _, name := range []string{"clock", "graces", "holds"} {
		n, _, err := Open(config(t, t.TempDir()), name)
		if err != nil {
			t.Fatal(err)
		}
		number, body, err := n.open(v.Bytes(t, name))
		if err != nil || number != 3 {
			t.Errorf("%s: number %d, %v", name, number, err)
			continue
		}
		if !bytes.Equal(n.seal(number, body), v.Bytes(t, name)) {
			t.Errorf("%s is written otherwise than FORMAT.md says", name)
		}
	}
}

func write(t *testing.T, dir, text string) {
	t.Helper()
	n, _, err := Open(config(t, dir), "clock")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir string) Opened {
	t.Helper()
	_, o, err := Open(config(t, dir), "clock")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOfTwoCopiesTheNewerWholeOneCounts(t *testing.T) {
	dir := t.TempDir()
	if o := read(t, dir); o.Body != nil || o.Lost {
		t.Errorf("none yet: %+v", o)
	}
	write(t, dir, "first")
	write(t, dir, "second")
	for _, copied := range []string{"", "copy"} {
		path := filepath.Join(dir, copied, "clock")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if o := read(t, dir); string(o.Body) != "second" || o.Lost || len(o.Findings) == 0 {
			t.Errorf("%s/clock altered: %q, lost %v, findings %v", copied, o.Body, o.Lost, o.Findings)
		}
		if o := read(t, dir); string(o.Body) != "second" || len(o.Findings) > 0 {
			t.Errorf("it was not mended: %+v", o)
		}
	}
	for _, copied := range []string{"", "copy"} {
		if err := os.WriteFile(filepath.Join(dir, copied, "clock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if o := read(t, dir); o.Body != nil || !o.Lost || len(o.Findings) == 0 {
		t.Errorf("both emptied: %+v", o)
	}
	write(t, dir, "third")
	if o := read(t, dir); string(o.Body) != "third" {
		t.Errorf("written anew: %+v", o)
	}
}

func TestANoteOfAnotherNameIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "clock's")
	data, err := os.ReadFile(filepath.Join(dir, "clock"))
	if err != nil {
		t.Fatal(err)
	}
	n, _, err := Open(config(t, t.TempDir()), "holds")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.open(data); !errors.Is(err, ErrAltered) {
		t.Errorf("open: %v, want ErrAltered", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(vectors.Read(f, "retention").Bytes(f, "clock"))
	n, _, err := Open(config(f, f.TempDir()), "clock")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// Whoever has the key can write anything: what comes after the MAC must be read safely, too.
		signed := append(bytes.Clone(data), n.mac(data)...)
		for _, file := range [][]byte{data, signed} {
			if number, body, err := n.open(file); err == nil && !bytes.Equal(n.seal(number, body), file) {
				t.Errorf("%x has a second form", file)
			}
		}
	})
}
