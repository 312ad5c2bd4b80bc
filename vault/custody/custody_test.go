package custody

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

var vaultID = [16]byte{1, 2, 3}

// made is a ring with one custody key, and what opens it.
func made(t *testing.T) (dir string, outer keys.Key, private envelope.Private) {
	t.Helper()
	dir, outer = filepath.Join(t.TempDir(), "keys"), keys.NewKey()
	private, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := load(t, dir, vaultID, outer).Add(Public{Number: 2, Key: private.Public(), Recovery: [32]byte{7}}); err != nil {
		t.Fatalf("Add: %v", err)
	}
	return dir, outer, private
}

// secretOf is a copy of a code's 24 bytes.
func secretOf(c Code) *[secretBytes]byte {
	var b [secretBytes]byte
	c.use(func(held *[secretBytes]byte) { b = *held })
	return &b
}

func load(t *testing.T, dir string, vaultID [16]byte, outer keys.Key) *Ring {
	t.Helper()
	r, err := Load(dir, vaultID, outer)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return r
}

func TestARingHasItsKeysByNumber(t *testing.T) {
	dir, outer, private := made(t)
	r := load(t, dir, vaultID, outer)
	p, err := r.Get(2)
	if err != nil || !p.Opens(private) || p.Recovery != [32]byte{7} || len(p.Key.Fingerprint()) != 23 {
		t.Errorf("Get: %+v, %v", p, err)
	}
	if _, err := r.Get(3); !errors.Is(err, ErrNoKey) {
		t.Errorf("a number that is not there: %v", err)
	}
	if err := r.Add(p); !errors.Is(err, ErrExists) {
		t.Errorf("a second one of that number: %v", err)
	}
	p.Number = 11
	if err := r.Add(p); err != nil {
		t.Fatal(err)
	}
	if all := load(t, dir, vaultID, outer).All(); len(all) != 2 || all[0].Number != 2 || all[1].Number != 11 {
		t.Errorf("All: %+v", all)
	}
	if err := r.Remove(2); err != nil {
		t.Fatal(err)
	}
	if all := load(t, dir, vaultID, outer).All(); len(all) != 1 {
		t.Errorf("after Remove: %+v", all)
	}
	swapped := filepath.Join(dir, "custody.5") // one number's file under another's name
	file, err := os.ReadFile(filepath.Join(dir, "custody.11"))
	if err == nil {
		err = os.WriteFile(swapped, file, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, vaultID, outer); !errors.Is(err, ErrAltered) {
		t.Errorf("a file under another name: %v", err)
	}
}

func TestAnotherCodeIsToldFromAMistypedOne(t *testing.T) {
	code := NewCode()
	if a, err := code.Recovery(vaultID); err != nil {
		t.Error(err)
	} else if b, err := code.Recovery([16]byte{9}); err != nil || a.Public().Bytes() == b.Public().Bytes() {
		t.Errorf("the code stands for the same key in another vault: %v", err)
	}
	text := strings.ReplaceAll(code.Reveal(), "-", "")
	for i := range text {
		for _, c := range alphabet {
			if byte(c) == text[i] {
				continue
			}
			if _, err := ParseCode(text[:i] + string(c) + text[i+1:]); !errors.Is(err, ErrMistyped) {
				t.Fatalf("character %d mistyped: %v", i, err)
			}
		}
		if i > 0 && text[i] != text[i-1] {
			swapped := text[:i-1] + text[i:i+1] + text[i-1:i] + text[i+1:]
			if _, err := ParseCode(swapped); !errors.Is(err, ErrMistyped) {
				t.Fatalf("characters %d and %d swapped: %v", i-1, i, err)
			}
		}
	}
}

func TestACodeMayBeTypedAsPeopleTypeIt(t *testing.T) {
	const zeros = "00000000000000000000000000000000000000"
	code := NewCode()
	want := code.Reveal()
	friendly := strings.NewReplacer("0", "o", "1", "l", "-", " ").Replace(want)
	for _, typed := range []string{want, strings.ToLower(want), friendly, strings.ReplaceAll(want, "-", ""), " " + want + "\r\n"} {
		got, err := ParseCode(typed)
		if err != nil || got.Reveal() != want {
			t.Errorf("typed another way: %v", err)
		}
	}
	groups := strings.Split(want, "-")
	groups[4] = groups[4][:4]
	for _, test := range []struct{ typed, says string }{
		{strings.Join(groups, "-"), "look at group 5"},
		{want[:18] + "U" + want[19:], "group 4 has a character"},
		{want + "0", "more than 40"},
		{"", "0 characters of 40"},
		{zeros + "00", "checksum"},
	} {
		_, err := ParseCode(test.typed)
		if !errors.Is(err, ErrMistyped) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("got %v, want it to say %q", err, test.says)
		}
	}
}

