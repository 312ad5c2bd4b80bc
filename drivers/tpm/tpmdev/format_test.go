package tpmdev

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/vault/vaulttest/vectors"
)

// hash is one step of a policy as FORMAT.md writes it, with nothing of a TPM library.
func hash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func code(cc uint32) []byte { return binary.BigEndian.AppendUint32(nil, cc) }

// TestThePolicyIsThatOfTheFormat holds three against one another: the description's vector, its formula, and our code. An
// object's policy can never be changed, so with another one a vault of today would not open tomorrow.
func TestThePolicyIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "chip")
	p := Policy{Vendor: v.Bytes(t, "vendor"), Ref: string(v.Bytes(t, "ref")), Signature: []byte{0x30, 6, 2, 1, 1, 2, 1, 1}}
	vendor, err := p.vendorKey()
	if err != nil {
		t.Fatal(err)
	}
	name, counter, epoch := v.Bytes(t, "vendor name"), v.Bytes(t, "counter name"), v.Bytes(t, "epoch")
	zeros := make([]byte, sha256.Size)
	authorized := hash(hash(zeros, code(0x16a), name), []byte(p.Ref))
	policy := hash(authorized, code(0x149), hash(epoch, []byte{0, 0, 0, 9}), counter)
	write := hash(hash(zeros, code(0x151), code(0x40000001)))
	index := bytes.Join([][]byte{code(uint32(counterHandle)), {0, 0x0b}, code(0x22040018), {0, 32}, write, {0, 8}}, nil)

	if got, err := counterName(true); err != nil || !bytes.Equal(got.Buffer, counter) || !bytes.Equal(counter, append([]byte{0, 0x0b}, hash(index)...)) {
		t.Errorf("counter name: %x, %v", got.Buffer, err)
	}
	if public, err := counterPublic(true); err != nil || !bytes.Equal(public.AuthPolicy.Buffer, write) || !bytes.Equal(write, v.Bytes(t, "write policy")) {
		t.Errorf("write policy: %x, %v", public.AuthPolicy.Buffer, err)
	}
	if !bytes.Equal(vendor.name.Buffer, name) {
		t.Errorf("vendor name: %x", vendor.name.Buffer)
	}
	named, err := counterName(true)
	if err != nil {
		t.Fatal(err)
	}
	got, err := (&Device{policy: p, vendor: vendor}).rootTemplate(parts{counter: named}.known(), binary.BigEndian.Uint64(epoch))
	if err != nil || !bytes.Equal(got.AuthPolicy.Buffer, policy) || !bytes.Equal(policy, v.Bytes(t, "policy")) {
		t.Errorf("policy: %x, %x, %v", got.AuthPolicy.Buffer, policy, err)
	}
	attest, signature := v.Bytes(t, "certificate"), v.Bytes(t, "signature")
	at, err := tpm.Verify(tpm.Identity{Counter: counter, Attest: v.Bytes(t, "attest")}, tpm.Certificate{Attest: attest, Signature: signature},
		[sha256.Size]byte(v.Bytes(t, "qualifying")))
	if err != nil || at != 4 {
		t.Errorf("certificate: %d, %v", at, err)
	}
}
