package slip

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/vectors"
)

func TestASlipIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "account")
	vaultID := [16]byte(vectors.Read(t, "common").Bytes(t, "vault id"))
	person, err := keys.IDFrom(v.Bytes(t, "person"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(string(v.Bytes(t, "slip")))
	if err != nil || s.Reveal() != string(v.Bytes(t, "slip")) || !bytes.Equal(s.code()[:], v.Bytes(t, "slip bytes")) {
		t.Fatalf("slip: %v", err)
	}
	if verifier, err := s.Verifier(vaultID, person); err != nil || !bytes.Equal(verifier[:], v.Bytes(t, "slip verifier")) {
		t.Errorf("verifier %x, %v", verifier, err)
	}
}

func TestASlipIsTypedAsPeopleTypeIt(t *testing.T) {
	want := New()
	for _, typed := range []string{want.Reveal(), strings.ToLower(want.Reveal()), strings.NewReplacer("0", "o", "1", "i", "-", " ").Replace(want.Reveal())} {
		if got, err := Parse(typed); err != nil || *got.code() != *want.code() {
			t.Errorf("%v", err)
		}
	}
	for _, typed := range []string{"", "1234", want.Reveal() + "0", "UUUU-UUUU-UUUU-UUUU"} {
		if _, err := Parse(typed); !errors.Is(err, ErrMistyped) {
			t.Errorf("%q: %v", typed, err)
		}
	}
	if out := fmt.Sprintf("%v %+v %x", want, struct{ s Slip }{want}, want); strings.Contains(out, want.Reveal()) {
		t.Error(out)
	}
}

func FuzzSlip(f *testing.F) {
	f.Add(New().Reveal())
	f.Add("OIL0-")
	f.Fuzz(func(t *testing.T, typed string) {
		s, err := Parse(typed)
		if err != nil {
			return
		}
		if again, err := Parse(s.Reveal()); err != nil || *again.code() != *s.code() {
			t.Errorf("a slip does not come back: %v", err)
		}
	})
}
