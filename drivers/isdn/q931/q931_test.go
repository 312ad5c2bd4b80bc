package q931_test

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"linekeep/drivers/isdn/q931"
)

// octets reads hex digits with blanks between them.
func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCallReferencesOfBothAccesses(t *testing.T) {
	for _, c := range []struct {
		octets        string
		want          q931.Reference
		dummy, global bool
	}{
		{"08 00 62", q931.Reference{}, true, false},
		{"08 01 00 46", q931.Reference{Octets: 1}, false, true},
		{"08 01 80 4e", q931.Reference{Octets: 1, ToMaker: true}, false, true},
		{"08 01 05 05", q931.Reference{Octets: 1, Value: 5}, false, false},
		{"08 01 ff 07", q931.Reference{Octets: 1, Value: 127, ToMaker: true}, false, false},
		{"08 02 00 00 46", q931.Reference{Octets: 2}, false, true},
		{"08 02 81 02 01", q931.Reference{Octets: 2, Value: 258, ToMaker: true}, false, false},
		{"08 02 7f ff 05", q931.Reference{Octets: 2, Value: 32767}, false, false},
	} {
		var m q931.Message
		if err := q931.Decode(octets(t, c.octets), &m); err != nil || m.Reference != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.octets, m.Reference, err, c.want)
		}
		if m.Reference.Dummy() != c.dummy || m.Reference.Global() != c.global {
			t.Errorf("%s: dummy %v, global %v", c.octets, m.Reference.Dummy(), m.Reference.Global())
		}
		if last := octets(t, c.octets); uint8(m.Type) != last[len(last)-1] {
			t.Errorf("%s: type %v", c.octets, m.Type)
		}
	}
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	for _, c := range []string{"", "08", "08 01", "08 01 05", "08 02 05 01", "08 03 00 00 01 05", "08 11 05 05"} {
		if err := q931.Decode(octets(t, c), &q931.Message{}); !errors.Is(err, q931.ErrMessage) {
			t.Errorf("%q: %v, want ErrMessage", c, err)
		}
	}
	var m q931.Message
	if err := q931.Decode(octets(t, "03 01 05 07"), &m); !errors.Is(err, q931.ErrProtocol) || m.Protocol != 3 {
		t.Errorf("a maintenance message: %+v, %v", m, err)
	}
}

func TestElementsAreFoundAndUnknownOnesKept(t *testing.T) {
	var m q931.Message
	// Sending complete, an unknown element, a codeset for one element, a codeset for good, a display in it.
	if err := q931.Decode(octets(t, "08 01 05 05 a1 04 03 80 90 a3 55 02 01 02 9d 55 01 09 28 01 41 96 28 01 42 32 00"), &m); err != nil {
		t.Fatal(err)
	}
	want := []q931.Element{
		{ID: 0xa1}, {ID: 4, Body: []byte{0x80, 0x90, 0xa3}}, {ID: 0x55, Body: []byte{1, 2}}, {ID: 0x9d},
		{Codeset: 5, ID: 0x55, Body: []byte{9}}, {ID: 0x28, Body: []byte("A")}, {ID: 0x96},
		{Codeset: 6, ID: 0x28, Body: []byte("B")}, {Codeset: 6, ID: 0x32, Body: []byte{}},
	}
	if !reflect.DeepEqual(m.Elements, want) || m.Cut != nil {
		t.Errorf("got  %+v\nwant %+v", m.Elements, want)
	}
	if e, ok := m.Find(q931.Display); !ok || string(e.Body) != "A" {
		t.Errorf("the display found is %+v: that of another codeset is none", e)
	}
	if _, ok := m.Find(0x32); ok {
		t.Error("an element of codeset 6 was found in codeset 0")
	}
}

