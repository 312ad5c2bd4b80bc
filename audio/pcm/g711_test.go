package pcm

import (
	"bytes"
	"encoding/binary"
	"math"
	"os/exec"
	"testing"

	"linekeep/drivers/line"
)

func TestEveryCodeComesBack(t *testing.T) {
	for code := range 256 {
		if got := EncodeALaw(DecodeALaw(byte(code))); int(got) != code {
			t.Errorf("A-law %#02x comes back as %#02x", code, got)
		}
		want := code
		if code == 0x7F {
			want = 0xFF // µ-law has two zeros; a linear zero is the positive one
		}
		if got := EncodeMuLaw(DecodeMuLaw(byte(code))); int(got) != want {
			t.Errorf("µ-law %#02x comes back as %#02x, want %#02x", code, got, want)
		}
	}
}

// The ends of the tables of ITU-T G.711 (11/88), tables 1a to 2b, at 16 bits.
func TestG711Vectors(t *testing.T) {
	for _, v := range []struct {
		alaw  byte
		value int16
	}{{0xD5, 8}, {0x55, -8}, {0xD4, 24}, {0xAA, 32256}, {0x2A, -32256}} {
		if got := DecodeALaw(v.alaw); got != v.value {
			t.Errorf("A-law %#02x is %d, want %d", v.alaw, got, v.value)
		}
	}
	for _, v := range []struct {
		mulaw byte
		value int16
	}{{0xFF, 0}, {0x7F, 0}, {0xFE, 8}, {0x7E, -8}, {0x80, 32124}, {0x00, -32124}} {
		if got := DecodeMuLaw(v.mulaw); got != v.value {
			t.Errorf("µ-law %#02x is %d, want %d", v.mulaw, got, v.value)
		}
	}
}

// The digital milliwatt of G.711, tables 5 and 6: a sine of 1 kHz at 0 dBm0, which is 3.14 dB (A-law) and 3.17 dB
// (µ-law) below the largest sine, itself 3.01 dB below full scale as RMS.
func TestTheDigitalMilliwattHasItsLevel(t *testing.T) {
	for _, v := range []struct {
		law   line.Law
		codes [8]byte
		want  float64
	}{
		{line.ALaw, [8]byte{0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4}, -3.01 - 3.14},
		{line.MuLaw, [8]byte{0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E}, -3.01 - 3.17},
	} {
		samples := make([]int16, line.FrameSamples)
		for i := range samples {
			samples[i] = int16(v.codes[i%8])
		}
		Expand(v.law, samples)
		if got := float64(Measure(samples).RMS); math.Abs(got-v.want) > 0.1 {
			t.Errorf("%v: %.2f dBFS, want %.2f", v.law, got, v.want)
		}
	}
}

func TestFFmpegDecodesAlike(t *testing.T) {
	codes := make([]byte, 256)
	for i := range codes {
		codes[i] = byte(i)
	}
	for _, law := range []struct {
		name   string
		decode func(byte) int16
	}{{"alaw", DecodeALaw}, {"mulaw", DecodeMuLaw}} {
		raw := ffmpeg(t, codes, "-f", law.name, "-ar", "8000", "-i", "-", "-f", "s16le", "-")
		for code := range codes {
			want := int16(binary.LittleEndian.Uint16(raw[2*code:]))
			if got := law.decode(byte(code)); got != want {
				t.Errorf("%s %#02x is %d, for ffmpeg %d", law.name, code, got, want)
			}
		}
	}
}

// Each code stands for the middle of its step (G.711, 2.3): a sample may be half a step off, and no more.
func TestASampleIsAtMostHalfAStepOff(t *testing.T) {
	for _, law := range []struct {
		name    string
		encode  func(int16) byte
		decode  func(byte) int16
		halfOf  func(code byte) int
		loudest int
	}{
		{"A-law", EncodeALaw, DecodeALaw, func(c byte) int { return 8 << max(0, int((c^0x55)>>4&7)-1) }, 32767},
		{"µ-law", EncodeMuLaw, DecodeMuLaw, func(c byte) int { return 4 << (^c >> 4 & 7) }, 32635},
	} {
		for s := -law.loudest; s <= law.loudest; s++ {
			code := law.encode(int16(s))
			if off := max(int(law.decode(code))-s, s-int(law.decode(code))); off > law.halfOf(code) {
				t.Fatalf("%s: %d becomes %d", law.name, s, law.decode(code))
			}
		}
		if EncodeMuLaw(math.MinInt16) != 0x00 || EncodeALaw(math.MinInt16) != 0x2A {
			t.Error("the lowest sample is not the lowest code")
		}
	}
}

// At the edge between two segments ffmpeg takes the nearer of two unequal steps, where G.711 puts the edge at the power
// of two. So next to an edge, and only there, codes may differ, by one.
func TestFFmpegEncodesAlike(t *testing.T) {
	linear := make([]byte, 0, 2*65536)
	for s := math.MinInt16; s <= math.MaxInt16; s++ {
		linear = binary.LittleEndian.AppendUint16(linear, uint16(int16(s)))
	}
	for _, law := range []struct {
		name   string
		encode func(int16) byte
		step   func(byte) int // codes in the order of their values
	}{
		{"alaw", EncodeALaw, func(c byte) int { return ordered(c ^ 0x55 ^ 0x80) }},
		{"mulaw", EncodeMuLaw, func(c byte) int { return ordered(^c) }},
	} {
		theirs := ffmpeg(t, linear, "-f", "s16le", "-ar", "8000", "-i", "-", "-c:a", "pcm_"+law.name, "-f", law.name, "-")
		if len(theirs) != 65536 {
			t.Fatalf("%d codes from ffmpeg", len(theirs))
		}
		differ := 0
		for i, code := range theirs {
			s := int16(i + math.MinInt16)
			switch law.step(law.encode(s)) - law.step(code) {
			case 0:
			case 1, -1:
				differ++
			default:
				t.Fatalf("%s: %d is %#02x, for ffmpeg %#02x", law.name, s, law.encode(s), code)
			}
		}
		if differ > 65536*2/100 {
			t.Errorf("%s: %d of 65536 samples get another code than ffmpeg's", law.name, differ)
		}
	}
}

// ordered puts sign and size into a number that grows with the sample.
func ordered(c byte) int {
	if c&0x80 != 0 {
		return -int(c & 0x7f)
	}
	return int(c&0x7f) + 1
}

func ffmpeg(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-loglevel", "error"}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	return out
}
