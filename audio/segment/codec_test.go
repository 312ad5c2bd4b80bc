package segment

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/drivers/line"
)

// worked is the segment of the example in vault/FORMAT.md section 8.
func worked() Segment {
	return Segment{
		Party: Caller, Start: 8000, Len: 160 + 37 + 160 + 160,
		Sizes: []uint16{3, 2 | Tail, 4, 1},
		Data:  []byte{0x08, 0xaa, 0xbb, 0x08, 0xcc, 0x08, 0xdd, 0xee, 0xff, 0x08},
		Peaks: []byte{10, 20, 30},
		Gaps:  []Gap{{At: 8160, Len: 37, Cause: Cause(line.CauseOverrun)}},
		Heard: time.UnixMicro(1_780_000_000_250_000).UTC(),
	}
}

func TestWhatIsAppendedIsDecoded(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		want := random(rng)
		if err := want.Check(); err != nil {
			t.Fatalf("random segment: %v\n%+v", err, want)
		}
		b := Append([]byte("before"), &want)
		got, err := Decode(b[len("before"):])
		if err != nil {
			t.Fatalf("decode: %v\n%+v", err, want)
		}
		if !reflect.DeepEqual(want, got) { // cmp is slow on so many bytes; it says what differs
			t.Fatalf("decoded segment differs (-want +got):\n%s", cmp.Diff(want, got))
		}
	}
}

func TestPiecesFollowEachOtherToTheLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		s := random(rng)
		at := s.Start
		for p := range s.Pieces() {
			if p.At != at {
				t.Fatalf("piece at %d, expected %d", p.At, at)
			}
			at += p.Len
		}
		if at != s.Start+s.Len {
			t.Fatalf("pieces end at %d, expected %d", at, s.Start+s.Len)
		}
	}
}

func TestPiecesStopWhenAsked(t *testing.T) {
	s := worked()
	for n := 1; n <= 5; n++ {
		seen := 0
		for range s.Pieces() {
			if seen++; seen == n {
				break
			}
		}
		if seen != n {
			t.Errorf("saw %d pieces, asked for %d", seen, n)
		}
	}
}

func TestASegmentThatContradictsItselfIsRefused(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Segment)
	}{
		{"length says less than the pieces", func(s *Segment) { s.Len-- }},
		{"length says more than the pieces", func(s *Segment) { s.Len++ }},
		{"negative start", func(s *Segment) { s.Start = -1 }},
		{"a gap inside a packet", func(s *Segment) { s.Gaps[0].At++ }},
		{"a gap before the start", func(s *Segment) { s.Gaps[0].At = s.Start - 1 }},
		{"an empty gap", func(s *Segment) { s.Gaps[0].Len = 0; s.Len -= 37 }},
		{"a gap without a cause", func(s *Segment) { s.Gaps[0].Cause = 0 }},
		{"an empty packet", func(s *Segment) { s.Sizes[0] = 0; s.Data = s.Data[3:] }},
		{"a packet that is too long", func(s *Segment) { s.Sizes[0] = MaxPacket + 1; s.Data = append(s.Data, make([]byte, MaxPacket-2)...) }},
		{"bytes left over", func(s *Segment) { s.Data = append(s.Data, 1) }},
		{"a byte missing", func(s *Segment) { s.Data = s.Data[1:] }},
		{"a peak too many", func(s *Segment) { s.Peaks = append(s.Peaks, 1) }},
		{"an unknown party", func(s *Segment) { s.Party = 3 }},
		{"a tail with sound after it", func(s *Segment) { s.Gaps = nil; s.Len -= 37 }},
		{"a tail at the end of a track that goes on", func(s *Segment) {
			s.Sizes[3] |= Tail
			s.Sizes[1] = 2
			s.Gaps[0].At += 160
		}},
		{"nothing at all", func(s *Segment) { *s = Segment{} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := worked()
			tt.spoil(&s)
			if err := s.Check(); !errors.Is(err, ErrInvalid) {
				t.Errorf("Check: got %v, want ErrInvalid", err)
			}
			if _, err := Decode(Append(nil, &s)); !errors.Is(err, ErrInvalid) {
				t.Errorf("Decode: got %v, want ErrInvalid", err)
			}
		})
	}
}

func TestEveryCutAndEveryFlippedHeaderBitIsNoticedOrHarmless(t *testing.T) {
	s := worked()
	b := Append(nil, &s)
	for n := range b {
		if _, err := Decode(b[:n]); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d of %d bytes: got %v, want ErrInvalid", n, len(b), err)
		}
	}
	if _, err := Decode(append(bytes.Clone(b), 0)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a byte too many: got %v, want ErrInvalid", err)
	}
}

func FuzzDecode(f *testing.F) {
	s := worked()
	f.Add(Append(nil, &s))
	s = Segment{Last: true, Start: 160, Sizes: []uint16{2 | Tail}, Data: []byte{8, 1}}
	f.Add(Append(nil, &s))
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		s := random(rng)
		f.Add(Append(nil, &s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if again := Append(nil, &s); !bytes.Equal(again, b) {
			t.Fatalf("decoded segment encodes to other bytes:\n got %x\nwant %x", again, b)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s := random(rand.New(rand.NewPCG(7, 8)))
	buf := Append(nil, &s)
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], &s)
	}
}

// random is a segment such as a hostile line makes: runs of packets, tails, gaps that touch each other.
func random(rng *rand.Rand) Segment {
	s := Segment{Party: Party(rng.IntN(3)), Start: line.Samples(rng.IntN(1 << 28)), Last: rng.IntN(4) == 0}
	if rng.IntN(3) > 0 {
		s.Heard = time.UnixMicro(1_780_000_000_000_000 + rng.Int64N(1e15)).UTC()
	}
	packet := func(mark uint16) {
		n := 1 + rng.IntN(80)
		if rng.IntN(50) == 0 {
			n = MaxPacket
		}
		s.Sizes = append(s.Sizes, uint16(n)|mark)
		s.Data = append(s.Data, bytes.Repeat([]byte{byte(rng.Uint32())}, n)...)
	}
	sound := func(n int) {
		for range n {
			packet(0)
			s.Peaks = append(s.Peaks, byte(rng.Uint32()))
			s.Len += PacketSamples
		}
	}
	gap := func() {
		g := Gap{At: s.Start + s.Len, Len: 1 + line.Samples(rng.IntN(9000)), Cause: Cause(1 + rng.IntN(20))}
		s.Gaps = append(s.Gaps, g)
		s.Len += g.Len
	}
	for range rng.IntN(6) {
		n := rng.IntN(30)
		sound(n)
		if n > 0 && rng.IntN(2) == 0 {
			packet(Tail)
		}
		for range 1 + rng.IntN(3) {
			gap()
		}
	}
	sound(1 + rng.IntN(30))
	if s.Last && rng.IntN(2) == 0 {
		packet(Tail)
	}
	return s
}
