package callerid_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"linekeep/audio/tone/callerid"
)

func message(kind byte, body string) []byte { return append([]byte{kind, byte(len(body))}, body...) }

func field(kind byte, value string) string {
	return string([]byte{kind, byte(len(value))}) + value
}

func TestWhatExchangesSendIsRead(t *testing.T) {
	clock := callerid.Clock{Month: 3, Day: 14, Hour: 15, Minute: 9}
	for _, c := range []struct {
		name string
		raw  []byte
		want callerid.Message
	}{
		{"SDMF with a number", message(0x04, "031415095551234"), callerid.Message{Number: "5551234", Clock: clock, HasClock: true}},
		{"SDMF withheld", message(0x04, "03141509P"), callerid.Message{NumberAbsent: callerid.Withheld, Clock: clock, HasClock: true}},
		{"SDMF out of area", message(0x04, "03141509O"), callerid.Message{NumberAbsent: callerid.Unavailable, Clock: clock, HasClock: true}},
		{"MDMF with number and name", message(0x80, field(1, "03141509")+field(2, "01632960018")+field(7, "ZOE SMITH  ")),
			callerid.Message{Number: "01632960018", Name: "ZOE SMITH", Clock: clock, HasClock: true}},
		{"UK: call type, withheld", message(0x80, field(0x11, "\x01")+field(1, "03141509")+field(4, "P")+field(8, "P")),
			callerid.Message{Type: 1, NumberAbsent: callerid.Withheld, NameAbsent: callerid.Withheld, Clock: clock, HasClock: true}},
		{"UK: payphone", message(0x80, field(0x11, "\x01")+field(4, "C")), callerid.Message{Type: 1, NumberAbsent: callerid.Payphone}},
		{"redirected, dialled number, a field nobody knows", message(0x80, field(2, "030 901820")+field(0x1A, "+4989636")+field(3, "030123")+field(0x77, "?\x00")),
			callerid.Message{Number: "030901820", Redirecting: "+4989636", Called: "030123"}},
		{"an exchange without a clock", message(0x80, field(1, "00000000")+field(2, "123")), callerid.Message{Number: "123"}},
		{"a name in Latin-1 with control characters", message(0x80, field(2, "123")+field(7, "J\xd6RG\x1b[2J\x00")), callerid.Message{Number: "123", Name: "JÖRG[2J"}},
		{"long distance", message(0x80, field(2, "123")+field(6, "L")), callerid.Message{Number: "123", LongDistance: true}},
	} {
		got, err := callerid.Parse(c.raw)
		if err != nil || got != c.want {
			t.Errorf("%s: %v, number %q, name %q, %v", c.name, err, got.Number.Reveal(), got.Name.Reveal(), got)
		}
	}
}

func TestWhatIsNoCallIsRefused(t *testing.T) {
	for _, kind := range []byte{0x06, 0x82, 0x86, 0x89} {
		if _, err := callerid.Parse(message(kind, "x")); !errors.Is(err, callerid.ErrNoCaller) {
			t.Errorf("type %#x: %v", kind, err)
		}
	}
	if _, err := callerid.Parse(message(0x80, field(0x11, "\x81")+field(2, "123"))); !errors.Is(err, callerid.ErrNoCaller) {
		t.Errorf("message waiting: %v", err)
	}
	for _, raw := range []string{"", "\x80", "\x80\x05ab", "\x80\x00", "\x80\x02\x02\x05", "\x80\x03\x77\x01a", "\x55\x01U", "\x04\x0803141509", "\x04\x0a0314150912x",
		string(message(0x80, field(2, "12\x0034"))), string(message(0x80, field(4, "Z"))), string(message(0x80, field(1, "0314150")))} {
		if m, err := callerid.Parse([]byte(raw)); err == nil {
			t.Errorf("%q is taken for a call: %v", raw, m)
		}
	}
}

func TestKeypadFormsOfAllCountriesAreRead(t *testing.T) {
	for keys, want := range map[string]callerid.Message{
		"A0701234567C":        {Number: "0701234567"},
		"A0701234567D081234C": {Number: "0701234567", Redirecting: "081234"},
		"B10C":                {NumberAbsent: callerid.Withheld},
		"B00C":                {NumberAbsent: callerid.Unavailable},
		"AB10C":               {NumberAbsent: callerid.Withheld},
		"D07012345678C":       {Number: "07012345678"},
		"A12345678#":          {Number: "12345678"},
		"12345678#":           {Number: "12345678"},
		"D1#":                 {NumberAbsent: callerid.Withheld},
		"D2#":                 {NumberAbsent: callerid.Unavailable},
		"D3#":                 {NumberAbsent: callerid.Unavailable},
	} {
		if got, err := callerid.Keypad(keys); err != nil || got != want {
			t.Errorf("%s: %v %v", keys, got, err)
		}
	}
	for _, keys := range []string{"", "#", "C", "123", "*21*123#", "D4#", "A1A2C", "B77C", "DC", "1234C", strings.Repeat("1", callerid.MaxKeys) + "#"} {
		if got, err := callerid.Keypad(keys); err == nil {
			t.Errorf("%q is taken for a call: %v", keys, got)
		}
	}
}

func TestNothingOfACallerIsPrinted(t *testing.T) {
	m, err := callerid.Parse(message(0x80, field(2, "01632960018")+field(7, "ZOE SMITH")+field(3, "7654321")))
	if err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		j = fmt.Appendf(j, verb, m)
	}
	for _, secret := range []string{"ZOE", "01632", "5a4f45", "7654", "016329"} {
		if strings.Contains(strings.ToLower(string(j)), strings.ToLower(secret)) {
			t.Errorf("%q is printed: %s", secret, j)
		}
	}
}

// FuzzParse shows that no bytes from a line crash the reader, nor put anything on a page that cannot be shown.
func FuzzParse(f *testing.F) {
	f.Add(message(0x80, field(1, "03141509")+field(2, "01632960018")+field(7, "ZOE")))
	f.Add(message(0x04, "03141509P"))
	f.Add([]byte("\x80\xff"))
	f.Add([]byte("A0701234567D081234B10C"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, parse := range []func() (callerid.Message, error){
			func() (callerid.Message, error) { return callerid.Parse(raw) },
			func() (callerid.Message, error) { return callerid.Keypad(string(raw)) },
		} {
			m, err := parse()
			if err != nil {
				continue
			}
			for _, n := range []string{m.Number.Reveal(), m.Called.Reveal(), m.Redirecting.Reveal()} {
				if strings.Trim(n, "0123456789*#+") != "" {
					t.Errorf("a number %q", n)
				}
			}
			if strings.ContainsFunc(m.Name.Reveal(), func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
				t.Errorf("a name %q", m.Name.Reveal())
			}
		}
	})
}
