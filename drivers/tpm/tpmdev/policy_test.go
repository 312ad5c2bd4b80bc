package tpmdev_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdemo"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/drivers/tpm/tpmtest"
)

// signed is a policy that no chip has to stand behind.
func signed(t testing.TB, ref string) tpmdev.Policy {
	t.Helper()
	vendor, err := tpmdemo.NewVendor()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := tpmdemo.Sign(vendor, ref, tpmdemo.PCRs(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func TestAPolicyComesBackFromItsFile(t *testing.T) {
	policy := signed(t, tpmdev.RefRelease)
	data, err := policy.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := tpmdev.ParsePolicy(data)
	if err != nil {
		t.Fatalf("ParsePolicy: %v", err)
	}
	again, err := back.Marshal()
	if err != nil || string(again) != string(data) {
		t.Errorf("came back as %s, %v", again, err)
	}
}

func TestEachFaultOfAPolicyIsNamedByItsField(t *testing.T) {
	for field, spoil := range map[string]func(p *tpmdev.Policy){
		"version":   func(p *tpmdev.Policy) { p.Version = 2 },
		"ref":       func(p *tpmdev.Policy) { p.Ref = "" },
		"vendor":    func(p *tpmdev.Policy) { p.Vendor = p.Vendor[1:] },
		"pcrs":      func(p *tpmdev.Policy) { p.PCRs = []int{7, 7} },
		"approved":  func(p *tpmdev.Policy) { p.Approved = p.Approved[1:] },
		"signature": func(p *tpmdev.Policy) { p.Signature[8] ^= 1 },
	} {
		policy := signed(t, tpmdev.RefDemo)
		spoil(&policy)
		if err := policy.Validate(); !errors.Is(err, tpmdev.ErrPolicy) || !strings.Contains(err.Error(), field+":") {
			t.Errorf("%s: got %v", field, err)
		}
	}
	all := tpmdev.Policy{}.Validate()
	for _, field := range []string{"version:", "ref:", "vendor:", "pcrs:", "approved:"} {
		if !strings.Contains(all.Error(), field) {
			t.Errorf("%q is not among %v", field, all)
		}
	}
	for _, text := range []string{`{"version":1,"more":2}`, `{} {}`, `[`, ``} {
		if _, err := tpmdev.ParsePolicy([]byte(text)); !errors.Is(err, tpmdev.ErrPolicy) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestAPolicyForAnotherPurposeIsRefusedBeforeTheChipIsAsked(t *testing.T) {
	_, err := tpmdev.Open(t.Context(), "/nonexistent", signed(t, tpmdev.RefDemo), tpmdev.RefRelease)
	if !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
}

func TestTheDemonstrationsVendorKeyIsKeptAndPrivate(t *testing.T) {
	chip, dir := tpmtest.Start(t), filepath.Join(t.TempDir(), "demo")
	first, err := tpmdemo.Make(t.Context(), chip.Socket, dir)
	if err != nil {
		t.Fatal(err)
	}
	blob := mustSeal(t, chip.OpenWith(t, first), []byte("secret"))
	second, err := tpmdemo.Make(t.Context(), chip.Socket, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chip.OpenWith(t, second).Unseal(t.Context(), blob, 1); err != nil {
		t.Errorf("after a second Make: %v", err)
	}
	for _, name := range []string{"vendor.pem", "policy.json"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	data, err := signed(f, tpmdev.RefDemo).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"pcrs":[0,23]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := tpmdev.ParsePolicy(data); err != nil && !errors.Is(err, tpmdev.ErrPolicy) {
			t.Fatalf("error of another kind: %v", err)
		}
	})
}
