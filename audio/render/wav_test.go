package render

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"testing"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// delay is a codec that loses nothing but keeps the last segment.Lookahead samples back, as Opus does.
type delay struct{ held [segment.Lookahead]int16 }

func (d *delay) encode(pcm []int16) []byte {
	both := append(d.held[:len(d.held):len(d.held)], pcm...)
	copy(d.held[:], both[segment.PacketSamples:])
	b := []byte{0x08}
	for _, s := range both[:segment.PacketSamples] {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

type delayDecoder struct{ resets int }

func (d *delayDecoder) Reset() error { d.resets++; return nil }

func (d *delayDecoder) Decode(packet []byte, pcm []int16) (int, error) {
	for i := range segment.PacketSamples {
		pcm[i] = int16(binary.LittleEndian.Uint16(packet[1+2*i:]))
	}
	return segment.PacketSamples, nil
}

func newDelayDecoder() (Decoder, error) { return new(delayDecoder), nil }

// builder makes a track and the sound that it must come out as.
type builder struct {
	rng   *rand.Rand
	codec delay
	seg   segment.Segment
	segs  []segment.Segment
	pcm   []int16
}

func (b *builder) sound(packets int) {
	for range packets {
		frame := make([]int16, segment.PacketSamples)
		for i := range frame {
			frame[i] = int16(1 + b.rng.IntN(30_000))
		}
		b.packet(b.codec.encode(frame), 0)
		b.seg.Peaks = append(b.seg.Peaks, 200)
		b.seg.Len += segment.PacketSamples
		b.pcm = append(b.pcm, frame...)
		if b.rng.IntN(25) == 0 {
			b.cut()
		}
	}
}

func (b *builder) packet(data []byte, mark uint16) {
	b.seg.Sizes = append(b.seg.Sizes, uint16(len(data))|mark)
	b.seg.Data = append(b.seg.Data, data...)
}

func (b *builder) tail() {
	b.packet(b.codec.encode(make([]int16, segment.PacketSamples)), segment.Tail)
	b.codec = delay{}
}

func (b *builder) gap(n line.Samples) {
	b.seg.Gaps = append(b.seg.Gaps, segment.Gap{At: b.seg.Start + b.seg.Len, Len: n, Cause: segment.CauseStore})
	b.seg.Len += n
	b.pcm = append(b.pcm, make([]int16, n)...)
}

func (b *builder) cut() {
	if b.seg.Len > 0 || len(b.seg.Sizes) > 0 {
		b.segs = append(b.segs, b.seg)
	}
	b.seg = segment.Segment{Party: b.seg.Party, Start: b.seg.Start + b.seg.Len}
}

// lose drops packets that were encoded: their sound is silence, and that of 52 samples before them, which nothing brought out.
func (b *builder) lose(packets int) {
	at := len(b.pcm)
	b.cut()
	keep := b.seg
	b.sound(packets)
	b.cut()
	b.segs = b.segs[:len(b.segs):len(b.segs)]
	for len(b.segs) > 0 && b.segs[len(b.segs)-1].Start >= keep.Start {
		b.segs = b.segs[:len(b.segs)-1]
	}
	clear(b.pcm[max(0, at-int(segment.Lookahead)):])
	b.seg = keep
	b.seg.Gaps = []segment.Gap{{At: keep.Start, Len: line.Samples(packets * segment.PacketSamples), Cause: segment.CauseStore}}
	b.seg.Len = line.Samples(packets * segment.PacketSamples)
}

func (b *builder) track() Track {
	b.cut()
	return Track{Party: b.seg.Party, Segments: sequence(b.segs, nil)}
}

func sequence(segs []segment.Segment, err error) iter.Seq2[segment.Segment, error] {
	return func(yield func(segment.Segment, error) bool) {
		for _, s := range segs {
			if !yield(s, nil) {
				return
			}
		}
		if err != nil {
			yield(segment.Segment{}, err)
		}
	}
}

func randomTrack(rng *rand.Rand, party segment.Party) *builder {
	b := &builder{rng: rng, seg: segment.Segment{Party: party}}
	for range 1 + rng.IntN(12) {
		b.sound(1 + rng.IntN(20))
		switch rng.IntN(4) {
		case 0:
			b.lose(1 + rng.IntN(5))
		default:
			b.tail()
			b.gap(1 + line.Samples(rng.IntN(2000)))
		}
	}
	b.sound(1)
	b.tail()
	return b
}

func TestEverySampleOfAWAVStandsAtItsPlace(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		office, caller := randomTrack(rng, segment.Office), randomTrack(rng, segment.Caller)
		length := line.Samples(len(office.pcm) + rng.IntN(1000) - 500)
		var out bytes.Buffer
		// The tracks may be named in any order.
		if err := WAV(&out, length, newDelayDecoder, []Track{caller.track(), office.track()}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		samples := decodeWAV(t, out.Bytes(), 2)
		if len(samples) != 2*int(length) {
			t.Fatalf("seed %d: %d samples for a length of %d", seed, len(samples)/2, length)
		}
		for i, got := range samples {
			want, from := int16(0), [][]int16{office.pcm, caller.pcm}[i%2]
			if i/2 < len(from) {
				want = from[i/2]
			}
			if got != want {
				t.Fatalf("seed %d: channel %d, sample %d is %d, expected %d", seed, i%2, i/2, got, want)
			}
		}
	}
}

func decodeWAV(t *testing.T, b []byte, channels int) []int16 {
	t.Helper()
	le := binary.LittleEndian
	if len(b) < 44 || string(b[:4]) != "RIFF" || int(le.Uint32(b[4:])) != len(b)-8 || string(b[8:16]) != "WAVEfmt " ||
		le.Uint16(b[20:]) != 1 || int(le.Uint16(b[22:])) != channels || le.Uint32(b[24:]) != 8000 ||
		int(le.Uint32(b[28:])) != 16_000*channels || le.Uint16(b[34:]) != 16 || int(le.Uint32(b[40:])) != len(b)-44 {
		t.Fatalf("header %x", b[:min(44, len(b))])
	}
	samples := make([]int16, (len(b)-44)/2)
	for i := range samples {
		samples[i] = int16(le.Uint16(b[44+2*i:]))
	}
	return samples
}

func TestAHoleBetweenSegmentsIsSilenceAndAnOverlapAFault(t *testing.T) {
	b := &builder{rng: rand.New(rand.NewPCG(1, 1))}
	for range 4 {
		b.sound(10)
		b.tail()
		b.gap(10)
		b.cut()
	}
	missing := b.segs[1]
	b.segs = append(b.segs[:1], b.segs[2:]...)
	clear(b.pcm[missing.Start : missing.Start+missing.Len])
	length := line.Samples(len(b.pcm))
	var out bytes.Buffer
	if err := WAV(&out, length, newDelayDecoder, []Track{b.track()}); err != nil {
		t.Fatal(err)
	}
	for i, got := range decodeWAV(t, out.Bytes(), 1) {
		if got != b.pcm[i] {
			t.Fatalf("sample %d is %d, expected %d", i, got, b.pcm[i])
		}
	}
	b.segs[1].Start--
	b.segs[0].Len += missing.Len
	if err := WAV(io.Discard, length, newDelayDecoder, []Track{b.track()}); !errors.Is(err, ErrTracks) {
		t.Errorf("overlap: got %v, want ErrTracks", err)
	}
}

func TestWhatCannotBeRenderedIsRefused(t *testing.T) {
	cut := errors.New("chunk damaged")
	empty := Track{Party: segment.Office, Segments: sequence(nil, nil)}
	damaged := Track{Party: segment.Office, Segments: sequence(nil, cut)}
	other := Track{Party: segment.Office, Segments: sequence([]segment.Segment{{Party: segment.Caller, Len: 160, Sizes: []uint16{1}, Data: []byte{8}}}, nil)}
	for name, tt := range map[string]struct {
		length line.Samples
		tracks []Track
		want   error
	}{
		"no track":                   {100, nil, ErrTracks},
		"three":                      {100, []Track{empty, empty, empty}, ErrTracks},
		"the office twice":           {100, []Track{empty, empty}, ErrTracks},
		"a negative length":          {-1, []Track{empty}, ErrTracks},
		"damage":                     {100, []Track{damaged}, cut},
		"a segment of somebody else": {200, []Track{other}, ErrTracks},
	} {
		if err := WAV(io.Discard, tt.length, newDelayDecoder, tt.tracks); !errors.Is(err, tt.want) {
			t.Errorf("WAV of %s: got %v, want %v", name, err, tt.want)
		}
		if err := Ogg(io.Discard, tt.length, tt.tracks); !errors.Is(err, tt.want) {
			t.Errorf("Ogg of %s: got %v, want %v", name, err, tt.want)
		}
	}
	full := errors.New("stick full")
	for limit := range 3 {
		if err := WAV(&limited{limit * 40_000, full}, 80_000, newDelayDecoder, []Track{empty}); !errors.Is(err, full) {
			t.Errorf("WAV to a full stick: got %v", err)
		}
		if err := Ogg(&limited{limit * 30, full}, 80_000, []Track{empty}); !errors.Is(err, full) {
			t.Errorf("Ogg to a full stick: got %v", err)
		}
	}
	if err := WAV(io.Discard, 1<<32, newDelayDecoder, []Track{empty}); err == nil {
		t.Error("a WAV over 4 GB was begun")
	}
	if err := WAV(io.Discard, 10, func() (Decoder, error) { return nil, full }, []Track{empty}); !errors.Is(err, full) {
		t.Errorf("no decoder: got %v", err)
	}
}

type limited struct {
	left int
	err  error
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, l.err
	}
	return len(b), nil
}
