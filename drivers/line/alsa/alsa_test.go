package alsa

import (
	"bytes"
	"strings"
	"testing"
)

func TestEveryFaultOfAConfigurationIsTold(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		want []string // parts of the error; none means valid
	}{
		{name: "a plain card", cfg: Config{Devices: []Device{{Name: "hw:CARD=Tap,DEV=0"}}}},
		{name: "a split line and a mixed one", cfg: Config{Devices: []Device{{Name: "tap", Lines: [][]int{{0, 1}, {2}}}}}},
		{name: "nothing", want: []string{"none given"}},
		{name: "no name", cfg: Config{Devices: []Device{{}}}, want: []string{"devices[0].name"}},
		{name: "miniaudio's short form", cfg: Config{Devices: []Device{{Name: ":0,0"}}}, want: []string{"devices[0].name"}},
		{name: "too long a name", cfg: Config{Devices: []Device{{Name: strings.Repeat("x", 256)}}}, want: []string{"devices[0].name"}},
		{name: "the same card twice", cfg: Config{Devices: []Device{{Name: "tap"}, {Name: "tap"}}}, want: []string{"given twice"}},
		{name: "too many channels", cfg: Config{Devices: []Device{{Name: "tap", Channels: 33}}}, want: []string{"devices[0].channels"}},
		{
			name: "faulty lines", cfg: Config{Devices: []Device{{Name: "tap", Lines: [][]int{{}, {0, 1, 2}, {0}, {-1}, {32}}}}},
			want: []string{"lines[0]: 0 sound", "lines[1]: 3 sound", "lines[2]: sound channel 0", "channel -1", "channel 32"},
		},
	} {
		err := c.cfg.Validate()
		if len(c.want) == 0 && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, part := range c.want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not tell of %q", c.name, err, part)
			}
		}
	}
}

func TestTheRingGivesBackWhatWasPutInAndCountsWhatDidNotFit(t *testing.T) {
	r := newRing(4, 8000)
	sound := make([]byte, 640)
	for round := range 3 { // across the ring's end
		pushed, kept := 0, 0
		for ; r.waiting() < ringChunks && kept == r.waiting(); pushed++ {
			for i := range sound {
				sound[i] = byte(round + pushed + i)
			}
			r.push(int64(pushed), sound, 160, false)
			kept++
		}
		if kept == r.waiting() {
			t.Fatalf("the ring took %d chunks and was never full", kept)
		}
		if held := r.waiting(); held < 100 {
			t.Errorf("full with %d periods, want at least 2 s", held)
		}
		for i := 0; r.waiting() > 0; i++ {
			first, second := r.sound()
			got := append(bytes.Clone(first), second...)
			if c := r.peek(0); c.at != int64(i) || len(got) != 640 || got[0] != byte(round+i) || got[639] != byte(round+i+639&0xff) {
				t.Fatalf("round %d: chunk %d came out as %+v", round, i, c)
			}
			r.pop()
		}
		r.push(0, sound, 160, false)
		if c := r.peek(0); c.dropped != 160 {
			t.Errorf("%d frames told as dropped, want 160", c.dropped)
		}
		r.pop()
	}
}

func TestSamplesOfAnyWidthAreCutTo16Bits(t *testing.T) {
	for _, c := range []struct {
		f      format
		frames []byte
	}{
		{format{channels: 2, sampleBytes: 2}, []byte{9, 9, 0x34, 0x12, 9, 9, 0xff, 0xff}},
		{format{channels: 2, sampleBytes: 3}, []byte{9, 9, 9, 7, 0x34, 0x12, 9, 9, 9, 7, 0xff, 0xff}},
		{format{channels: 2, sampleBytes: 4}, []byte{9, 9, 9, 9, 7, 7, 0x34, 0x12, 9, 9, 9, 9, 7, 7, 0xff, 0xff}},
	} {
		if got := c.f.pick(nil, c.frames, 1); len(got) != 2 || got[0] != 0x1234 || got[1] != -1 {
			t.Errorf("%d bytes a sample: %x", c.f.sampleBytes, got)
		}
	}
}