func TestEachAlteredByteOfACustodyFileIsFoundAndMended(t *testing.T) {
	dir, outer, _ := made(t)
	paths := []string{filepath.Join(dir, fileName(2)), filepath.Join(dir, "copy", fileName(2))}
	sound, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range sound {
		path := paths[i%2]
		bad := bytes.Clone(sound)
		bad[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		f := load(t, dir, vaultID, outer).Verify()
		if len(f) != 1 || !errors.Is(f[0], ErrAltered) || !strings.Contains(f[0].Error(), path) {
			t.Fatalf("byte %d: findings %v", i, f)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, sound) {
			t.Fatalf("byte %d: not mended, %v", i, err)
		}
	}
	for _, path := range paths {
		if err := os.WriteFile(path, sound[:100], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(dir, vaultID, outer); !errors.Is(err, ErrAltered) || !strings.Contains(err.Error(), paths[1]) {
		t.Errorf("both copies bad: %v", err)
	}
}

func TestACustodyFileOfAnotherVaultIsRefused(t *testing.T) {
	dir, outer, _ := made(t)
	if _, err := Load(dir, [16]byte{9}, outer); !errors.Is(err, ErrAltered) {
		t.Errorf("another vault: %v", err)
	}
	if _, err := Load(dir, vaultID, keys.NewKey()); !errors.Is(err, ErrAltered) {
		t.Errorf("another outer key: %v", err)
	}
}

func TestCodeAndPrivateKeyCannotBePrinted(t *testing.T) {
	code := NewCode()
	private, err := code.Recovery(vaultID)
	if err != nil {
		t.Fatal(err)
	}
	type hidden struct {
		c Code
		p envelope.Private
	}
	secrets := [][]byte{secretOf(code)[:], private.Secret().Bytes()[:], []byte(code.Reveal())}
	for _, v := range []any{code, private, hidden{code, private}, &hidden{code, private}, []any{code, private}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			out := fmt.Sprintf(verb, v)
			for _, secret := range secrets {
				decimal := strings.Trim(fmt.Sprintf("%d", secret), "[]")
				for _, form := range []string{string(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), decimal} {
					if strings.Contains(out, form) {
						t.Errorf("%s shows a secret", verb)
					}
				}
			}
		}
	}
	for _, v := range []any{code, private} {
		if _, err := json.Marshal(v); err == nil {
			t.Error("marshalled")
		}
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add(NewCode().Reveal())
	f.Add("OIL0-")
	f.Add("\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		code, err := ParseCode(s)
		if err != nil {
			if !errors.Is(err, ErrMistyped) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		again, err := ParseCode(code.Reveal())
		if err != nil || *secretOf(again) != *secretOf(code) {
			t.Fatalf("a code does not come back: %v", err)
		}
	})
}

func FuzzCustodyFile(f *testing.F) {
	outer, err := keys.KeyFrom(bytes.Repeat([]byte{7}, keys.KeySize))
	if err != nil {
		f.Fatal(err)
	}
	private, err := envelope.New()
	if err != nil {
		f.Fatal(err)
	}
	data, err := marshal(Public{Number: 1, Key: private.Public()}, vaultID, outer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:len(data)-32])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		data := append(bytes.Clone(body), mac(outer, body)...) // past the authentication, where the parser is
		got, err := parse(data, vaultID, outer)
		if err != nil {
			return
		}
		again, err := marshal(got, vaultID, outer)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("parsed into something else: %v", err)
		}
	})
}
