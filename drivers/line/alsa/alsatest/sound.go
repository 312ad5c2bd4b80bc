package alsatest

import (
	"bufio"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// Sound is noise made by rule: every sample tells its device, its channel and its place, so that a recording
// can be compared with what was there to hear, and a gap measured, without a copy of the sound.
type Sound struct {
	Device   int // its number in the test
	Channels int
	Frames   int // after so many it begins again
}

// At is the sample of one channel at a place, counted from the device's first start.
func (s Sound) At(channel int, place int64) int16 {
	x := uint64(s.Device)<<48 ^ uint64(channel)<<40 ^ uint64(place%int64(s.Frames))
	x += 0x9e3779b97f4a7c15 // splitmix64, which has no pattern that two places could share
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int16(x ^ x>>31)
}

// Write makes the file that a Device of so many bits is to hear, and returns its path.
func (s Sound) Write(t testing.TB, bits int) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "sound-*.raw")
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<16)
	var b [4]byte
	for i := range int64(s.Frames) {
		for c := range s.Channels {
			sample := b[:2]
			if bits == 32 { // the low half is there to be dropped
				sample = b[:4]
			}
			binary.LittleEndian.PutUint16(sample[len(sample)-2:], uint16(s.At(c, i)))
			w.Write(sample) //nolint:errcheck // a bufio.Writer keeps its first error, and Flush reports it
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Clean(f.Name())
}

// Find looks for samples of one channel at most within places either side of near, and says where they
// begin. 16 samples or more make a chance find impossible in practice.
func (s Sound) Find(channel int, samples []int16, near, within int64) (place int64, found bool) {
	for off := int64(0); off <= within; off++ {
		for _, at := range [...]int64{near + off, near - off} {
			if at >= 0 && s.match(channel, samples, at) {
				return at, true
			}
		}
	}
	return 0, false
}

func (s Sound) match(channel int, samples []int16, at int64) bool {
	for i, v := range samples {
		if v != s.At(channel, at+int64(i)) {
			return false
		}
	}
	return true
}
