package totp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// rfc is the secret of RFC 6238, appendix B.
func rfc(t *testing.T) Secret {
	t.Helper()
	s, err := From([]byte("12345678901234567890"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheCodesAreThoseOfTheRFC(t *testing.T) {
	for unix, want := range map[int64]string{ // the last six of its eight digits
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := rfc(t).Code(StepAt(time.Unix(unix, 0))); got != want {
			t.Errorf("at %d: got %s, want %s", unix, got, want)
		}
	}
}

func TestACodeIsTakenOnceAndAroundItsTime(t *testing.T) {
	s, now := rfc(t), time.Unix(1111111109, 0)
	at := StepAt(now)
	for off := range uint64(5) {
		step := at - 2 + off
		got, err := s.Check(s.Code(step), now, 0)
		if near := off >= 1 && off <= 3; near != (err == nil) || near && got != step || !near && !errors.Is(err, ErrWrong) {
			t.Errorf("step %+d: got %d, %v", int(off)-2, got, err)
		}
	}
	typed := s.Code(at)
	if _, err := s.Check(typed[:3]+" "+typed[3:], now, at-1); err != nil {
		t.Errorf("with a space: %v", err)
	}
	if _, err := s.Check(typed, now, at); !errors.Is(err, ErrWrong) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := s.Check("", now, 0); !errors.Is(err, ErrWrong) {
		t.Errorf("nothing typed: %v", err)
	}
}

func TestAPrintedCodeIsTakenOnce(t *testing.T) {
	codes := NewPrinted()
	left, err := CheckPrinted(Show(codes[3]), codes)
	if err != nil || len(left) != Printed-1 {
		t.Fatalf("got %d, %v", len(left), err)
	}
	if _, err := CheckPrinted(Show(codes[3]), left); !errors.Is(err, ErrWrong) {
		t.Errorf("a second time: %v", err)
	}
	for _, typed := range []string{"", "123", "-1234567", "12345678901234567890", "abcdefgh"} {
		if _, err := CheckPrinted(typed, []uint32{0}); !errors.Is(err, ErrWrong) {
			t.Errorf("%q: %v", typed, err)
		}
	}
}

func TestASecretIsShownByItsURIOnly(t *testing.T) {
	s := rfc(t)
	if got := s.URI("Box 1", "Ann"); got != "otpauth://totp/Box%201:Ann?issuer=Box+1&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" {
		t.Error(got)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if out := fmt.Sprintf(verb, struct{ s Secret }{s}); strings.Contains(out, "1234") || strings.Contains(out, "3132") || strings.Contains(out, "49 50") {
			t.Errorf("%s shows %s", verb, out)
		}
	}
	if _, err := json.Marshal(s); err == nil {
		t.Error("marshalled")
	}
	if s.Wipe(); !s.held.Wiped() {
		t.Error("not wiped")
	}
}
