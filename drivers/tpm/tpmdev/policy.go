package tpmdev

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"github.com/google/go-tpm/tpm2"
)

const (
	// RefRelease is the purpose that the product accepts, and nothing else.
	RefRelease = "linekeep-release"
	// RefDemo is for a vendor key made on the spot, next to a software TPM.
	RefDemo = "linekeep-demo"

	policyVersion = 1
	pcrCount      = 24
	maxRef        = 64 // TPM2B_NONCE is as long as the largest digest
)

// ErrPolicy reports a policy file that is not one; the error names each field that is wrong.
var ErrPolicy = errors.New("tpmdev: policy")

// Policy says which measured state the vendor has signed for. It is public. As a file it is JSON; byte fields
// are base64.
type Policy struct {
	Version   int    `json:"version"`   // 1
	Ref       string `json:"ref"`       // the purpose that the signature is for
	Vendor    []byte `json:"vendor"`    // the vendor's P-256 public key, PKIX DER
	PCRs      []int  `json:"pcrs"`      // of the SHA-256 bank, ascending
	Approved  []byte `json:"approved"`  // digest of a policy session after PolicyPCR over them
	Signature []byte `json:"signature"` // ECDSA, ASN.1, over SHA-256(approved | ref)
}

// ParsePolicy reads a policy file. A field that nobody knows is refused. Errors: ErrPolicy.
func ParsePolicy(data []byte) (Policy, error) {
	var p Policy
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return Policy{}, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Policy{}, fmt.Errorf("%w: something follows it", ErrPolicy)
	}
	return p, p.Validate()
}

// Marshal writes a policy file.
func (p Policy) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write policy: %w", err)
	}
	return append(data, '\n'), nil
}

// Validate reports all faults together, each with its field, the signature's too. Errors: ErrPolicy.
func (p Policy) Validate() error {
	var faults []error
	fault := func(bad bool, format string, a ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("%w: %w", ErrPolicy, fmt.Errorf(format, a...)))
		}
	}
	fault(p.Version != policyVersion, "version: %d, this program reads %d", p.Version, policyVersion)
	fault(p.Ref == "" || len(p.Ref) > maxRef, "ref: want 1 to %d bytes", maxRef)
	sorted := slices.IsSorted(p.PCRs) && len(slices.Compact(slices.Clone(p.PCRs))) == len(p.PCRs)
	fault(len(p.PCRs) == 0 || !sorted || p.PCRs[0] < 0 || p.PCRs[len(p.PCRs)-1] >= pcrCount, "pcrs: want some of 0 to 23, ascending")
	fault(len(p.Approved) != sha256.Size, "approved: %d bytes, want %d", len(p.Approved), sha256.Size)
	public, err := p.publicKey()
	fault(err != nil, "vendor: %w", err)
	if len(faults) == 0 {
		fault(!ecdsa.VerifyASN1(public, signedDigest(p.Approved, p.Ref), p.Signature), "signature: not the vendor's over approved and ref")
	}
	return errors.Join(faults...)
}

func (p Policy) publicKey() (*ecdsa.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(p.Vendor)
	if err != nil {
		return nil, err
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("not a P-256 key")
	}
	return public, nil
}

// signedDigest is what the vendor signs: aHash of TPM2_PolicyAuthorize (TPM 2.0 Part 3, 23.16).
func signedDigest(approved []byte, ref string) []byte {
	sum := sha256.Sum256(append(slices.Clone(approved), ref...))
	return sum[:]
}

// SignedDigest is what a vendor signs for a PCR policy digest and a purpose.
func SignedDigest(approved []byte, ref string) []byte { return signedDigest(approved, ref) }

// vendorKey is the vendor's half of a policy as a TPM wants it.
type vendorKey struct {
	public    tpm2.TPMTPublic
	name      tpm2.TPM2BName
	signature tpm2.TPMTSignature
}

func (p Policy) vendorKey() (vendorKey, error) {
	var v vendorKey
	key, err := p.publicKey()
	if err != nil {
		return v, fmt.Errorf("%w: vendor: %w", ErrPolicy, err)
	}
	point, err := key.Bytes() // 4, X, Y
	if err != nil {
		return v, fmt.Errorf("%w: vendor: %w", ErrPolicy, err)
	}
	coordinate := len(point) / 2
	v.public = tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgECC,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{SignEncrypt: true, UserWithAuth: true},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			Scheme: tpm2.TPMTECCScheme{
				Scheme:  tpm2.TPMAlgECDSA,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
			CurveID: tpm2.TPMECCNistP256,
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: point[1 : 1+coordinate]},
			Y: tpm2.TPM2BECCParameter{Buffer: point[1+coordinate:]},
		}),
	}
	name, err := tpm2.ObjectName(&v.public)
	if err != nil {
		return v, fmt.Errorf("%w: vendor: %w", ErrPolicy, err)
	}
	v.name = *name
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(p.Signature, &sig); err != nil || len(rest) > 0 {
		return v, fmt.Errorf("%w: signature: not ASN.1", ErrPolicy)
	}
	v.signature = tpm2.TPMTSignature{
		SigAlg: tpm2.TPMAlgECDSA,
		Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{
			Hash:       tpm2.TPMAlgSHA256,
			SignatureR: tpm2.TPM2BECCParameter{Buffer: sig.R.FillBytes(make([]byte, coordinate))},
			SignatureS: tpm2.TPM2BECCParameter{Buffer: sig.S.FillBytes(make([]byte, coordinate))},
		}),
	}
	return v, nil
}

// authPolicy is what a sealed object carries: PolicyAuthorize(vendor key, ref), which takes the place of what was measured
// before it, and then the counter.
func (v vendorKey) authPolicy(ref string, last tpm2.PolicyNV) ([]byte, error) {
	calculator, err := tpm2.NewPolicyCalculator(tpm2.TPMAlgSHA256)
	if err == nil {
		err = tpm2.PolicyAuthorize{KeySign: v.name, PolicyRef: tpm2.TPM2BDigest{Buffer: []byte(ref)}}.Update(calculator)
	}
	if err == nil {
		err = last.Update(calculator)
	}
	if err != nil {
		return nil, fmt.Errorf("compute the object's policy: %w", err)
	}
	return calculator.Hash().Digest, nil
}

func pcrSelection(pcrs []int) tpm2.TPMLPCRSelection {
	numbers := make([]uint, len(pcrs))
	for i, n := range pcrs {
		numbers[i] = uint(n)
	}
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(numbers...)}}}
}

// ReadPCRs gives the digest of a PCR policy over what the chip has measured by now: what a vendor signs as Approved.
func ReadPCRs(ctx context.Context, path string, pcrs []int) (approved []byte, err error) {
	socket, err := isSocket(path)
	if err != nil {
		return nil, err
	}
	l, err := dial(ctx, path, socket)
	if err != nil {
		return nil, fmt.Errorf("read PCRs: %w", err)
	}
	defer func() { err = classify(errors.Join(err, l.Close())) }()
	trial, _, err := tpm2.PolicySession(l, tpm2.TPMAlgSHA256, nonceBytes, tpm2.Trial())
	if err != nil {
		return nil, fmt.Errorf("read PCRs: %w", err)
	}
	l.Keep(trial.Handle())
	if _, err := (tpm2.PolicyPCR{PolicySession: trial.Handle(), Pcrs: pcrSelection(pcrs)}).Execute(l); err != nil {
		return nil, fmt.Errorf("read PCRs: %w", err)
	}
	digest, err := tpm2.PolicyGetDigest{PolicySession: trial.Handle()}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("read PCRs: %w", err)
	}
	return digest.PolicyDigest.Buffer, nil
}
