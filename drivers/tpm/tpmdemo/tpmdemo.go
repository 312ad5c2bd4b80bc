// Package tpmdemo plays the vendor for a demonstration: it makes a signing key on the spot and signs for the
// state that a chip is in right now. So it proves nothing about the software, and no product binary links it.
//
//	In:    a chip's path and a folder
//	Out:   vendor.pem and policy.json in the folder, readable by their owner only
//	Owner: the caller; no goroutine
//	Full:  two small files
package tpmdemo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"linekeep/drivers/tpm/tpmdev"
)

const (
	keyFile    = "vendor.pem"
	policyFile = "policy.json"
	pemType    = "PRIVATE KEY" // PKCS #8
)

// PCRs are those a demonstration binds to: 7 is the state of secure boot, 11 the kernel image where systemd
// measures it. On a fresh software TPM both are zero.
func PCRs() []int { return []int{7, 11} }

// NewVendor makes a vendor's signing key.
func NewVendor() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make vendor key: %w", err)
	}
	return key, nil
}

// Sign makes the policy that approves a PCR policy digest, as tpmdev.ReadPCRs gives it, for the purpose ref.
func Sign(vendor *ecdsa.PrivateKey, ref string, pcrs []int, approved []byte) (tpmdev.Policy, error) {
	public, err := x509.MarshalPKIXPublicKey(vendor.Public())
	if err != nil {
		return tpmdev.Policy{}, fmt.Errorf("sign policy: %w", err)
	}
	signature, err := ecdsa.SignASN1(rand.Reader, vendor, tpmdev.SignedDigest(approved, ref))
	if err != nil {
		return tpmdev.Policy{}, fmt.Errorf("sign policy: %w", err)
	}
	return tpmdev.Policy{Version: 1, Ref: ref, Vendor: public, PCRs: slices.Clone(pcrs), Approved: approved, Signature: signature}, nil
}

// Make gives the demonstration's policy for the chip at path. The folder's vendor key is made the first time
// and kept, since everything sealed hangs from it; the policy is signed anew for what the chip measures now.
func Make(ctx context.Context, path, dir string) (tpmdev.Policy, error) {
	vendor, err := vendorIn(dir)
	if err != nil {
		return tpmdev.Policy{}, err
	}
	approved, err := tpmdev.ReadPCRs(ctx, path, PCRs())
	if err != nil {
		return tpmdev.Policy{}, err
	}
	policy, err := Sign(vendor, tpmdev.RefDemo, PCRs(), approved)
	if err != nil {
		return tpmdev.Policy{}, err
	}
	data, err := policy.Marshal()
	if err != nil {
		return tpmdev.Policy{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, policyFile), data, 0o600); err != nil {
		return tpmdev.Policy{}, fmt.Errorf("write policy: %w", err)
	}
	return policy, nil
}

func vendorIn(dir string) (*ecdsa.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newVendorIn(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read vendor key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("read vendor key: %s is not a private key in PEM", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read vendor key: %w", err)
	}
	vendor, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read vendor key: %s is of another kind", path)
	}
	return vendor, nil
}

func newVendorIn(dir string) (*ecdsa.PrivateKey, error) {
	vendor, err := NewVendor()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(vendor)
	if err != nil {
		return nil, fmt.Errorf("write vendor key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("write vendor key: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, keyFile), data, 0o600); err != nil {
		return nil, fmt.Errorf("write vendor key: %w", err)
	}
	return vendor, nil
}
