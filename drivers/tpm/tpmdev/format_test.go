package tpmdev

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"linekeep/drivers/tpm"
)

// hash is one step of a policy as FORMAT.md writes it, with nothing of a TPM library.
func hash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func code(cc uint32) []byte { return binary.BigEndian.AppendUint32(nil, cc) }

// readVector gives the fields of the vector "chip". The vault's own reader of its description is upstream of here.
func readVector(t *testing.T) (field func(name string) []byte) {
	t.Helper()
	text, err := os.ReadFile("../../../vault/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```vector chip\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("FORMAT.md has no vector of the chip")
	}
	fields, name := make(map[string][]byte), ""
	for line := range strings.Lines(block) {
		digits, _, _ := strings.Cut(line, "#")
		if before, after, named := strings.Cut(digits, ":"); named {
			name, digits = before, after
		}
		part, err := hex.DecodeString(strings.TrimSpace(digits))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		fields[name] = append(fields[name], part...)
	}
	return func(name string) []byte { return fields[name] }
}

// TestThePolicyIsThatOfTheFormat holds three against one another: the description's vector, its formula, and our code. An
// object's policy can never be changed, so with another one a vault of today would not open tomorrow.
func TestThePolicyIsThatOfTheFormat(t *testing.T) {
	v := readVector(t)
	p := Policy{Vendor: v("vendor"), Ref: string(v("ref")), Signature: []byte{0x30, 6, 2, 1, 1, 2, 1, 1}}
	vendor, err := p.vendorKey()
	if err != nil {
		t.Fatal(err)
	}
	name, counter, epoch := v("vendor name"), v("counter name"), v("epoch")
	zeros := make([]byte, sha256.Size)
	authorized := hash(hash(zeros, code(0x16a), name), []byte(p.Ref))
	policy := hash(authorized, code(0x149), hash(epoch, []byte{0, 0, 0, 9}), counter)
	write := hash(hash(zeros, code(0x151), code(0x40000001)))
	index := bytes.Join([][]byte{code(uint32(counterHandle)), {0, 0x0b}, code(0x22040018), {0, 32}, write, {0, 8}}, nil)

	if got, err := counterName(true); err != nil || !bytes.Equal(got.Buffer, counter) || !bytes.Equal(counter, append([]byte{0, 0x0b}, hash(index)...)) {
		t.Errorf("counter name: %x, %v", got.Buffer, err)
	}
	if public, err := counterPublic(true); err != nil || !bytes.Equal(public.AuthPolicy.Buffer, write) || !bytes.Equal(write, v("write policy")) {
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
	if err != nil || !bytes.Equal(got.AuthPolicy.Buffer, policy) || !bytes.Equal(policy, v("policy")) {
		t.Errorf("policy: %x, %x, %v", got.AuthPolicy.Buffer, policy, err)
	}
	attest, signature := v("certificate"), v("signature")
	at, err := tpm.Verify(tpm.Identity{Counter: counter, Attest: v("attest")}, tpm.Certificate{Attest: attest, Signature: signature},
		[sha256.Size]byte(v("qualifying")))
	if err != nil || at != 4 {
		t.Errorf("certificate: %d, %v", at, err)
	}
}
