package seal

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

var vaultID = [16]byte{1, 2, 3}

// people are a slot and a custody key, as a vault has them.
type people struct {
	keys    *keys.Keys
	slot    keys.Slot
	private envelope.Private
}

func newPeople(t testing.TB) people {
	t.Helper()
	dir := t.TempDir()
	k, err := keys.Create(t.Context(), keys.Config{Dir: dir, Clock: time.Now}, tpmtest.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	slot, err := k.Next(t.Context(), "standard", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	private, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	return people{keys: k, slot: slot, private: private}
}

var header = Header{ID: keys.ID{Shard: 7, Slot: 42}, Party: segment.Caller, Seq: 9, Start: 4000, Len: 4000}

func TestASegmentOpensOnlyWhereItWasSealedFor(t *testing.T) {
	d := NewDataKey()
	plain := bytes.Repeat([]byte("speech"), 100)
	sealed := d.Segment(nil, vaultID, header, plain)
	if back, err := d.OpenSegment(nil, vaultID, header, sealed); err != nil || !bytes.Equal(back, plain) {
		t.Fatalf("in its own place: %v", err)
	}
	moved := map[string]func(h *Header){
		"another recording": func(h *Header) { h.ID.Slot++ },
		"another shard":     func(h *Header) { h.ID.Shard++ },
		"another party":     func(h *Header) { h.Party = segment.Office },
		"as the last":       func(h *Header) { h.Last = true },
		"another sequence":  func(h *Header) { h.Seq++ },
		"another start":     func(h *Header) { h.Start++ },
		"another length":    func(h *Header) { h.Len-- },
	}
	for name, move := range moved {
		h := header
		move(&h)
		if _, err := d.OpenSegment(nil, vaultID, h, sealed); !errors.Is(err, ErrAltered) {
			t.Errorf("%s: got %v, want ErrAltered", name, err)
		}
	}
	if _, err := d.OpenSegment(nil, [16]byte{9}, header, sealed); !errors.Is(err, ErrAltered) {
		t.Errorf("another vault: %v", err)
	}
	if _, err := NewDataKey().OpenSegment(nil, vaultID, header, sealed); !errors.Is(err, ErrAltered) {
		t.Errorf("another key: %v", err)
	}
	for bit := range len(sealed) * 8 {
		bad := bytes.Clone(sealed)
		bad[bit/8] ^= 1 << (bit % 8)
		if back, err := d.OpenSegment([]byte("kept"), vaultID, header, bad); !errors.Is(err, ErrAltered) || string(back) != "kept" {
			t.Fatalf("bit %d flipped: %q, %v", bit, back, err)
		}
	}
}

func TestASegmentsLengthIsToldOnlyIn128ByteSteps(t *testing.T) {
	d := NewDataKey()
	for n := range 600 {
		plain := make([]byte, n) // zeros, the hardest to tell from padding
		sealed := d.Segment([]byte("before"), vaultID, header, plain)[len("before"):]
		if len(sealed) != SealedSize(n) || (len(sealed)-tagSize)%padTo != 0 {
			t.Fatalf("%d bytes sealed into %d", n, len(sealed))
		}
		back, err := d.OpenSegment(nil, vaultID, header, sealed)
		if err != nil || !bytes.Equal(back, plain) {
			t.Fatalf("%d bytes: back %d, %v", n, len(back), err)
		}
	}
}

func TestPaddingHasOneFormOnly(t *testing.T) {
	for name, b := range map[string][]byte{
		"no mark":            make([]byte, padTo),
		"a block too many":   append([]byte{padMark}, make([]byte, padTo)...),
		"another last byte":  append(make([]byte, padTo-1), 1),
		"nothing":            {},
		"a mark too early":   append(append(make([]byte, padTo-1), padMark), make([]byte, padTo)...),
		"a whole extra line": append(append([]byte("x"), padMark), make([]byte, 2*padTo-2)...),
	} {
		if _, ok := unpad(b); ok {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAWrapNeedsTheSlotAndTheCustodyKey(t *testing.T) {
	p, other := newPeople(t), newPeople(t)
	id := p.keys.VaultID()
	d := NewDataKey()
	wrap, err := Wrap(id, p.slot, p.private.Public(), d)
	if err != nil || len(wrap) != WrapSize || WrapSize != 120 {
		t.Fatalf("Wrap: %d bytes, %v", len(wrap), err)
	}
	back, err := Unwrap(id, p.slot, p.private, wrap)
	if err != nil || !back.key().Equal(d.key()) {
		t.Fatalf("Unwrap: %v", err)
	}
	if _, err := Unwrap(id, p.slot, other.private, wrap); !errors.Is(err, ErrAltered) {
		t.Errorf("another custody key: %v", err)
	}
	if _, err := Unwrap(id, other.slot, p.private, wrap); !errors.Is(err, ErrAltered) {
		t.Errorf("another slot: %v", err)
	}
	if _, err := Unwrap(other.keys.VaultID(), p.slot, p.private, wrap); !errors.Is(err, ErrAltered) {
		t.Errorf("another vault: %v", err)
	}
	for i := range wrap {
		bad := bytes.Clone(wrap)
		bad[i] ^= 1
		if _, err := Unwrap(id, p.slot, p.private, bad); !errors.Is(err, ErrAltered) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
}

func TestABoxOpensOnlyWithItsKeyAndItsParts(t *testing.T) {
	k := keys.NewKey()
	boxed := Box(k, []byte("value"), []byte("folder"), []byte("key"))
	if back, err := OpenBox(k, boxed, []byte("folder"), []byte("key")); err != nil || string(back) != "value" {
		t.Fatalf("OpenBox: %q, %v", back, err)
	}
	if len(boxed) != len("value")+BoxOverhead {
		t.Errorf("box of %d bytes", len(boxed))
	}
	if _, err := OpenBox(k, boxed, []byte("folderk"), []byte("ey")); !errors.Is(err, ErrAltered) {
		t.Errorf("parts cut elsewhere: %v", err)
	}
	if _, err := OpenBox(keys.NewKey(), boxed, []byte("folder"), []byte("key")); !errors.Is(err, ErrAltered) {
		t.Errorf("another key: %v", err)
	}
	for n := range boxed {
		if _, err := OpenBox(k, boxed[:n], []byte("folder"), []byte("key")); !errors.Is(err, ErrAltered) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestADataKeyCannotBePrinted(t *testing.T) {
	d := NewDataKey()
	secret := string(d.key().Bytes()[:])
	type hidden struct {
		d DataKey
		p *DataKey
	}
	for _, v := range []any{d, &d, hidden{d, &d}, []DataKey{d}, map[string]DataKey{"k": d}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			if out := fmt.Sprintf(verb, v); bytes.Contains([]byte(out), []byte(secret)) || bytes.Contains([]byte(out), fmt.Appendf(nil, "%x", secret)) {
				t.Errorf("%s shows the key", verb)
			}
		}
	}
}

func TestSealingAndOpeningSegmentsAllocatesNothing(t *testing.T) {
	d := NewDataKey()
	plain := make([]byte, 3000)
	dst, out := make([]byte, 0, SealedSize(len(plain))), make([]byte, 0, SealedSize(len(plain)))
	sealed := d.Segment(dst, vaultID, header, plain)
	if n := testing.AllocsPerRun(100, func() { d.Segment(dst, vaultID, header, plain) }); n != 0 {
		t.Errorf("Segment allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := d.OpenSegment(out, vaultID, header, sealed); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("OpenSegment allocates %v times", n)
	}
}

func BenchmarkSegment(b *testing.B) {
	d, plain := NewDataKey(), make([]byte, 1500) // half a second at 24 kbit/s
	dst := make([]byte, 0, SealedSize(len(plain)))
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		d.Segment(dst, vaultID, header, plain)
	}
}

func BenchmarkOpenSegment(b *testing.B) {
	d, plain := NewDataKey(), make([]byte, 1500)
	sealed := d.Segment(nil, vaultID, header, plain)
	dst := make([]byte, 0, len(sealed))
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.OpenSegment(dst, vaultID, header, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrap(b *testing.B) {
	p, d := newPeople(b), NewDataKey()
	for b.Loop() {
		if _, err := Wrap(vaultID, p.slot, p.private.Public(), d); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAGrantWrapOpensForItsHolderGrantAndRecordingOnly(t *testing.T) {
	p, d := newPeople(t), NewDataKey()
	account, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	grant := keys.ID{Shard: 3, Slot: 7}
	wrap, err := WrapGranted(p.keys.VaultID(), p.slot, grant, account.Public(), d)
	if err != nil {
		t.Fatal(err)
	}
	back, err := UnwrapGranted(p.keys.VaultID(), p.slot, grant, account, wrap)
	if err != nil || !back.key().Equal(d.key()) {
		t.Fatalf("its holder: %v", err)
	}
	other, err := p.keys.Next(t.Context(), "standard", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for what, open := range map[string]func() (DataKey, error){
		"another account": func() (DataKey, error) { return UnwrapGranted(p.keys.VaultID(), p.slot, grant, p.private, wrap) },
		"another grant": func() (DataKey, error) {
			return UnwrapGranted(p.keys.VaultID(), p.slot, keys.ID{Shard: 3, Slot: 8}, account, wrap)
		},
		"another recording": func() (DataKey, error) { return UnwrapGranted(p.keys.VaultID(), other, grant, account, wrap) },
		"another vault":     func() (DataKey, error) { return UnwrapGranted([16]byte{9}, p.slot, grant, account, wrap) },
		"as an own wrap":    func() (DataKey, error) { return Unwrap(p.keys.VaultID(), p.slot, account, wrap) },
	} {
		if _, err := open(); !errors.Is(err, ErrAltered) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestARewrapIsForTheOtherKeyAlone(t *testing.T) {
	p, d := newPeople(t), NewDataKey()
	next, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	vaultID := p.keys.VaultID()
	wrap, err := Wrap(vaultID, p.slot, p.private.Public(), d)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := Rewrap(vaultID, p.slot, p.private, next.Public(), wrap)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := Unwrap(vaultID, p.slot, next, moved); err != nil || !back.key().Equal(d.key()) {
		t.Errorf("the next key: %v", err)
	}
	if _, err := Unwrap(vaultID, p.slot, p.private, moved); !errors.Is(err, ErrAltered) {
		t.Errorf("the key before: %v", err)
	}
	if _, err := Rewrap(vaultID, p.slot, next, next.Public(), wrap); !errors.Is(err, ErrAltered) {
		t.Errorf("by a key it is not under: %v", err)
	}
}

// FuzzSealed: of all bytes that can lie on a disk only those that were sealed open as a segment, or as a box.
func FuzzSealed(f *testing.F) {
	d, key := NewDataKey(), keys.NewKey()
	segment := d.Segment(nil, vaultID, header, []byte("sound"))
	box := Box(key, []byte("row"), []byte("label"))
	for _, seed := range [][]byte{segment, box, nil, make([]byte, padTo+tagSize)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := d.OpenSegment(nil, vaultID, header, sealed)
		if (err == nil) != bytes.Equal(sealed, segment) {
			t.Errorf("%x opens as the segment %q, %v", sealed, plain, err)
		}
		plain, err = OpenBox(key, sealed, []byte("label"))
		if (err == nil) != bytes.Equal(sealed, box) {
			t.Errorf("%x opens as the box %q, %v", sealed, plain, err)
		}
	})
}

// TestABoxIsOpenedInItsPlace, with the same answers as OpenBox gives.
func TestABoxIsOpenedInItsPlace(t *testing.T) {
	k := keys.NewKey()
	for name, c := range map[string]struct {
		harm func([]byte) []byte
		part string
		want error
	}{
		"as it was": {func(b []byte) []byte { return b }, "part", nil}, "altered": {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "part", ErrAltered},
		"elsewhere": {func(b []byte) []byte { return b }, "other", ErrAltered}, "short": {func(b []byte) []byte { return b[:BoxOverhead-1] }, "part", ErrAltered},
	} {
		plain, err := OpenBoxInPlace(k, c.harm(Box(k, []byte("value"), []byte("part"))), []byte(c.part))
		if !errors.Is(err, c.want) || err == nil && string(plain) != "value" || err != nil && plain != nil {
			t.Errorf("%s: %q, %v; want %v", name, plain, err, c.want)
		}
	}
}
