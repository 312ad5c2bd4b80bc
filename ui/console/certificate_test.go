package console

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func at() time.Time { return time.Date(2026, time.November, 23, 9, 0, 0, 0, time.UTC) }

func names() []string { return []string{"lk-7f3a.local", "192.0.2.7", "::1"} }

func TestTheCertificateIsMadeOnceAndStays(t *testing.T) {
	keep := Folder(t.TempDir())
	first, err := loadOrMake(keep, names(), at())
	if err != nil {
		t.Fatal(err)
	}
	// Neither a new name nor the years make another, as long as it is good for two months.
	second, err := loadOrMake(keep, []string{"other"}, at().Add(certLife-certLeft-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if first.Fingerprint() != second.Fingerprint() {
		t.Error("the fingerprint changed")
	}
	leaf := first.pair.Leaf
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is %T", leaf.PublicKey)
	}
	for _, n := range names() {
		if err := leaf.VerifyHostname(n); err != nil {
			t.Errorf("not made out to %s: %v", n, err)
		}
	}
	if leaf.IsCA || leaf.VerifyHostname("evil.example") == nil {
		t.Error("the certificate speaks for more than this box")
	}
}

func TestTheFingerprintIsTheOneABrowserShows(t *testing.T) {
	c, err := loadOrMake(Folder(t.TempDir()), names(), at())
	if err != nil {
		t.Fatal(err)
	}
	got := c.Fingerprint()
	if !regexp.MustCompile(`^([0-9A-F]{4} ){15}[0-9A-F]{4}$`).MatchString(got) {
		t.Errorf("%q is not in sixteen groups of four", got)
	}
	if want := fmt.Sprintf("%X", sha256.Sum256(c.pair.Leaf.Raw)); strings.ReplaceAll(got, " ", "") != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
}

func TestACertificateNearItsEndIsMadeAnewOnTheSameKey(t *testing.T) {
	keep := Folder(t.TempDir())
	first, err := loadOrMake(keep, names(), at())
	if err != nil {
		t.Fatal(err)
	}
	late := at().Add(certLife - certLeft + time.Hour)
	second, err := loadOrMake(keep, names(), late)
	if err != nil {
		t.Fatal(err)
	}
	if first.Fingerprint() == second.Fingerprint() || first.PublicKeyHash() != second.PublicKeyHash() {
		t.Error("want another certificate on the same key")
	}
	if second.pair.Leaf.NotAfter.Sub(late) < certLife-time.Minute {
		t.Errorf("the new one ends %s", second.pair.Leaf.NotAfter)
	}
}

func TestABoxWhoseClockWasNeverSetMakesACertificateThatHoldsLater(t *testing.T) {
	c, err := loadOrMake(Folder(t.TempDir()), names(), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if l := c.pair.Leaf; at().Before(l.NotBefore) || at().After(l.NotAfter) {
		t.Errorf("good from %s to %s, which leaves out %s", l.NotBefore, l.NotAfter, at())
	}
}

func TestTheKeyIsReadableByTheBoxAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "console")
	if _, err := loadOrMake(Folder(dir), names(), at()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{keyName: 0o600, certName: 0o600, ".": fs.ModeDir | 0o700} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v (%v), want the key and the certificate only", entries, err)
	}
}

func TestADamagedFileIsNeverReplaced(t *testing.T) {
	good := Folder(t.TempDir())
	if _, err := loadOrMake(good, names(), at()); err != nil {
		t.Fatal(err)
	}
	other := Folder(t.TempDir())
	if _, err := loadOrMake(other, names(), at()); err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Load(certName)
	if err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]struct {
		name string
		data []byte
	}{
		"an empty key":                   {keyName, nil},
		"a key that is noise":            {keyName, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")},
		"an empty certificate":           {certName, nil},
		"a certificate of another key":   {certName, foreign},
		"a certificate that is not read": {certName, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")},
	} {
		t.Run(what, func(t *testing.T) {
			keep := Folder(t.TempDir())
			for _, name := range []string{keyName, certName} {
				b, err := good.Load(name)
				if err != nil {
					t.Fatal(err)
				}
				if name == damage.name {
					b = damage.data
				}
				if err := keep.Save(name, b); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := loadOrMake(keep, names(), at()); err == nil {
				t.Error("no error")
			}
			if b, err := keep.Load(damage.name); err != nil || !bytes.Equal(b, damage.data) {
				t.Errorf("the damaged file was changed (%v)", err)
			}
		})
	}
}

// full keeps nothing.
type full struct{}

var errFull = errors.New("no room")

func (full) Load(string) ([]byte, error) { return nil, fs.ErrNotExist }
func (full) Save(string, []byte) error   { return errFull }

func TestAKeyThatCannotBeSavedIsNotUsed(t *testing.T) {
	if _, err := loadOrMake(full{}, names(), at()); !errors.Is(err, errFull) {
		t.Errorf("loadOrMake: %v, want the reason", err)
	}
}

func TestAnErrorNeverShowsTheKey(t *testing.T) {
	keep := Folder(t.TempDir())
	secret := "-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----\n"
	if err := keep.Save(keyName, []byte(secret)); err != nil {
		t.Fatal(err)
	}
	_, err := loadOrMake(keep, names(), at())
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "c2Vj") {
		t.Errorf("error: %v", err)
	}
}
