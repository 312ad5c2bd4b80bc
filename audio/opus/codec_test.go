//go:build cgo

package opus

import (
	"errors"
	"math"
	"testing"

	"linekeep/audio/ogg"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// tone is a frame of a sine that goes on from frame to frame.
func tone(frame int, hz float64) []int16 {
	pcm := make([]int16, line.FrameSamples)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(frame*line.FrameSamples+i)/line.RateHz))
	}
	return pcm
}

func pair(t testing.TB, cfg Config) (*Encoder, *Decoder) {
	t.Helper()
	e, err := NewEncoder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

func TestSoundComesBackLookaheadSamplesLater(t *testing.T) {
	e, d := pair(t, Defaults())
	var in, out []float64
	packet, back := make([]byte, segment.MaxPacket), make([]int16, line.FrameSamples)
	for i := range 100 {
		pcm := tone(i, 300+float64(i)*7) // a sweep, so that no other shift fits as well
		n, err := e.Encode(pcm, packet)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := d.Decode(packet[:n], back); err != nil || m != line.FrameSamples {
			t.Fatalf("decode: %d samples, %v", m, err)
		}
		for j := range pcm {
			in, out = append(in, float64(pcm[j])), append(out, float64(back[j]))
		}
	}
	best, lag := 0.0, -1
	for shift := range 320 {
		var xy, xx, yy float64
		for i := 1600; i < 14000; i++ {
			x, y := in[i], out[i+shift]
			xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
		}
		if c := xy / math.Sqrt(xx*yy); c > best {
			best, lag = c, shift
		}
	}
	if lag != int(segment.Lookahead) || best < 0.95 {
		t.Errorf("best match %.3f at a lag of %d, expected over 0.95 at %d", best, lag, segment.Lookahead)
	}
}

func TestEncodeNeverWritesPastThePacketItWasGiven(t *testing.T) {
	e, _ := pair(t, Defaults())
	buf := make([]byte, 200)
	for i := range buf {
		buf[i] = 0xA5
	}
	for i := range 20 {
		if _, err := e.Encode(tone(i, 1000), buf[:10]); err != nil {
			t.Fatal(err)
		}
	}
	for i, b := range buf[10:] {
		if b != 0xA5 {
			t.Fatalf("byte %d behind the packet was overwritten", i)
		}
	}
}

func TestAfterResetADecoderThatHeardNothingUnderstands(t *testing.T) {
	e, _ := pair(t, Defaults())
	fresh, _ := pair(t, Defaults())
	a, b := make([]byte, segment.MaxPacket), make([]byte, segment.MaxPacket)
	for i := range 50 {
		if _, err := e.Encode(tone(i, 700), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Reset(); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		n, err := e.Encode(tone(i, 900), a)
		m, errFresh := fresh.Encode(tone(i, 900), b)
		if err != nil || errFresh != nil || string(a[:n]) != string(b[:m]) {
			t.Fatalf("packet %d after Reset differs from a new encoder's (%v, %v)", i, err, errFresh)
		}
	}
}

func TestDTXMakesQuietPacketsOfAByteOrTwo(t *testing.T) {
	cfg := Defaults()
	cfg.DTX = true
	e, _ := pair(t, cfg)
	packet := make([]byte, segment.MaxPacket)
	short := 0
	for range 200 {
		n, err := e.Encode(make([]int16, line.FrameSamples), packet)
		if err != nil {
			t.Fatal(err)
		}
		if n <= 2 {
			short++
		}
	}
	if short < 150 {
		t.Errorf("%d of 200 silent packets are short, expected most", short)
	}
}

func TestTheSilenceOfOggDecodesToSilence(t *testing.T) {
	for _, packet := range [][]byte{ogg.Silence20(), ogg.Silence10()} {
		_, d := pair(t, Defaults())
		pcm := make([]int16, line.FrameSamples)
		for range 100 {
			n, err := d.Decode(packet, pcm)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range pcm[:n] {
				if s < -1 || s > 1 {
					t.Fatalf("silence decodes to %d", s)
				}
			}
		}
	}
}

func TestWhatCannotBeEncodedIsRefused(t *testing.T) {
	e, d := pair(t, Defaults())
	packet := make([]byte, segment.MaxPacket)
	if _, err := e.Encode(make([]int16, 100), packet); !errors.Is(err, ErrLength) {
		t.Errorf("100 samples: got %v, want ErrLength", err)
	}
	if _, err := e.Encode(make([]int16, 160), nil); !errors.Is(err, ErrLength) {
		t.Errorf("no room: got %v, want ErrLength", err)
	}
	if _, err := d.Decode([]byte{8}, make([]int16, 10)); !errors.Is(err, ErrLength) {
		t.Errorf("no room to decode: got %v, want ErrLength", err)
	}
	if _, err := d.Decode(nil, make([]int16, 160)); err == nil {
		t.Error("nothing was decoded without complaint")
	}
	for _, cfg := range []Config{{}, {Bitrate: 24000, Complexity: 11}, {Bitrate: 1e6}} {
		if _, err := NewEncoder(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestAFrameAllocatesNothing(t *testing.T) {
	e, d := pair(t, Defaults())
	pcm, packet, back := tone(0, 440), make([]byte, segment.MaxPacket), make([]int16, line.FrameSamples)
	if n := testing.AllocsPerRun(500, func() {
		n, err := e.Encode(pcm, packet)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Decode(packet[:n], back); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each frame", n)
	}
}
