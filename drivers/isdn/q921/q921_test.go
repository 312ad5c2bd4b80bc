package q921_test

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"linekeep/drivers/isdn/q921"
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

func TestFramesAreReadAsTheStandardWritesThem(t *testing.T) {
	for _, c := range []struct {
		octets string
		want   q921.Frame
	}{
		{"02 81 00 00 08 01 05 05", q921.Frame{CR: true, TEI: 64, Kind: q921.I, Info: []byte{8, 1, 5, 5}}},
		{"00 81 fe ff", q921.Frame{TEI: 64, Kind: q921.I, NS: 127, NR: 127, PF: true, Info: []byte{}}},
		{"02 01 01 06", q921.Frame{CR: true, Kind: q921.RR, NR: 3}},
		{"00 01 05 07", q921.Frame{Kind: q921.RNR, NR: 3, PF: true}},
		{"00 01 09 02", q921.Frame{Kind: q921.REJ, NR: 1}},
		{"00 81 7f", q921.Frame{TEI: 64, Kind: q921.SABME, PF: true}},
		{"00 81 6f", q921.Frame{TEI: 64, Kind: q921.SABME}},
		{"00 81 73", q921.Frame{TEI: 64, Kind: q921.UA, PF: true}},
		{"02 81 53", q921.Frame{CR: true, TEI: 64, Kind: q921.DISC, PF: true}},
		{"02 81 1f", q921.Frame{CR: true, TEI: 64, Kind: q921.DM, PF: true}},
		{"02 ff 03 08", q921.Frame{CR: true, TEI: 127, Kind: q921.UI, Info: []byte{8}}},
		{"40 87 97 00 00 02 04 09", q921.Frame{SAPI: 16, TEI: 67, Kind: q921.FRMR, PF: true, Info: []byte{0, 0, 2, 4, 9}}},
		{"fe 81 bf 82", q921.Frame{SAPI: 63, CR: true, TEI: 64, Kind: q921.XID, PF: true, Info: []byte{0x82}}},
	} {
		var f q921.Frame
		if err := q921.Decode(octets(t, c.octets), &f); err != nil || !reflect.DeepEqual(f, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", c.octets, f, err, c.want)
		}
	}
}

func TestWhatIsNoFrameIsRefused(t *testing.T) {
	for _, c := range []string{"", "02", "02 81", "03 81 7f", "02 80 7f", "02 81 00", "02 81 01", "02 81 0d 00", "02 81 23", "02 81 ef",
		"02 81 00 00" + strings.Repeat("00", q921.MaxFrame)} {
		var f q921.Frame
		if err := q921.Decode(octets(t, c), &f); !errors.Is(err, q921.ErrFrame) {
			t.Errorf("%.20s: %v, want ErrFrame", c, err)
		}
	}
}

func TestCommandsAreToldFromResponsesByTheirSide(t *testing.T) {
	for _, c := range []struct {
		cr   bool
		side q921.Side
		want bool
	}{{true, q921.Network, true}, {false, q921.Network, false}, {false, q921.User, true}, {true, q921.User, false}} {
		f := q921.Frame{CR: c.cr}
		if f.Command(c.side) != c.want {
			t.Errorf("C/R %v from the %s: command %v", c.cr, c.side, !c.want)
		}
	}
}

func TestAFrameRejectTellsWhatWasRefused(t *testing.T) {
	r, err := q921.ParseRejection(octets(t, "02 04 06 09 08"))
	if want := (q921.Rejection{Control: [2]byte{2, 4}, VS: 3, VR: 4, Response: true, Reason: 8}); err != nil || r != want {
		t.Errorf("%+v, %v, want %+v", r, err, want)
	}
	if _, err := q921.ParseRejection(nil); !errors.Is(err, q921.ErrFrame) {
		t.Errorf("empty: %v", err)
	}
}

func TestAddressesOfTerminalsAreRead(t *testing.T) {
	for _, c := range []struct {
		octets, want string
		refuse       bool
	}{
		{octets: "0f 12 34 01 ff"}, {octets: "0f 12 34 02 81"}, {octets: "0f 00 01 05 80 83"},
		{octets: "0f 12 34 02", refuse: true}, {octets: "10 12 34 02 81", refuse: true}, {octets: "", refuse: true},
	} {
		m, err := q921.ParseManagement(octets(t, c.octets))
		if c.refuse {
			if !errors.Is(err, q921.ErrFrame) {
				t.Errorf("%s: %v, want ErrFrame", c.octets, err)
			}
			continue
		}
		b := octets(t, c.octets)
		if err != nil || m.Reference != uint16(b[1])<<8|uint16(b[2]) || m.Type != b[3] || m.Count != len(b)-4 || m.Actions[0] != b[4]>>1 {
			t.Errorf("%s: %+v, %v", c.octets, m, err)
		}
	}
}

// FuzzDecode: whatever a line gives, reading it ends, and what is read lies within it.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"028100000801 0505", "0281 0106", "00817f", "feff03 0f1234 02 81", "408797 0000020409"} {
		f.Add(octets(f, seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var frame q921.Frame
		if err := q921.Decode(b, &frame); err != nil {
			return
		}
		if frame.TEI > 127 || frame.SAPI > 63 || frame.NS > 127 || frame.NR > 127 || len(frame.Info) > len(b)-3 {
			t.Errorf("% x: %+v", b, frame)
		}
		if m, err := q921.ParseManagement(frame.Info); err == nil && (m.Count < 1 || m.Count > len(m.Actions)) {
			t.Errorf("% x: %+v", b, m)
		}
		_, _ = q921.ParseRejection(frame.Info)
		_ = frame.Kind.String()
	})
}
