package secret

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/crypto/chacha20poly1305"
)

func TestAKeyIsCopiedWipedAndDerivedByPurposeAndContext(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, Size)
	k, err := From(secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	if k.Bytes()[0] != 7 {
		t.Error("the key is not a copy")
	}
	all := []Key{k, k.Derive("a"), k.Derive("b"), k.Derive("a", nil), k.Derive("a", []byte("xy")), k.Derive("a", []byte("x"), []byte("y")), New()}
	for i, a := range all {
		for j, b := range all {
			if a.Equal(b) != (i == j) {
				t.Errorf("keys %d and %d are the same", i, j)
			}
		}
	}
	for _, n := range []int{0, Size - 1, Size + 1} {
		if _, err := From(make([]byte, n)); err == nil {
			t.Errorf("%d bytes taken for a key", n)
		}
	}
}

func TestDeriveIsHKDFOfTheStandardLibrary(t *testing.T) {
	for n := range 400 { // past the room on the stack
		k, context := New(), make([]byte, n)
		rand.Read(context)
		want, err := hkdf.Key(sha256.New, k.Bytes()[:], nil, string(Info("label", context, nil)), Size)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Derive("label", context, nil); !bytes.Equal(got.Bytes()[:], want) {
			t.Fatalf("context of %d bytes: another key", n)
		}
	}
}

func TestTheCiphersOfAKeyAreThoseOfItsBytes(t *testing.T) {
	k := New()
	h := k.HMAC()
	h.Write([]byte("text"))
	want := hmac.New(sha256.New, k.Bytes()[:])
	want.Write([]byte("text"))
	if !hmac.Equal(h.Sum(nil), want.Sum(nil)) {
		t.Error("HMAC")
	}
	for _, c := range []struct {
		ours cipher.AEAD
		make func([]byte) (cipher.AEAD, error)
	}{{k.AEAD(), chacha20poly1305.New}, {k.XAEAD(), chacha20poly1305.NewX}} {
		theirs, err := c.make(k.Bytes()[:])
		if err != nil {
			t.Fatal(err)
		}
		if c.ours.NonceSize() != theirs.NonceSize() || c.ours.Overhead() != theirs.Overhead() {
			t.Errorf("nonces of %d bytes, overhead %d", c.ours.NonceSize(), c.ours.Overhead())
		}
		nonce, ad := make([]byte, theirs.NonceSize()), []byte("beside")
		for n := range 300 {
			plain := make([]byte, n)
			rand.Read(plain)
			sealed := c.ours.Seal([]byte("before"), nonce, plain, ad)
			if !bytes.Equal(sealed, theirs.Seal([]byte("before"), nonce, plain, ad)) {
				t.Fatalf("%d bytes are sealed otherwise", n)
			}
			back, err := c.ours.Open(nil, nonce, sealed[len("before"):], ad)
			if err != nil || !bytes.Equal(back, plain) {
				t.Fatalf("%d bytes: %v", n, err)
			}
			sealed[len("before")] ^= 1
			if _, err := c.ours.Open(nil, nonce, sealed[len("before"):], ad); err == nil {
				t.Fatalf("%d bytes: altered, and opened", n)
			}
		}
	}
}

func TestACipherHasNoCopyOfItsKey(t *testing.T) {
	if c := process().ciphers; c.plain.self == nil || c.extended.self == nil {
		t.Error("x/crypto's ciphers are no longer the key alone: each one now leaves a copy of its key on the heap")
	}
	k := New()
	aead, room, nonce := k.AEAD(), make([]byte, 0, 100), make([]byte, 12)
	if n := testing.AllocsPerRun(100, func() { aead.Seal(room, nonce, nonce, nil) }); n > 0 {
		t.Errorf("%v allocations for each sealing", n)
	}
	k.Wipe()
	mustPanic(t, "the cipher of a wiped key", func() { aead.Seal(nil, nonce, nil, nil) })
	long := reflect.TypeFor[struct {
		key  [Size]byte
		more int
	}]()
	if isKey(long) || isKey(reflect.TypeFor[[Size]byte]()) || isKey(reflect.TypeFor[struct{ key [2 * Size]byte }]()) {
		t.Error("a type is taken for a key alone")
	}
	other := &kind{make: chacha20poly1305.New, nonceSize: 12} // as if it were laid out in another way
	if got := other.over(make([]byte, Size)).Seal(nil, nonce, nil, nil); len(got) != 16 {
		t.Errorf("%d bytes", len(got))
	}
}

// mustPanic says whether f refuses to run.
func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s was used", what)
		}
	}()
	f()
}

