package pcm_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"testing/fstest"
	"time"

	"linekeep/audio/pcm"
	"linekeep/drivers/line"
	"linekeep/drivers/line/linesim"
)

// The simulated lines have an encoder of their own, because a driver knows nothing of audio. Two that were written apart
// agree on every sample.
func TestSimulatedLinesSpeakTheSameCodes(t *testing.T) {
	every := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x02\x00")
	for s := math.MinInt16; s <= math.MaxInt16; s++ {
		every = binary.LittleEndian.AppendUint16(every, uint16(int16(s)))
	}
	for law, encode := range map[string]func(int16) byte{"alaw": pcm.EncodeALaw, "mulaw": pcm.EncodeMuLaw} {
		script, err := linesim.Parse("every", fmt.Appendf(nil, "line \"every sample\" noise=-120 law=%s\ncall in\nsay office every\nhangup", law))
		if err != nil {
			t.Fatal(err)
		}
		sounds, err := linesim.LoadSounds(fstest.MapFS{"every.wav": {Data: every}}, script)
		if err != nil {
			t.Fatal(err)
		}
		source, err := linesim.New(linesim.Config{Scripts: []*linesim.Script{script}, Sounds: sounds, Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		said := make([]int16, 1<<16)
		source.Truth(0).Channel(int(line.Office), 0, said)
		for i, got := range said {
			if s := int16(i + math.MinInt16); byte(got) != encode(s) {
				t.Fatalf("%s: %d is %#02x on the line, here %#02x", law, s, got, encode(s))
			}
		}
	}
}
