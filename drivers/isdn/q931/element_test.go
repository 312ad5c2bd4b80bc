package q931_test

import (
	"errors"
	"reflect"
	"testing"

	"linekeep/drivers/isdn/q931"
)

// answer is what a Parse function says of octets.
type answer struct {
	value any
	err   error
}

func of[T any](v T, err error) answer { return answer{v, err} }

func TestElementsSayWhatTheStandardSays(t *testing.T) {
	for _, c := range []struct {
		name   string
		octets string
		parse  func(b []byte) answer
		want   any
	}{
		{"normal clearing, from the local network", "82 90", cause, q931.Cause{Location: 2, Value: 16, Diagnostics: []byte{}}},
		{"busy, with a recommendation", "00 81 91", cause, q931.Cause{Recommendation: 1, Value: 17, Diagnostics: []byte{}}},
		{"an element missing, named", "80 e0 18", cause, q931.Cause{Value: 96, Diagnostics: []byte{0x18}}},
		{"state active", "0a", of2(q931.ParseCallState), q931.CallState{Value: 10}},
		{"a tone is in the channel", "82 88", of2(q931.ParseProgress), q931.Progress{Location: 2, Description: 8}},
		{"remote hold", "f9", of2(q931.ParseNotification), uint8(121)},
		{"alerting on", "40", of2(q931.ParseSignal), uint8(64)},
		{"all interfaces", "87", of2(q931.ParseRestart), uint8(7)},
		{"the exchange's clock", "1a 0b 18 0f 10", of2(q931.ParseDateTime), q931.DateTime{2026, 11, 24, 15, 16, -1}},
		{"with seconds", "1a 0b 18 0f 10 3b", of2(q931.ParseDateTime), q931.DateTime{2026, 11, 24, 15, 16, 59}},
		{"user to user, IA5", "04 48 69", of2(q931.ParseUserUser), q931.UserUser{Protocol: 4, Data: []byte("Hi")}},
		{"first part of two", "81 05", of2(q931.ParseSegmented), q931.Segmented{First: true, Remaining: 1, Type: q931.Setup}},
		{"called number", "81 31 32 33", number, q931.Number{Plan: 1, Digits: []byte("123")}},
		{"calling number, shown, verified", "21 81 31 32", number,
			q931.Number{Kind: 2, Plan: 1, Shown: true, Screening: 1, Digits: []byte("12")}},
		{"calling number withheld", "00 a3", number, q931.Number{Shown: true, Presentation: 1, Screening: 3, Digits: []byte{}}},
		{"redirecting number, unconditional", "11 01 8f 34 34", number,
			q931.Number{Kind: 1, Plan: 1, Shown: true, Screening: 1, Reasoned: true, Reason: 15, Digits: []byte("44")}},
		{"sub-address", "80 50 31 32", of2(q931.ParseSubAddress), q931.SubAddress{Data: []byte{0x50, 0x31, 0x32}}},
		{"B1 and no other", "89", channel, q931.Channel{Exclusive: true, Selection: 1, Channels: 1 << 1}},
		{"B2 if possible", "82", channel, q931.Channel{Selection: 2, Channels: 1 << 2}},
		{"any B channel", "83", channel, q931.Channel{Selection: 3}},
		{"no channel: the call waits", "80", channel, q931.Channel{}},
		{"channel 31 and no other", "a9 83 9f", channel,
			q931.Channel{Primary: true, Exclusive: true, Selection: 1, Type: 3, Named: []byte{0x9f}, Channels: 1 << 31}},
		{"channels 1 and 2", "a9 83 01 82", channel,
			q931.Channel{Primary: true, Exclusive: true, Selection: 1, Type: 3, Named: []byte{1, 0x82}, Channels: 6}},
		{"a map of slots 1, 2 and 31", "a9 93 80 00 00 06", channel,
			q931.Channel{Primary: true, Exclusive: true, Selection: 1, Type: 3, Map: true, Named: []byte{0x80, 0, 0, 6}, Channels: 1<<31 | 6}},
		{"a map of a T1 line, slots 1 and 24", "a9 93 80 00 01", channel,
			q931.Channel{Primary: true, Exclusive: true, Selection: 1, Type: 3, Map: true, Named: []byte{0x80, 0, 1}, Channels: 1<<24 | 2}},
		{"channel 5 of interface 1", "e1 81 83 85", channel,
			q931.Channel{Primary: true, Selection: 1, Interface: []byte{0x81}, Type: 3, Named: []byte{0x85}, Channels: 1 << 5}},
		{"speech, A-law", "80 90 a3", bearer, q931.Bearer{Rate: 16, Layer: layer1(q931.Layer{Given: true, Protocol: 3}), Rest: []byte{}}},
		{"data at 64 kbit/s", "88 90", bearer, q931.Bearer{Capability: 8, Rate: 16, Rest: []byte{}}},
		{"V.110 at 9,600 bit/s", "88 90 21 48 80", bearer, q931.Bearer{Capability: 8, Rate: 16,
			Layer: layer1(q931.Layer{Given: true, Protocol: 1, More: []byte{0x48, 0x80}}), Rest: []byte{}}},
		{"six channels at once", "88 98 86", bearer, q931.Bearer{Capability: 8, Rate: 24, Multiplier: 6, Rest: []byte{}}},
		{"telephony", "91 81", of2(q931.ParseCompatibility), q931.Compatibility{Interpretation: 4, Presentation: 1, Characteristic: 1}},
		{"through another network", "a1 31 32", of2(q931.ParseNetwork), q931.Network{Kind: 2, Plan: 1, Name: []byte("12")}},
		{"a facility of this network", "00 e1", of2(q931.ParseNetworkFacility), q931.NetworkFacility{Specification: []byte{0xe1}}},
	} {
		got := c.parse(octets(t, c.octets))
		if got.err != nil || !reflect.DeepEqual(got.value, c.want) {
			t.Errorf("%s (%s):\n got %+v, %v\nwant %+v", c.name, c.octets, got.value, got.err, c.want)
		}
	}
}

