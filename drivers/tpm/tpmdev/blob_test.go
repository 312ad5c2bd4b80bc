package tpmdev

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm"
)

// FuzzParseBlob reads what stands on a disk that somebody else may have written on.
func FuzzParseBlob(f *testing.F) {
	for _, template := range []tpm2.TPMTPublic{secretTemplate(), accountSigningTemplate(), attestTemplate()} {
		public := tpm2.Marshal(tpm2.New2B(template))
		f.Add(append(public, tpm2.Marshal(tpm2.TPM2BPrivate{Buffer: make([]byte, 40)})...))
		f.Add(public)
	}
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, blob []byte) {
		o, err := parseBlob(blob)
		if err != nil {
			if !errors.Is(err, tpm.ErrRefused) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		for _, template := range []tpm2.TPMTPublic{secretTemplate(), accountSigningTemplate()} {
			if !alike(o.public, template) {
				continue
			}
			back := append(tpm2.Marshal(tpm2.New2B(o.public)), tpm2.Marshal(o.private)...)
			if !bytes.Equal(back, blob) {
				t.Fatalf("what the chip would get is not what was read: %x, %x", back, blob)
			}
		}
	})
}
