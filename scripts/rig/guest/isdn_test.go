//go:build rig

package guest

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"

	"linekeep/scripts/rig/bench"
)

func TestWhatIsFedToAnISDNCardArrivesThereAndNowhereElse(t *testing.T) {
	if err := bench.LoadISDN(); err != nil {
		t.Fatal(err)
	}
	if n, err := bench.Cards(); err != nil || n != 4 {
		t.Fatalf("mISDN has %d cards, %v; want 4", n, err)
	}
	for _, c := range []struct {
		name             string
		card             bench.Card
		protocol, sounds int
	}{
		{"basic rate, from the network", bench.BRIFromNetwork, bench.ProtocolTES0, 2},
		{"basic rate, from the terminal", bench.BRIFromTerminal, bench.ProtocolNTS0, 1},
		{"primary rate, from the network", bench.PRIFromNetwork, bench.ProtocolTEE1, 31},
		{"primary rate, from the terminal", bench.PRIFromTerminal, bench.ProtocolNTE1, 17},
	} {
		t.Run(c.name, func(t *testing.T) { feedCard(t, c.card, c.protocol, c.sounds) })
	}
}

// feedCard sends frames and sound of one B channel, all of which must arrive: what another card was sent is neither before it nor in it.
func feedCard(t *testing.T, card bench.Card, protocol, channel int) {
	d, err := bench.OpenD(card, protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := bench.OpenB(card, channel)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	feed, err := bench.NewFeed(card)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	if err := feed.Up(); err != nil {
		t.Fatal(err)
	}
	for primitive := uint32(0); primitive != bench.ActivateInd; {
		if primitive, _, err = d.Next(); err != nil {
			t.Fatalf("the link is not up: %v", err)
		}
	}
	sound := make([]byte, 16_000)
	rand.Read(sound)
	frames := someFrames()
	for i, piece := range slices.Collect(slices.Chunk(sound, 160)) {
		if err := feed.SendB(channel, piece); err != nil {
			t.Fatal(err)
		}
		if i < len(frames) {
			if err := feed.SendD(frames[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, want := range frames {
		if got, err := d.NextData(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("frame %d: got %x (%v), want %x", i, got, err, want)
		}
	}
	var heard []byte
	for len(heard) < len(sound) {
		piece, err := b.NextData()
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(heard), err)
		}
		heard = append(heard, piece...)
	}
	if !bytes.Equal(heard, sound) {
		t.Error("the sound differs")
	}
}
