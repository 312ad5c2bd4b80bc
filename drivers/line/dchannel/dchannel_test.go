package dchannel

import (
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

// call is the D channel of an incoming call on B channel 1 of a primary rate, as both taps hear it: who, and the frame
// without its check sequence. The call reference is 1 of the network; the layer 2 link is up.
var call = []struct {
	from line.Side
	ms   int
	data []byte
}{
	{line.Remote, 0, []byte{0x00, 0x01, 0x7F}},                                                                      // SABME
	{line.Office, 20, []byte{0x00, 0x01, 0x73}},                                                                     // UA
	{line.Remote, 1000, append([]byte{0x02, 0x01, 0x00, 0x00, 0x08, 0x02, 0x00, 0x01, 0x05}, setup()...)},           // SETUP
	{line.Office, 1100, []byte{0x00, 0x01, 0x00, 0x02, 0x08, 0x02, 0x80, 0x01, 0x01, 0x18, 0x03, 0xA9, 0x83, 0x81}}, // ALERTING, channel 1
	{line.Office, 3000, []byte{0x00, 0x01, 0x02, 0x02, 0x08, 0x02, 0x80, 0x01, 0x07}},                               // CONNECT
	{line.Remote, 3050, []byte{0x02, 0x01, 0x02, 0x04, 0x08, 0x02, 0x00, 0x01, 0x0F}},                               // CONNECT ACKNOWLEDGE
	{line.Remote, 9000, []byte{0x02, 0x01, 0x04, 0x04, 0x08, 0x02, 0x00, 0x01, 0x45, 0x08, 0x02, 0x80, 0x90}},       // DISCONNECT, cause 16
	{line.Office, 9050, []byte{0x00, 0x01, 0x04, 0x06, 0x08, 0x02, 0x80, 0x01, 0x4D}},                               // RELEASE
	{line.Remote, 9100, []byte{0x02, 0x01, 0x06, 0x06, 0x08, 0x02, 0x00, 0x01, 0x5A}},                               // RELEASE COMPLETE
}

// setup is the elements of a call from 01632 960018 to extension 201.
func setup() []byte {
	b := []byte{0x04, 0x03, 0x80, 0x90, 0xA3, 0x18, 0x03, 0xA9, 0x83, 0x81}
	b = append(b, 0x6C, 13, 0x21, 0x83)
	b = append(b, "01632960018"...)
	b = append(b, 0x70, 4, 0x81)
	return append(b, "201"...)
}

func TestACallOfAPrimaryRateIsToldOnItsChannelWhenItWasHeard(t *testing.T) {
	f := New()
	born := time.Now()
	f.Carrier(true, born)
	at := map[line.Kind]time.Duration{}
	side := map[line.Side]line.Number{}
	take := func(told []circuit.Told) {
		for _, e := range told {
			if e.Channel != 1 {
				t.Errorf("%v on channel %d, want 1", e.Event.Kind, e.Channel)
			}
			if e.Event.Kind == line.Numbered {
				side[e.Event.Side] = e.Event.Number
			} else if _, again := at[e.Event.Kind]; !again {
				at[e.Event.Kind] = e.Event.Heard.Sub(born)
			}
		}
	}
	next := 0
	for now := time.Duration(0); now < 12*time.Second; now += 10 * time.Millisecond {
		for next < len(call) && time.Duration(call[next].ms)*time.Millisecond <= now {
			take(f.Frame(circuit.Frame{From: call[next].from, Heard: born.Add(now), Bytes: call[next].data}))
			next++
		}
		take(f.Tick(born.Add(now)))
	}
	for kind, want := range map[line.Kind]time.Duration{
		line.Seized: time.Second, line.Ringing: 1100 * time.Millisecond, line.Answered: 3 * time.Second, line.Released: 9 * time.Second,
	} {
		if off := (at[kind] - want).Abs(); off > 100*time.Millisecond {
			t.Errorf("%v: told at %v, want %v", kind, at[kind], want)
		}
	}
	if side[line.Remote].Reveal() != "01632960018" && side[line.Remote].Reveal() != "001632960018" || side[line.Office].Reveal() != "201" {
		t.Errorf("numbers %q and %q", side[line.Remote].Reveal(), side[line.Office].Reveal())
	}
}
