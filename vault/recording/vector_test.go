package recording

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

func vectorOpening() Opening {
	return Opening{Line: "reception", Class: "standard", Start: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), Trigger: segment.BySound,
		Direction: line.Incoming, Parties: []segment.Party{segment.Office, segment.Caller}, Continues: keys.ID{Shard: 7, Slot: 41}, Custody: 2}
}

func vectorClosing() Closing {
	return Closing{End: time.Date(2026, 11, 23, 9, 1, 1, 0, time.UTC), Reason: segment.EndSilence, Direction: line.Incoming,
		Number: "+441632960123", Extension: "12", Answered: true, Length: 488000}
}

func vectorChunk() Chunk {
	return Chunk{ID: keys.ID{Shard: 7, Slot: 42}, Party: segment.Caller, Number: 1, Segments: []Sealed{
		{Seq: 120, Gap: true, Start: 480000, Len: 4000, Body: []byte("not really ciphertext")},
		{Seq: 121, Last: true, Start: 484000, Len: 4000, Body: []byte("neither is this")}}}
}

func vectorManifest() Manifest {
	c := vectorChunk()
	return Manifest{ID: c.ID, Opening: vectorOpening(), Closing: vectorClosing(), Wrap: Hash([]byte("wrap")),
		Tracks: []Track{{Party: segment.Office}, {Party: segment.Caller, Gaps: 1, Lost: 160, Parts: []Part{c.Part(c.Append(nil))}}}}
}

func vectorRewrap() Rewrap {
	return Rewrap{Custody: 3, Wrap: bytes.Repeat([]byte{0xaa}, seal.WrapSize)}
}

func TestTheFormatsExamplesAreWhatIsWritten(t *testing.T) {
	o, c, chunk, m := vectorOpening(), vectorClosing(), vectorChunk(), vectorManifest()
	for _, tt := range []struct {
		name string
		got  []byte
	}{
		{"opening", o.append(nil)},
		{"closing", c.append([]byte{formVersion})},
		{"chunk", chunk.Append(nil)},
		{"manifest", m.append(nil)},
		{"rewrap", vectorRewrap().Append(nil)},
	} {
		if want := vectors.Read(t, tt.name).Bytes(t, "plaintext"); !bytes.Equal(tt.got, want) {
			t.Errorf("%s: got\n%x, the format says\n%x", tt.name, tt.got, want)
		}
	}
}

func TestTheFormatsExamplesAreReadBack(t *testing.T) {
	plain := func(name string) []byte { return vectors.Read(t, name).Bytes(t, "plaintext") }
	if o, err := parseOpening(plain("opening")); err != nil || !reflect.DeepEqual(o, vectorOpening()) {
		t.Errorf("opening: %+v, %v", o, err)
	}
	if c, err := ParseChunk(plain("chunk")); err != nil || !reflect.DeepEqual(c, vectorChunk()) {
		t.Errorf("chunk: %+v, %v", c, err)
	}
	if r, err := ParseRewrap(plain("rewrap")); err != nil || !reflect.DeepEqual(r, vectorRewrap()) {
		t.Errorf("rewrap: %+v, %v", r, err)
	}
	want := vectorManifest()
	want.Tracks[0].Parts, want.Opening.Custody = []Part{}, 0 // a manifest does not say it
	if m, err := parseManifest(plain("manifest")); err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("manifest: %+v, %v", m, err)
	}
}

func FuzzParse(f *testing.F) {
	o, chunk, m := vectorOpening(), vectorChunk(), vectorManifest()
	f.Add(o.append(nil))
	f.Add(chunk.Append(nil))
	f.Add(m.append(nil))
	f.Add(vectorRewrap().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseChunk(b); err == nil && !bytes.Equal(c.Append(nil), b) {
			t.Error("a chunk has two forms")
		}
		if m, err := parseManifest(b); err == nil && !bytes.Equal(m.append(nil), b) {
			t.Error("a manifest has two forms")
		}
		if o, err := parseOpening(b); err == nil && !bytes.Equal(o.append(nil), b) {
			t.Error("an opening has two forms")
		}
		if r, err := ParseRewrap(b); err == nil && !bytes.Equal(r.Append(nil), b) {
			t.Error("a rewrap has two forms")
		}
		if p, ok := ParseKey(b); ok && !bytes.Equal(p.Key(), b) {
			t.Error("a key has two forms")
		}
	})
}
