package ogg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// file writes n packets of silence, and then closes at length.
func file(t testing.TB, streams, n int, length line.Samples, comments ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, streams, comments...)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if streams == 1 {
			err = w.Mono(Silence20())
		} else {
			err = w.Stereo(Silence20(), Silence20())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(length); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestOpusinfoAndFfmpegHaveNoComplaintAndSeeTheExactLength(t *testing.T) {
	for _, streams := range []int{1, 2} {
		for _, length := range []line.Samples{107, 108, 160, 7999, 8000, 8001, 50*160 - 52, 51*160 - 52, 123_457} {
			t.Run(strconv.Itoa(streams)+" streams, "+strconv.FormatInt(int64(length), 10)+" samples", func(t *testing.T) {
				packets := int((length + segment.Lookahead + 159) / 160)
				path := filepath.Join(t.TempDir(), "a.ogg")
				if err := os.WriteFile(path, file(t, streams, packets, length), 0o600); err != nil {
					t.Fatal(err)
				}
				info, err := exec.CommandContext(t.Context(), "opusinfo", path).CombinedOutput()
				if err != nil || strings.Contains(string(info), "WARNING") || strings.Contains(string(info), "ERROR") {
					t.Errorf("opusinfo: %v\n%s", err, info)
				}
				cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "warning", "-i", path, "-f", "s16le", "-")
				var complaint bytes.Buffer
				cmd.Stderr = &complaint
				pcm, err := cmd.Output()
				if err != nil || complaint.Len() > 0 {
					t.Errorf("ffmpeg: %v\n%s", err, &complaint)
				}
				if want := int(length) * scale * streams * 2; len(pcm) != want {
					t.Errorf("decoded to %d bytes, expected %d", len(pcm), want)
				}
			})
		}
	}
}

func TestPagesOfASecondWithCorrectPositions(t *testing.T) {
	b := file(t, 1, 126, 125*160)
	pages := parse(t, b)
	want := []struct {
		flags   byte
		end     int64
		packets int
	}{{pageFirst, 0, 1}, {0, 0, 1}, {0, 48000, 50}, {0, 96000, 50}, {pageLast, 125*960 + 312, 26}}
	if len(pages) != len(want) {
		t.Fatalf("%d pages, expected %d", len(pages), len(want))
	}
	for i, p := range pages {
		if p.flags != want[i].flags || p.end != want[i].end || len(p.packets) != want[i].packets {
			t.Errorf("page %d: flags %x, end %d, %d packets; expected %+v", i, p.flags, p.end, len(p.packets), want[i])
		}
	}
}

func TestHeadersSayNothingThatWasNotAskedFor(t *testing.T) {
	pages := parse(t, file(t, 2, 1, 10))
	if want := "OpusHead\x01\x02\x38\x01\x40\x1f\x00\x00\x00\x00\x01\x02\x00\x00\x01"; string(pages[0].packets[0]) != want {
		t.Errorf("head %q, expected %q", pages[0].packets[0], want)
	}
	if want := "OpusTags\x08\x00\x00\x00linekeep\x00\x00\x00\x00"; string(pages[1].packets[0]) != want {
		t.Errorf("tags %q, expected %q", pages[1].packets[0], want)
	}
	pages = parse(t, file(t, 1, 1, 10, "TITLE=copy 3"))
	if want := "OpusTags\x08\x00\x00\x00linekeep\x01\x00\x00\x00\x0c\x00\x00\x00TITLE=copy 3"; string(pages[1].packets[0]) != want {
		t.Errorf("tags %q, expected %q", pages[1].packets[0], want)
	}
}

func TestEveryPacketLengthSurvivesTheFraming(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, 2)
	if err != nil {
		t.Fatal(err)
	}
	var lefts, rights [][]byte
	for n := 1; n <= segment.MaxPacket; n++ {
		left, right := bytes.Repeat([]byte{byte(n)}, n), bytes.Repeat([]byte{byte(n + 1)}, segment.MaxPacket+1-n)
		left[0], right[0] = 0x08, 0x08
		lefts, rights = append(lefts, left), append(rights, right)
		if err := w.Stereo(left, right); err != nil {
			t.Fatalf("packet of %d bytes: %v", n, err)
		}
	}
	if err := w.Close(1000 * 160); err == nil {
		t.Fatal("a length far before the packets' end was taken")
	}
	if err := w.Close(line.Samples(len(lefts)*160) - segment.Lookahead); err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, p := range parse(t, out.Bytes())[2:] {
		for _, packet := range p.packets {
			left, right := split(packet)
			if !bytes.Equal(left, lefts[i]) || !bytes.Equal(right, rights[i]) {
				t.Fatalf("pair %d came back different", i)
			}
			i++
		}
	}
	if i != len(lefts) {
		t.Errorf("%d pairs came back of %d", i, len(lefts))
	}
}

