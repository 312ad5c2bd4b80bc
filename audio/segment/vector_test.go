package segment_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/vaulttest/vectors" //nolint:depguard // the examples of FORMAT.md: bytes in a text, nothing of the vault
)

func TestTheWorkedExampleOfTheFormatIsWhatIsWritten(t *testing.T) {
	v := vectors.Read(t, "segment")
	want := segment.Segment{
		Party: segment.Party(v.Bytes(t, "party")[0]),
		Start: line.Samples(binary.BigEndian.Uint64(v.Bytes(t, "start"))),
		Len:   line.Samples(binary.BigEndian.Uint32(v.Bytes(t, "length"))),
		Sizes: []uint16{3, 2 | segment.Tail, 4, 1},
		Data:  v.Bytes(t, "packets"),
		Peaks: []byte{10, 20, 30},
		Gaps:  []segment.Gap{{At: 8160, Len: 37, Cause: segment.Cause(line.CauseOverrun)}},
		Heard: time.Date(2026, 5, 28, 20, 26, 40, 250_000_000, time.UTC),
	}
	plaintext := v.Bytes(t, "plaintext")
	got, err := segment.Decode(plaintext)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded example differs (-want +got):\n%s", diff)
	}
	if b := segment.Append(nil, &want); !bytes.Equal(b, plaintext) {
		t.Errorf("encoded example:\n got %x\nwant %x", b, plaintext)
	}
}
