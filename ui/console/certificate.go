package console

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Keep is where the console's key and certificate lie. Load reports fs.ErrNotExist for what was never saved.
// Save has the bytes on disk when it returns, whole or not at all.
type Keep interface {
	Load(name string) ([]byte, error)
	Save(name string, data []byte) error
}

// The names under which Keep is asked.
const (
	keyName  = "console.key"
	certName = "console.crt"
)

const (
	// certLife is long because a change of certificate asks everybody in the office to compare a fingerprint again.
	certLife = 10 * 365 * 24 * time.Hour
	// certLeft is when the certificate is made anew at a start, on the same key.
	certLeft = 60 * 24 * time.Hour
)

// earliest is before every certificate and after every clock that was never set: a box without a clock of its own wakes
// up in 1970, and a certificate made then would be refused once the time is right.
func earliest() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }

// Certificate is the console's own certificate, signed by itself: no authority knows a box in an office.
type Certificate struct {
	pair tls.Certificate
}

// Fingerprint is the SHA-256 of the certificate in groups of four, as a person compares it with the browser's.
func (c Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.pair.Certificate[0])
	text := strings.ToUpper(hex.EncodeToString(sum[:]))
	var b strings.Builder
	for i := 0; i < len(text); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text[i : i+4])
	}
	return b.String()
}

// PublicKeyHash is the SHA-256 of the public key (SPKI), by which a program can pin the box.
func (c Certificate) PublicKeyHash() [sha256.Size]byte {
	return sha256.Sum256(c.pair.Leaf.RawSubjectPublicKeyInfo)
}

// PEM is the certificate alone, for those who want to trust it.
func (c Certificate) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.pair.Certificate[0]})
}

// loadOrMake reads the certificate, or makes one. It does not make a new one because the box has another name or address
// now: people have compared the fingerprint of this one. A file that is there and cannot be read is an error, never
// overwritten: a new key would look to every browser like an attack.
func loadOrMake(keep Keep, names []string, now time.Time) (Certificate, error) {
	keyPEM, err := keep.Load(keyName)
	if errors.Is(err, fs.ErrNotExist) {
		if keyPEM, err = makeKey(keep); err != nil {
			return Certificate{}, err
		}
	} else if err != nil {
		return Certificate{}, fmt.Errorf("load the console's key: %w", err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return Certificate{}, err
	}
	certPEM, err := keep.Load(certName)
	if err == nil {
		c, err := pair(certPEM, key)
		if err != nil {
			return Certificate{}, err
		}
		if c.pair.Leaf.NotAfter.Sub(now) > certLeft {
			return c, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Certificate{}, fmt.Errorf("load the console's certificate: %w", err)
	}
	return makeCert(keep, key, names, now)
}

func makeKey(keep Keep) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the console's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the console's key: %w", err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := keep.Save(keyName, out); err != nil {
		return nil, fmt.Errorf("save the console's key: %w", err)
	}
	return out, nil
}

// parseKey reads the key. Its errors say nothing of the bytes.
func parseKey(b []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("read the console's key: not PEM")
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("read the console's key: not PKCS 8")
	}
	key, ok := any.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("read the console's key: not on the curve P-256")
	}
	return key, nil
}

// pair joins a certificate to its key and refuses one of another key.
func pair(certPEM []byte, key *ecdsa.PrivateKey) (Certificate, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return Certificate{}, errors.New("read the console's certificate: not PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Certificate{}, fmt.Errorf("read the console's certificate: %w", err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return Certificate{}, errors.New("read the console's certificate: it belongs to another key")
	}
	return Certificate{tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key, Leaf: leaf}}, nil
}

func makeCert(keep Keep, key *ecdsa.PrivateKey, names []string, now time.Time) (Certificate, error) {
	const serialBits = 120 // RFC 5280 allows 20 bytes and asks for what cannot be guessed
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return Certificate{}, fmt.Errorf("make the console's certificate: %w", err)
	}
	if now.Before(earliest()) {
		now = earliest()
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Linekeep"},
		NotBefore: earliest(), NotAfter: now.Add(certLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, // and not a CA: whoever trusts this certificate trusts this box alone
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return Certificate{}, fmt.Errorf("make the console's certificate: %w", err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := keep.Save(certName, out); err != nil {
		return Certificate{}, fmt.Errorf("save the console's certificate: %w", err)
	}
	return pair(out, key)
}

// Folder keeps the key and the certificate as files that only the box's own user can read.
type Folder string

// Load reads one file.
func (f Folder) Load(name string) ([]byte, error) { return os.ReadFile(filepath.Join(string(f), name)) }

// Save writes one file beside the old one, syncs it and puts it in place.
func (f Folder) Save(name string, data []byte) (err error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(string(f), "."+name+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = bytes.NewReader(data).WriteTo(tmp)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), filepath.Join(string(f), name)); err != nil {
		return err
	}
	dir, err := os.Open(string(f))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