func TestAMessageCutOffKeepsWhatStandsBefore(t *testing.T) {
	whole := octets(t, "08 01 05 05 04 03 80 90 a3 70 04 81 31 32 33")
	for n := 4; n <= len(whole); n++ {
		var m q931.Message
		if err := q931.Decode(whole[:n], &m); err != nil {
			t.Fatalf("%d octets: %v", n, err)
		}
		elements := 0
		for _, end := range []int{9, 15} {
			if n >= end {
				elements++
			}
		}
		if len(m.Elements) != elements || (m.Cut == nil) != (n == 4 || n == 9 || n == 15) {
			t.Errorf("%d octets: %d elements, %d cut off", n, len(m.Elements), len(m.Cut))
		}
	}
}

func TestEveryMessageTypeHasItsName(t *testing.T) {
	names := map[string]q931.Type{}
	for _, v := range []q931.Type{0, 1, 2, 3, 5, 7, 0x0d, 0x0f, 0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x28, 0x2d, 0x2e, 0x30, 0x31,
		0x33, 0x37, 0x45, 0x46, 0x4d, 0x4e, 0x5a, 0x60, 0x62, 0x64, 0x6e, 0x75, 0x79, 0x7b, 0x7d} {
		if other, twice := names[v.String()]; twice || strings.HasPrefix(v.String(), "Type(") {
			t.Errorf("%#02x is called %s, like %#02x", uint8(v), v, uint8(other))
		}
		names[v.String()] = v
	}
}

// FuzzMessage: whatever a terminal sends, reading it ends, elements lie within it, and no Parse function fails but by
// an error.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"080105 05 a1 0403 8090a3 1801 8a 6c0b 2183 31363332393630313233 7005 c1 31323334 7d02 9181",
		"08028102 07 1803 a98381 4c04 00 81 3132 290518 0b180f1e 1e02 8288",
		"080105 62 1c0d 91 a10a 0201 05 0201 06 3002 0500", "080100 46 1807 b9 83 00 00 00 0e 7901 80",
		"080105 62 1c0c 91 a180 0201 05 a080 0000 0000",
	} {
		f.Add(octets(f, seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m q931.Message
		if err := q931.Decode(b, &m); err != nil {
			return
		}
		total := len(m.Cut)
		for _, e := range m.Elements {
			if total++; !e.Single() {
				total += 1 + len(e.Body)
			}
			parseAll(e.Body)
		}
		if h, rest, _ := q931.ParseHeader(b); total != len(rest) || h != m.Header {
			t.Errorf("% x: elements account for %d octets of %d", b, total, len(rest))
		}
	})
}

// parseAll reads octets as every element there is.
func parseAll(b []byte) {
	_, _ = q931.ParseCause(b)
	_, _ = q931.ParseCallState(b)
	_, _ = q931.ParseProgress(b)
	_, _ = q931.ParseNotification(b)
	_, _ = q931.ParseSignal(b)
	_, _ = q931.ParseRestart(b)
	_, _ = q931.ParseDateTime(b)
	_, _ = q931.ParseUserUser(b)
	_, _ = q931.ParseSegmented(b)
	_, _ = q931.ParseNumber(b)
	_, _ = q931.ParseNetwork(b)
	_, _ = q931.ParseNetworkFacility(b)
	_, _ = q931.ParseCompatibility(b)
	_ = q931.ParseText(b)
	if s, err := q931.ParseSubAddress(b); err == nil {
		_ = s.String()
	}
	if c, err := q931.ParseChannel(b); err == nil {
		_ = c.First()
	}
	if c, err := q931.ParseBearer(b); err == nil {
		_ = c.Layer[1].Rates()
	}
	if fac, err := q931.ParseFacility(b); err == nil {
		fac.Components(func(q931.Component) bool { return true })
	}
}

func BenchmarkDecodeSetup(b *testing.B) {
	setup := octets(b, "080105 05 a1 0403 8090a3 1801 8a 6c0b 2183 31363332393630313233 7005 c1 31323334 7d02 9181")
	var m q931.Message
	b.ReportAllocs()
	for b.Loop() {
		if err := q931.Decode(setup, &m); err != nil {
			b.Fatal(err)
		}
	}
}