func of2[T any](parse func([]byte) (T, error)) func([]byte) answer {
	return func(b []byte) answer { return of(parse(b)) }
}

func cause(b []byte) answer   { return of(q931.ParseCause(b)) }
func number(b []byte) answer  { return of(q931.ParseNumber(b)) }
func channel(b []byte) answer { return of(q931.ParseChannel(b)) }
func bearer(b []byte) answer  { return of(q931.ParseBearer(b)) }

func layer1(l q931.Layer) [4]q931.Layer { return [4]q931.Layer{1: l} }

func TestElementsTooShortAreRefusedByName(t *testing.T) {
	for name, a := range map[string]answer{
		"cause": cause(nil), "cause after 3a": cause([]byte{0}), "cause value": cause([]byte{0x80}), "number": number(nil),
		"number 3a": number([]byte{1}), "channel": channel(nil), "channel interface": channel([]byte{0xe9, 1}),
		"channel name": channel([]byte{0xa9}), "bearer": bearer(nil), "bearer rate": bearer([]byte{0x80}),
		"bearer multiplier": bearer([]byte{0x88, 0x98}), "progress": of(q931.ParseProgress([]byte{0x80})),
		"date": of(q931.ParseDateTime([]byte{1, 2, 3})), "date out of range": of(q931.ParseDateTime([]byte{26, 13, 1, 0, 0})),
		"facility": of(q931.ParseFacility(nil)), "network facility": of(q931.ParseNetworkFacility([]byte{3, 1})),
		"state": of(q931.ParseCallState(nil)), "compatibility": of(q931.ParseCompatibility([]byte{0x91})),
	} {
		if !errors.Is(a.err, q931.ErrElement) {
			t.Errorf("%s: %v, want ErrElement", name, a.err)
		}
	}
}