func TestAWipedOrUnsetSecretIsNeverUsed(t *testing.T) {
	k, b := New(), NewBuffer(100)
	p, err := PasswordFrom([]byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	same := k // copies are the same key
	for range 2 {
		k.Wipe()
		b.Wipe()
		p.Wipe()
	}
	if !same.Wiped() || !b.Wiped() || !p.Wiped() {
		t.Error("not wiped")
	}
	use := func([]byte) { t.Error("lent") }
	mustPanic(t, "a wiped key", func() { same.Use(use) })
	mustPanic(t, "a wiped key", func() { same.Derive("a") })
	mustPanic(t, "a wiped buffer", func() { b.Use(use) })
	mustPanic(t, "a wiped password", func() { p.Use(use) })
	mustPanic(t, "the zero key", func() { Key{}.Use(use) })
	mustPanic(t, "the zero buffer", func() { Buffer{}.Use(use) })
	mustPanic(t, "the zero password", func() { Password{}.Use(use) })
	Key{}.Wipe()
	Buffer{}.Wipe()
	Password{}.Wipe()
}

func TestSecretsCannotBePrintedAtAnyDepth(t *testing.T) {
	text := []byte("0123456789abcdefghijklmnopqrstuv")
	k, err := From(text)
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuffer(Size)
	b.Use(func(to []byte) { copy(to, text) })
	p, err := PasswordFrom(bytes.Clone(text))
	if err != nil {
		t.Fatal(err)
	}
	type hiding struct {
		k    Key
		b    Buffer
		p    Password
		deep []any
		ptr  *Password
	}
	h := hiding{k, b, p, []any{k, b, p}, &p}
	forms := []string{string(text), hex.EncodeToString(text), strings.ToUpper(hex.EncodeToString(text)), strings.Trim(fmt.Sprintf("%d", text), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", text), "[]byte{"), "}")}
	shown := func(out string) bool {
		for _, f := range forms {
			if strings.Contains(out, f) {
				return true
			}
		}
		return false
	}
	if !shown(fmt.Sprintf("%v", struct{ b []byte }{text})) {
		t.Error("the test does not see a secret that is shown")
	}
	for _, v := range []any{k, b, p, &k, &b, &p, h, &h, h.deep, map[string]hiding{"x": h}} {
		for _, verb := range "vsqxXdobcUeEfFgGtTp" {
			for _, flags := range []string{"", "+", "#", " ", "0", "+#"} {
				if shown(fmt.Sprintf("%"+flags+string(verb), v)) {
					t.Errorf("%%%s%c of %T shows a secret", flags, verb, v)
				}
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).LogAttrs(t.Context(), slog.LevelInfo, "test", slog.Any("v", v))
		if out, err := json.Marshal(v); shown(log.String()) || shown(string(out)) {
			t.Errorf("%T is logged or marshalled: %v", v, err)
		}
	}
	for _, v := range []any{k, b, p} {
		if _, err := json.Marshal(v); !errors.Is(err, ErrNeverMarshalled) {
			t.Errorf("%T: %v", v, err)
		}
	}
}

func TestAPasswordIsReadWithoutItsLineBreakAndNeverTooLong(t *testing.T) {
	long := strings.Repeat("x", MaxPassword)
	for _, c := range []struct{ in, want string }{
		{"horse", "horse"}, {"horse\n", "horse"}, {"horse\r\n", "horse"}, {"horse\n\n", "horse\n"}, {" horse ", " horse "}, {"", ""}, {"\n", ""},
		{long, long}, {long + "\r\n", long},
	} {
		p, err := ReadPassword(iotest.OneByteReader(strings.NewReader(c.in)))
		if err != nil || p.IsZero() != (c.want == "") {
			t.Fatalf("%.20q: %v", c.in, err)
		}
		p.Use(func(got []byte) {
			if string(got) != c.want {
				t.Errorf("%.20q is read as %.20q", c.in, got)
			}
		})
	}
	for _, in := range []string{long + "x", long + "x\n", long + long} {
		if _, err := ReadPassword(strings.NewReader(in)); !errors.Is(err, ErrTooLong) {
			t.Errorf("%d bytes: %v", len(in), err)
		}
	}
	if _, err := ReadPassword(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a broken reader: %v", err)
	}
	typed := []byte("horse")
	if _, err := PasswordFrom(typed); err != nil || !bytes.Equal(typed, make([]byte, 5)) {
		t.Errorf("what was typed is still there: %q, %v", typed, err)
	}
}

func TestAPasswordComesOutOfJSONAndNeverGoesBack(t *testing.T) {
	var q struct{ Code, Other Password }
	if err := json.Unmarshal([]byte(`{"Code":"h\u006frse \"1\""}`), &q); err != nil {
		t.Fatal(err)
	}
	q.Code.Use(func(got []byte) {
		if string(got) != `horse "1"` {
			t.Errorf("read %q", got)
		}
	})
	if _, err := json.Marshal(q); !errors.Is(err, ErrNeverMarshalled) || !q.Other.IsZero() {
		t.Errorf("marshalled: %v", err)
	}
	for _, bad := range []string{`{"Code":7}`, `{"Code":["x"]}`, `{"Code":"` + strings.Repeat("x", MaxPassword+1) + `"}`} {
		if err := json.Unmarshal([]byte(bad), &q); err == nil {
			t.Errorf("%.20s is taken", bad)
		}
	}
}

func TestAPasswordIsReadFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p.Use(func(got []byte) {
		if string(got) != "horse" {
			t.Errorf("read %q", got)
		}
	})
	if _, err := ReadFile(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New().Wipe()
	}
}

func BenchmarkDropped(b *testing.B) {
	for b.Loop() {
		New()
	}
}

func BenchmarkDerive(b *testing.B) {
	k := New()
	for b.Loop() {
		k.Derive("slot meta").Wipe()
	}
}

func BenchmarkUse(b *testing.B) {
	k, n := New(), 0
	for b.Loop() {
		k.Use(func(key []byte) { n += len(key) })
	}
}

func BenchmarkDo(b *testing.B) {
	n := 0
	for b.Loop() {
		Do(func() { n++ })
	}
}
