package password

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"linekeep/vault/secret"
)

func TestWeakPasswordsAreToldWhy(t *testing.T) {
	for _, c := range []struct{ text, why string }{
		{"correct horse battery", ""},
		{"short", "at least 12"},
		{"", "at least 12"},
		{"ääääääääääb", "11 characters"},
		{"aaaaaaaaaaaaaaaa", "over and over"},
		{"Ann.Controller", "name"},
		{"anncontroller2026", "name"},
		{"anncontroller with 4 llamas", ""},
		{"LINEKEEP-front", "name"},
		{"\xff\xfe\xfd\xfc\xfb\xfa\xff\xfe\xfd\xfc\xfb\xfa", "not text"},
		{strings.Repeat("ab", 600), "more than"},
	} {
		err := Weak(typed(t, c.text), "Ann Controller", "linekeep-front", "")
		if c.why == "" && err != nil || c.why != "" && (!errors.Is(err, ErrWeak) || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.why)
		}
	}
}

// TestTheHashStaysWhatItIs: every account hangs from it, so another version of the library may not change it.
func TestTheHashStaysWhatItIs(t *testing.T) {
	p := NewParams()
	copy(p.Salt[:], "0123456789abcdef")
	got, err := NewHasher().Auth(t.Context(), typed(t, "correct horse battery"), p)
	if err != nil || len(got) != AuthSize {
		t.Fatal(err)
	}
	if want := "ebd23ba828c34ec430850a85be94098aa108d25190bf10bce1f5c4d0ab7171ae"; hex.EncodeToString(got) != want {
		t.Errorf("got %x", got)
	}
	other := p
	other.Salt[0]++
	if again, err := NewHasher().Auth(t.Context(), typed(t, "correct horse battery"), other); err != nil || bytes.Equal(again, got) {
		t.Errorf("another salt: %v", err)
	}
}

func TestOneHashAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher()
		h.turn <- struct{}{} // somebody hashes
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := h.Auth(ctx, typed(t, "x"), NewParams())
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestParametersThatWouldStopTheBoxAreRefused(t *testing.T) {
	for _, p := range []Params{{}, {Passes: 1}, {Passes: 1 << 30, MemoryKiB: 8}, {Passes: 1, MemoryKiB: 1 << 30}} {
		if _, err := NewHasher().Auth(t.Context(), typed(t, "x"), p); err == nil {
			t.Errorf("%d passes over %d KiB were taken", p.Passes, p.MemoryKiB)
		}
	}
}

// typed is what somebody typed.
func typed(t testing.TB, text string) Password {
	t.Helper()
	p, err := secret.PasswordFrom([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func BenchmarkAuth(b *testing.B) {
	h, p := NewHasher(), NewParams()
	for b.Loop() {
		if _, err := h.Auth(b.Context(), typed(b, "correct horse battery"), p); err != nil {
			b.Fatal(err)
		}
	}
}