func TestTextIsReadAsEuropeanExchangesMeanIt(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "Reception": "Reception", "\xb1Reception": "Reception", "\x82\x90Line 2": "Line 2", "M\xfcller": "Müller", "\xc4rzte": "Ärzte",
	} {
		if got := q931.ParseText([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSubAddressesReadAsTheyAreDialled(t *testing.T) {
	for in, want := range map[string]string{"80 50 31 32": "12", "a0 12 34": "1234", "a8 12 30": "1230", "80": ""} {
		s, err := q931.ParseSubAddress(octets(t, in))
		if err != nil || s.String() != want {
			t.Errorf("%s: %q, %v, want %q", in, s, err, want)
		}
	}
}

func TestRateAdaptionIsRead(t *testing.T) {
	c, err := q931.ParseBearer(octets(t, "88 90 21 48 40 5a 85 c2 e6"))
	want := q931.Rates{InBand: false, UserRate: 8, Intermediate: 2, StopBits: 2, DataBits: 3, Parity: 2, Modem: 5, Octets: 4}
	if got := c.Layer[1].Rates(); err != nil || got != want {
		t.Errorf("V.110:\n got %+v, %v\nwant %+v", got, err, want)
	}
	if !c.Layer[2].Given || c.Layer[2].Protocol != 2 || !c.Layer[3].Given || c.Layer[3].Protocol != 6 {
		t.Errorf("layers 2 and 3: %+v", c.Layer)
	}
	c, err = q931.ParseBearer(octets(t, "88 90 28 48 fe"))
	want = q931.Rates{UserRate: 8, Header: true, MultiFrame: true, Mode: true, Link: true, Assignor: true, OutBand: true, Octets: 2}
	if got := c.Layer[1].Rates(); err != nil || got != want {
		t.Errorf("V.120:\n got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestFacilitiesTellTheirOperations(t *testing.T) {
	for _, c := range []struct {
		octets string
		want   []q931.Component
	}{
		{"91 a1 06 02 01 05 02 01 06", []q931.Component{{Kind: q931.Invoke, ID: 5, HasID: true, Operation: 6, Numbered: true}}},
		{"91 a1 09 02 01 05 80 01 04 02 01 22", []q931.Component{{Kind: q931.Invoke, ID: 5, HasID: true, Operation: 34, Numbered: true}}},
		{"91 a1 08 02 01 05 06 03 2b 0c 09", []q931.Component{{Kind: q931.Invoke, ID: 5, HasID: true, Object: []byte{0x2b, 0x0c, 0x09}}}},
		{"91 a2 0a 02 01 7f 30 05 02 01 06 05 00 a4 03 02 01 01", []q931.Component{
			{Kind: q931.ReturnValue, ID: 127, HasID: true, Operation: 6, Numbered: true}, {Kind: q931.Reject, ID: 1, HasID: true}}},
		{"91 a3 06 02 01 ff 02 01 00", []q931.Component{{Kind: q931.ReturnError, ID: -1, HasID: true}}},
		{"91 a1 80 02 01 05 02 01 06 30 80 02 01 01 00 00 00 00", []q931.Component{
			{Kind: q931.Invoke, ID: 5, HasID: true, Operation: 6, Numbered: true}}},
		{"91 aa 03 80 01 00 8b 01 00 a1 06 02 01 05 02 01 06", []q931.Component{
			{Kind: q931.Invoke, ID: 5, HasID: true, Operation: 6, Numbered: true}}},
		{"91 a1 20 02 01", nil}, {"92 a1 06 02 01 05 02 01 06", nil},
	} {
		f, err := q931.ParseFacility(octets(t, c.octets))
		if err != nil {
			t.Fatal(err)
		}
		var got []q931.Component
		f.Components(func(p q931.Component) bool { p.Data = nil; got = append(got, p); return true })
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.octets, got, c.want)
		}
	}
}
