package linesim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"linekeep/drivers/line"
)

// Sounds are recordings and tones, loaded once and shared by all lines. They never change.
type Sounds struct {
	clips    map[string][]int16
	ringBack []int16 // one ring and the silence after it
	click    []int16
	dtmf     [16][]int16 // in the order of dtmfKeys
}

const (
	dtmfKeys = "0123456789*#ABCD"
	// longestClip bounds what a mistaken path can load: 10 minutes, 9.6 MB.
	longestClip = 10 * 60 * line.RateHz
)

// LoadSounds reads what the scripts play from a folder of WAV files: 8 kHz, mono, 16 bits.
func LoadSounds(folder fs.FS, scripts ...*Script) (*Sounds, error) {
	s := &Sounds{clips: make(map[string][]int16), ringBack: ringBack(), click: clickSound()}
	for i := range s.dtmf {
		s.dtmf[i] = dtmf(i)
	}
	var faults []error
	for _, script := range scripts {
		for _, name := range script.Clips() {
			if s.clips[name] != nil {
				continue
			}
			file, err := fs.ReadFile(folder, name+".wav")
			if err == nil {
				s.clips[name], err = parseWAV(file)
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("load the recording %q: %w", name, err))
			}
		}
	}
	return s, errors.Join(faults...)
}

// Bytes is how much memory the recordings take.
func (s *Sounds) Bytes() int {
	n := 0
	for _, clip := range s.clips {
		n += 2 * len(clip)
	}
	return n
}

var errNotWAV = errors.New("no WAV file of 8 kHz, mono, 16 bits")

// parseWAV finds the samples of a RIFF WAVE file (Multimedia Programming Interface 1.0, IBM and Microsoft, 1991).
func parseWAV(b []byte) ([]int16, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, errNotWAV
	}
	formatKnown := false
	for b = b[12:]; len(b) >= 8; {
		id, size := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:8]))
		b = b[8:]
		body := b[:min(size, int64(len(b)))]
		switch {
		case id == "fmt " && len(body) >= 16:
			pcm, channels := binary.LittleEndian.Uint16(body), binary.LittleEndian.Uint16(body[2:])
			rate, bits := binary.LittleEndian.Uint32(body[4:]), binary.LittleEndian.Uint16(body[14:])
			if pcm != 1 || channels != 1 || rate != line.RateHz || bits != 16 {
				return nil, fmt.Errorf("%w: coding %d, %d channels, %d Hz, %d bits", errNotWAV, pcm, channels, rate, bits)
			}
			formatKnown = true
		case id == "data" && formatKnown:
			return samplesOf(body)
		}
		b = b[min(size+size&1, int64(len(b))):] // chunks are padded to an even length
	}
	return nil, fmt.Errorf("%w: no sound in it", errNotWAV)
}

func samplesOf(body []byte) ([]int16, error) {
	if len(body) < 2 || len(body)/2 > longestClip {
		return nil, fmt.Errorf("%d samples, want 1 to %d", len(body)/2, longestClip)
	}
	samples := make([]int16, len(body)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(body[2*i:]))
	}
	return samples, nil
}

// ringBack is the UK's ringing tone: 400 and 450 Hz, 0.4 s on, 0.2 off, 0.4 on, 2 off (BT SIN 350), at -20 dBFS.
func ringBack() []int16 {
	s := make([]int16, 3*line.RateHz)
	for i := range s {
		ms := i * 1000 / line.RateHz
		if ms < 400 || ms >= 600 && ms < 1000 {
			s[i] = tone(i, 400, -20) + tone(i, 450, -20)
		}
	}
	return s
}

// dtmf is a key's pair of tones (ITU-T Q.23), 70 ms on and 70 off, at -10 and -12 dBFS.
func dtmf(key int) []int16 {
	low := [...]float64{941, 697, 697, 697, 770, 770, 770, 852, 852, 852, 941, 941, 697, 770, 852, 941}
	high := [...]float64{1336, 1209, 1336, 1477, 1209, 1336, 1477, 1209, 1336, 1477, 1209, 1477, 1633, 1633, 1633, 1633}
	s := make([]int16, 140*line.RateHz/1000)
	for i := range len(s) / 2 {
		s[i] = tone(i, low[key], -12) + tone(i, high[key], -10)
	}
	return s
}

func tone(i int, hertz, dBFS float64) int16 {
	return int16(math.Round(ratio(dBFS) * 32767 * math.Sin(2*math.Pi*hertz*float64(i)/line.RateHz)))
}

// clickSound is the knock of a relay: 3 ms, dying away.
func clickSound() []int16 {
	s := make([]int16, 24)
	for i := range s {
		s[i] = int16(24000 * math.Exp(-float64(i)/6) * math.Cos(float64(i)))
	}
	return s
}

// ratio is a level in dB as a share of full scale.
func ratio(dB float64) float64 { return math.Pow(10, dB/20) }