func TestWhatIsNotAPacketIsRefused(t *testing.T) {
	one, err := NewWriter(io.Discard, 1)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewWriter(io.Discard, 2)
	if err != nil {
		t.Fatal(err)
	}
	long := make([]byte, segment.MaxPacket+1)
	for name, err := range map[string]error{
		"empty":                     one.Mono(nil),
		"too long":                  one.Mono(long),
		"two frames in a packet":    one.Mono([]byte{0x09, 1}),
		"one packet, two streams":   two.Mono(Silence20()),
		"two packets, one stream":   one.Stereo(Silence20(), Silence20()),
		"packets of unequal length": two.Stereo(Silence20(), Silence10()),
		"left is none":              two.Stereo(nil, Silence20()),
		"right is none":             two.Stereo(Silence20(), nil),
	} {
		if !errors.Is(err, ErrPacket) {
			t.Errorf("%s: got %v, want ErrPacket", name, err)
		}
	}
	if err := one.Close(1); !errors.Is(err, ErrLength) {
		t.Errorf("a length without packets: got %v, want ErrLength", err)
	}
	if _, err := NewWriter(io.Discard, 3); err == nil {
		t.Error("three streams were taken")
	}
	if _, err := NewWriter(io.Discard, 1, strings.Repeat("x", 70_000)); err == nil {
		t.Error("comments longer than a page were taken")
	}
}

func TestAWriterKeepsItsFirstError(t *testing.T) {
	full := errors.New("stick full")
	w, err := NewWriter(&failing{after: 2, err: full}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 51 {
		err = w.Mono(Silence20())
	}
	if !errors.Is(err, full) || !errors.Is(w.Mono(Silence20()), full) || !errors.Is(w.Close(10), full) {
		t.Errorf("got %v, want the first error each time", err)
	}
	if _, err := NewWriter(&failing{err: full}, 1); !errors.Is(err, full) {
		t.Errorf("header: got %v, want the writer's error", err)
	}
	w, err = NewWriter(io.Discard, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Mono(Silence20()), w.Close(10)); err != nil {
		t.Fatal(err)
	}
	if err := w.Mono(Silence20()); !errors.Is(err, ErrClosed) {
		t.Errorf("packet after Close: got %v, want ErrClosed", err)
	}
}

func TestAPacketAllocatesNothing(t *testing.T) {
	w, err := NewWriter(io.Discard, 2)
	if err != nil {
		t.Fatal(err)
	}
	packet := Silence20()
	if n := testing.AllocsPerRun(2000, func() {
		if err := w.Stereo(packet, packet); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each packet", n)
	}
}

type failing struct {
	after int
	err   error
}

func (f *failing) Write(b []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, f.err
	}
	return len(b), nil
}

type page struct {
	flags   byte
	end     int64
	packets [][]byte
}

// parse takes pages apart, checking sum, number and lacing.
func parse(t *testing.T, b []byte) (pages []page) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < headLen || string(b[:5]) != "OggS\x00" {
			t.Fatalf("page %d does not begin like a page", len(pages))
		}
		le := binary.LittleEndian
		if n := le.Uint32(b[18:]); n != uint32(len(pages)) {
			t.Fatalf("page number %d, expected %d", n, len(pages))
		}
		p := page{flags: b[5], end: int64(le.Uint64(b[6:]))}
		lacing, rest := b[headLen:headLen+int(b[26])], b[headLen+int(b[26]):]
		var packet []byte
		for _, n := range lacing {
			packet, rest = append(packet, rest[:n]...), rest[n:]
			if n < 255 {
				p.packets, packet = append(p.packets, packet), nil
			}
		}
		if packet != nil {
			t.Fatalf("page %d ends inside a packet", len(pages))
		}
		pages, b = append(pages, p), rest
	}
	return pages
}

// split undoes the self-delimiting framing of the first packet.
func split(packet []byte) (left, right []byte) {
	n, rest := int(packet[1]), packet[2:]
	if n >= 252 {
		n, rest = n+4*int(packet[2]), packet[3:]
	}
	return append([]byte{packet[0]}, rest[:n]...), rest[n:]
}
