package isdn_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/isdn"
	"linekeep/drivers/isdn/isdntest"
	"linekeep/drivers/isdn/q921"
)

// linktypeLAPD is LINKTYPE_LINUX_LAPD: a header of 16 octets that tells the direction, and the frame without its checksum.
const linktypeLAPD = 177

// writeCapture writes frames as a pcap file.
func writeCapture(t *testing.T, path string, frames []isdn.Frame) {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 4)
	for _, v := range []uint32{0, 0, 65535, linktypeLAPD} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	for _, f := range frames {
		header := make([]byte, 16)
		if f.From == q921.Network {
			header[1] = 4 // sent by us, and we are the network
		}
		binary.BigEndian.PutUint16(header[2:], 8445) // ARPHRD_LAPD
		header[5], header[6], header[15] = 1, 1, 0x30
		n := uint32(len(header) + len(f.Data))
		for _, v := range []uint32{uint32(f.At / 8000), uint32(f.At % 8000 * 125), n, n} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = append(append(b, header...), f.Data...)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// skipped are fields of tshark that say nothing of their own, or that it makes of what we keep as it came.
var skipped = []string{
	"q931.extension_ind", // where octets of an element end; each field after it would be wrong if ours ended elsewhere
	"q931.user.len",      // of user information that is not text
	"q932.ros.ROS",       // which kind of component: it stands in the names of the fields within
	"q932.ros.invokeId",  // the index of a choice
	"q932.ros.opcode",    // the same
}

// tsharkFields gives what tshark finds in each frame, as name=value, in order of the alphabet.
func tsharkFields(t *testing.T, frames []isdn.Frame) [][]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.pcap")
	writeCapture(t, path, frames)
	cmd := exec.CommandContext(t.Context(), "tshark", "-n", "-r", path, "-T", "json", "--no-duplicate-keys", "-J", "lapd q931 q932 tei_management")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run tshark (scripts/setup installs it): %v", err)
	}
	var packets []struct {
		Source struct{ Layers map[string]any } `json:"_source"`
	}
	if err := json.Unmarshal(out, &packets); err != nil {
		t.Fatalf("what tshark says: %v", err)
	}
	if len(packets) != len(frames) {
		t.Fatalf("tshark read %d frames of %d", len(packets), len(frames))
	}
	all := make([][]string, len(packets))
	for i, p := range packets {
		collect("", p.Source.Layers, &all[i])
		slices.Sort(all[i])
	}
	return all
}

func collect(name string, v any, out *[]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			collect(k, inner, out)
		}
	case []any:
		for _, inner := range v {
			collect(name, inner, out)
		}
	case string:
		layer, _, _ := strings.Cut(name, ".")
		if slices.Contains([]string{"lapd", "q931", "q932", "tei"}, layer) && strings.Contains(name, ".") &&
			!slices.Contains(skipped, name) && (layer != "q932" || !strings.HasSuffix(name, "_element")) {
			*out = append(*out, name+"="+v)
		}
	}
}

// compare compares what we and tshark read of frames, both ways, field by field.
func compare(t *testing.T, frames []isdn.Frame) {
	t.Helper()
	theirs := tsharkFields(t, frames)
	fields, kinds := 0, map[string]int{}
	for i, f := range frames {
		ours := fieldsOf(f)
		slices.Sort(ours)
		fields += len(ours)
		for _, field := range ours {
			name, _, _ := strings.Cut(field, "=")
			kinds[name]++
		}
		if !slices.Equal(ours, theirs[i]) {
			t.Errorf("frame %d, from the %v, % x\nonly we read:     %q\nonly tshark reads: %q", i, f.From, f.Data,
				less(ours, theirs[i]), less(theirs[i], ours))
		}
	}
	t.Logf("%d frames, %d fields of %d names compared", len(frames), fields, len(kinds))
	if len(kinds) < 25 {
		t.Errorf("only fields of %d names were compared", len(kinds))
	}
}

// less gives what stands in a and not, or less often, in b.
func less(a, b []string) []string {
	n := map[string]int{}
	for _, x := range b {
		n[x]++
	}
	var out []string
	for _, x := range a {
		if n[x]--; n[x] < 0 {
			out = append(out, x)
		}
	}
	return out
}

// readable leaves out what no decoder can read; the tests of q921 and q931 show that we refuse it.
func readable(frames []isdn.Frame) []isdn.Frame {
	return slices.DeleteFunc(slices.Clone(frames), func(f isdn.Frame) bool { return fieldsOf(f) == nil })
}

// TestEveryFrameReadsAsTsharkReadsIt: an independent decoder, over all frames of all scripts.
func TestEveryFrameReadsAsTsharkReadsIt(t *testing.T) {
	var frames []isdn.Frame
	for _, s := range isdntest.Scripts() {
		frames = append(frames, s.Wire().Frames...)
	}
	compare(t, readable(frames))
}

// TestEveryElementReadsAsTsharkReadsIt, with whatever values it may have.
func TestEveryElementReadsAsTsharkReadsIt(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	m := newMaker(seed)
	frames := make([]isdn.Frame, 0, 6000)
	for range cap(frames) {
		frames = append(frames, m.frame())
	}
	compare(t, frames)
}

func hexColons(b []byte) string { return strings.ReplaceAll(fmt.Sprintf("% x", b), " ", ":") }
