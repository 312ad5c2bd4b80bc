// Package tonetest makes the sounds that audio/tone listens for, for tests: keypad digits, an exchange's tones, caller ID, noise.
//
//	In:    what to say, how loud and how long
//	Out:   samples of linear PCM at 8 kHz
//	Owner: no goroutine; nothing but functions
//	Full:  nothing is kept
//
// It shares no code or table with audio/tone. Levels are in dBFS of each sine's peak: 0 is a sine that reaches 32767.
package tonetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"linekeep/drivers/line"
)

// Silence is d of zeros.
func Silence(d time.Duration) []int16 { return make([]int16, line.In(d)) }

// Sines is d of sines at the same level each.
func Sines(d time.Duration, dBFS float64, hz ...float64) []int16 {
	out := make([]int16, line.In(d))
	a := 32767 * math.Pow(10, dBFS/20)
	for i := range out {
		sum := 0.0
		for _, f := range hz {
			sum += a * math.Sin(2*math.Pi*f*float64(i)/line.RateHz)
		}
		out[i] = clip(sum)
	}
	return out
}

// Place is where one digit of DTMF was put.
type Place struct {
	Key      byte
	From, To line.Position
}

// DTMF is keys one after the other, each on for so long and followed by off, and where each lies.
func DTMF(keys string, on, off time.Duration, dBFS float64) ([]int16, []Place) {
	const pad = "123A456B789C*0#D"
	rows, columns := [...]float64{697, 770, 852, 941}, [...]float64{1209, 1336, 1477, 1633}
	var out []int16
	var places []Place
	for i := range len(keys) {
		n := strings.IndexByte(pad, keys[i])
		if n < 0 {
			panic(fmt.Sprintf("tonetest: %q is no key", keys[i]))
		}
		from := line.Position(len(out))
		out = append(out, Sines(on, dBFS, rows[n/4], columns[n%4])...)
		places = append(places, Place{Key: keys[i], From: from, To: line.Position(len(out))})
		out = append(out, Silence(off)...)
	}
	return out, places
}

// Cadence is d of a tone as the books write it: "400+450/400,0/200,400+450/400,0/2000" over and over, or "350+440" without end.
func Cadence(cadence string, d time.Duration, dBFS float64) []int16 {
	var out []int16
	for line.Samples(len(out)) < line.In(d) {
		for part := range strings.SplitSeq(cadence, ",") {
			pitch, ms, timed := strings.Cut(part, "/")
			length := d
			if timed {
				length = time.Duration(number(ms)) * time.Millisecond
			}
			var hz []float64
			for f := range strings.SplitSeq(pitch, "+") {
				hz = append(hz, number(f))
			}
			out = append(out, Sines(length, dBFS, hz...)...)
		}
	}
	return out[:line.In(d)]
}

func number(s string) float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(fmt.Sprintf("tonetest: %q is no number", s))
	}
	return n
}

// Modulation is how a caller ID is sent.
type Modulation struct{ Mark, Space float64 }

// V23 is how Europe sends caller ID.
func V23() Modulation { return Modulation{Mark: 1300, Space: 2100} }

// Bell202 is how North America does.
func Bell202() Modulation { return Modulation{Mark: 1200, Space: 2200} }

// FSK is a caller ID message as an exchange sends it, at 1200 bit/s: 300 bits of seizure, 180 of mark, the message and its checksum.
func FSK(message []byte, m Modulation, dBFS float64) []int16 {
	return FSKRaw(Checksummed(message), m, dBFS)
}

// FSKRaw is the same of bytes that may have a wrong checksum.
func FSKRaw(bytes []byte, m Modulation, dBFS float64) []int16 {
	var bits []bool
	for i := range 300 {
		bits = append(bits, i%2 == 1)
	}
	for range 180 {
		bits = append(bits, true)
	}
	for _, b := range bytes {
		bits = append(bits, false)
		for k := range 8 {
			bits = append(bits, b>>k&1 == 1)
		}
		bits = append(bits, true)
	}
	for range 10 {
		bits = append(bits, true)
	}
	a, phase := 32767*math.Pow(10, dBFS/20), 0.0
	out := make([]int16, len(bits)*line.RateHz/1200)
	for i := range out {
		hz := m.Space
		if bits[i*1200/line.RateHz] {
			hz = m.Mark
		}
		phase += 2 * math.Pi * hz / line.RateHz
		out[i] = clip(a * math.Sin(phase))
	}
	return out
}

// Checksummed is a message with the byte that makes its sum 0.
func Checksummed(message []byte) []byte {
	var sum byte
	for _, b := range message {
		sum += b
	}
	return append(append([]byte(nil), message...), -sum)
}

// Field is one field of a message of several.
func Field(kind byte, value string) string { return string([]byte{kind, byte(len(value))}) + value }

// Message is a message of a type with its length; fields are joined.
func Message(kind byte, fields ...string) []byte {
	body := strings.Join(fields, "")
	return append([]byte{kind, byte(len(body))}, body...)
}

// Noise adds white noise to samples, in place, of so many dBFS (of its RMS against that of a full sine), and gives them back.
func Noise(samples []int16, dBFS float64, seed uint64) []int16 {
	r := rand.New(rand.NewPCG(seed, 1))
	a := 32767 / math.Sqrt2 * math.Pow(10, dBFS/20)
	for i := range samples {
		samples[i] = clip(float64(samples[i]) + a*r.NormFloat64())
	}
	return samples
}

// Mix adds b to a copy of a, from a's beginning.
func Mix(a, b []int16) []int16 {
	out := append([]int16(nil), a...)
	for i := range min(len(a), len(b)) {
		out[i] = clip(float64(a[i]) + float64(b[i]))
	}
	return out
}

// Join puts pieces one after the other.
func Join(pieces ...[]int16) []int16 {
	var out []int16
	for _, p := range pieces {
		out = append(out, p...)
	}
	return out
}

func clip(v float64) int16 { return int16(math.Round(max(-32768, min(32767, v)))) }
