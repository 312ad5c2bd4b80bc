package vault_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/custody"
	"linekeep/vault/erasure"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

const (
	sampleVault = "testdata/v1/vault.tar.gz"
	sampleCode  = "testdata/v1/recovery-code.txt"
)

// sampleTalk is what is said in the sample.
func sampleTalk() *talk.Talk { return talk.New(7, time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)) }

// TestAVaultOfVersion1OpensForEver: a vault that was written once, with a call, one that was erased, and people, is
// recovered onto another chip, found whole, and played.
func TestAVaultOfVersion1OpensForEver(t *testing.T) {
	// The sample must never be made anew once boxes of version 1 are with people.
	if os.Getenv("LINEKEEP_WRITE_V1") != "" {
		writeSample(t)
	}
	dir := filepath.Join(t.TempDir(), "vault")
	unpack(t, sampleVault, dir)
	text, err := os.ReadFile(sampleCode)
	if err != nil {
		t.Fatal(err)
	}
	code, err := custody.ParseCode(string(text))
	if err != nil {
		t.Fatal(err)
	}
	v := vaulttest.At(t, dir, tpmtest.NewMemory(), code)
	if err := vault.Recover(t.Context(), v.Config, v.Chip, code, v.Log); err != nil {
		t.Fatalf("Recover: %v", err)
	}
	v.Start()
	said := sampleTalk()
	said.Groups(8, true, true)
	v.Plays(only(t, v), said)
	if report, err := v.Check(t.Context()); err != nil || len(report.Findings) != 0 {
		t.Errorf("check: %v, %v", report.Findings, err)
	}
	if s := v.Status().People; s.Commissioning || s.Number != 2 {
		t.Errorf("people: %+v", s)
	}
	before := only(t, v)
	before.Slot-- // the call that was recorded first
	if c, err := v.Certificate(before); err != nil || c.Entry.Why != erasure.Order {
		t.Errorf("the certificate of the erased call: %+v, %v", c.Entry, err)
	}
}

func writeSample(t *testing.T) {
	t.Helper()
	v := vaulttest.NewOn(t, "", tpmtest.NewMemory())
	v.Start()
	v.Record(talk.New(8, sampleTalk().Start.Add(time.Hour)), 4)
	if _, err := v.Erase(t.Context(), erasure.Order, only(t, v)); err != nil {
		t.Fatal(err)
	}
	said := sampleTalk()
	v.Record(said, 8)
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	v.Stop()
	pack(t, sampleVault, v.Config.Dir)
	if err := os.WriteFile(sampleCode, []byte(v.Code.Reveal()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pack writes a folder without second copies, which are the same, and without the ballast, which is nothing.
func pack(t *testing.T, to, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	zip, _ := gzip.NewWriterLevel(file, gzip.BestCompression) // a level there is
	w := tar.NewWriter(zip)
	root := os.DirFS(dir)
	err = fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return w.WriteHeader(&tar.Header{Name: name + "/", Mode: 0o700, Typeflag: tar.TypeDir})
		case name == "ballast" || name == "lock" || filepath.Base(filepath.Dir(name)) == "copy":
			return nil
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err := errors.Join(err, w.Close(), zip.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
}

// unpack undoes pack, second copies and all.
func unpack(t *testing.T, from, dir string) {
	t.Helper()
	file, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var copies []string
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(h.Name, "./")))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o700)
			if filepath.Base(path) == "copy" {
				copies = append(copies, path)
			}
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range copies {
		twice(t, filepath.Dir(to), to)
	}
}

// twice copies the files of a folder into its folder of second copies.
func twice(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
