package clear

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/vectors"
)

func pairOf(t testing.TB, seed byte) envelope.Public {
	t.Helper()
	p, err := envelope.Derive(bytes.Repeat([]byte{seed}, keys.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return p.Public()
}

func example(t testing.TB) Clear {
	t.Helper()
	return Clear{VaultID: [keys.VaultIDSize]byte{1, 2}, Number: 3, Custody: pairOf(t, 1), Spare: pairOf(t, 2),
		Recovery: sha256.Sum256([]byte("recovery")), Classes: []string{"standard", "long"}}
}

func made(t testing.TB, c Clear, outer keys.Key) File {
	t.Helper()
	f, err := Make(c, outer)
	if err != nil {
		t.Fatalf("Make: %v", err)
	}
	return f
}

func TestWhatTheVaultSaysInClearComesBackAndIsKnownAsItsOwn(t *testing.T) {
	dir, outer := t.TempDir(), keys.NewKey()
	if _, _, err := Read(dir); !errors.Is(err, ErrMissing) {
		t.Errorf("before it was written: %v", err)
	}
	if err := Write(dir, made(t, example(t), outer)); err != nil {
		t.Fatalf("Write: %v", err)
	}
	f, findings, err := Read(dir)
	if err != nil || len(findings) > 0 {
		t.Fatalf("Read: %v, %v", err, findings)
	}
	want := example(t)
	if f.Custody.Bytes() != want.Custody.Bytes() || f.Spare.Bytes() != want.Spare.Bytes() || f.VaultID != want.VaultID ||
		f.Number != 3 || f.Recovery != want.Recovery || !reflect.DeepEqual(f.Classes, want.Classes) {
		t.Errorf("read back: %+v", f.Clear)
	}
	if !f.Authentic(outer) {
		t.Error("the vault does not know its own file")
	}
	if f.Authentic(keys.NewKey()) {
		t.Error("another vault takes the file for its own")
	}
}

// A file that somebody else made with keys of their own is whole, and yet never the vault's.
func TestAForeignCustodyKeyIsNotTheVaultsWord(t *testing.T) {
	outer := keys.NewKey()
	c := example(t)
	c.Custody = pairOf(t, 9)
	f := made(t, c, keys.NewKey())
	if g, err := Parse(f.Bytes()); err != nil || g.Authentic(outer) {
		t.Errorf("parse: %v; authentic: %v", err, g.Authentic(outer))
	}
}

func TestOneBadCopyIsMendedAndTwoAreTold(t *testing.T) {
	dir, outer := t.TempDir(), keys.NewKey()
	if err := Write(dir, made(t, example(t), outer)); err != nil {
		t.Fatal(err)
	}
	flip := func(path string) {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		raw[40] ^= 1
		if err := os.WriteFile(filepath.Join(dir, path), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip(Name)
	if f, findings, err := Read(dir); err != nil || len(findings) != 1 || !f.Authentic(outer) {
		t.Errorf("one copy altered: %v, %v", findings, err)
	}
	flip(Name)
	flip("copy/" + Name)
	if _, _, err := Read(dir); !errors.Is(err, ErrAltered) {
		t.Errorf("both copies altered: %v", err)
	}
}

func TestEveryAlteredByteIsNoticed(t *testing.T) {
	f := made(t, example(t), keys.NewKey())
	for i := range f.Bytes() {
		altered := bytes.Clone(f.Bytes())
		altered[i] ^= 1
		if _, err := Parse(altered); err == nil {
			t.Errorf("byte %d altered: parsed", i)
		}
	}
	if _, err := Parse(append(bytes.Clone(f.Bytes()), 0)); err == nil {
		t.Error("a byte too many: parsed")
	}
}

func TestWhatCannotBeReadBackIsNotMade(t *testing.T) {
	for name, change := range map[string]func(*Clear){
		"no class":         func(c *Clear) { c.Classes = nil },
		"too many classes": func(c *Clear) { c.Classes = make([]string, 256) },
		"a class's name":   func(c *Clear) { c.Classes = []string{"../x"} },
		"no custody key":   func(c *Clear) { c.Custody = envelope.Public{} },
		"no spare key":     func(c *Clear) { c.Spare = envelope.Public{} },
	} {
		c := example(t)
		change(&c)
		if _, err := Make(c, keys.NewKey()); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

func key(t testing.TB, b []byte) keys.Key {
	t.Helper()
	k, err := keys.KeyFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestTheDescribedBytes reads the worked example of FORMAT.md, the section on the clear file.
func TestTheDescribedBytes(t *testing.T) {
	v := vectors.Read(t, "clear file")
	outer := key(t, v.Bytes(t, "outer"))
	f, err := Parse(v.Bytes(t, "file"))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if !f.Authentic(outer) || len(f.Classes) != 2 || f.Number != 2 {
		t.Errorf("authentic: %v; %+v", f.Authentic(outer), f.Clear)
	}
	custody, spare := f.Custody.Bytes(), f.Spare.Bytes()
	if !bytes.Equal(custody[:], v.Bytes(t, "custody public")) || !bytes.Equal(spare[:], v.Bytes(t, "spare public")) {
		t.Error("other keys")
	}
	if again := made(t, f.Clear, outer); !bytes.Equal(again.Bytes(), v.Bytes(t, "file")) {
		t.Errorf("made again: %x", again.Bytes())
	}
}

func FuzzParse(f *testing.F) {
	c := example(f)
	outer := keys.NewKey()
	f.Add(made(f, c, outer).Bytes())
	// The checksum is made right, so that the fuzzer gets past it.
	f.Fuzz(func(t *testing.T, data []byte) {
		sum := sha256.Sum256(data)
		g, err := Parse(append(bytes.Clone(data), sum[:]...))
		if err != nil {
			return
		}
		again, err := Make(g.Clear, outer)
		if err != nil {
			t.Fatalf("what was read cannot be made: %v", err)
		}
		end := len(data) - sha256.Size
		if !bytes.Equal(again.Bytes()[:end], data[:end]) {
			t.Error("a clear file has two forms")
		}
	})
}
