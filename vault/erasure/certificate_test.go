package erasure

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/vaulttest/vectors"
)

func TestACertificateIsVerifiedWithNothingElse(t *testing.T) {
	d := newDesk(t, pair.Disk{})
	p := d.take(1)
	p.Calls = append(p.Calls, keys.ID{Shard: 7, Slot: 43})
	c := d.mustDone(p)
	text := c.Text()
	for _, want := range []string{"Certificate of erasure 1", "Calls:    7-1, 7-43", "a person asked for it (order)", "Epoch:    2.", d.who.Fingerprint()} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	back, err := Parse(text)
	if diff := cmp.Diff(c, back); err != nil || diff != "" {
		t.Fatalf("Parse: %v %s", err, diff)
	}
	if counter, err := back.Verify(); err != nil || counter != 2 {
		t.Errorf("Verify: %d, %v", counter, err)
	}
	// The words above the block count for nothing.
	if back, err = Parse(bytes.Replace(text, []byte("7-1,"), []byte("9-9,"), 1)); err != nil || strings.Contains(back.Words(), "9-9") {
		t.Errorf("altered words: %v\n%s", err, back.Words())
	}
}

// TestAnAlteredCertificateProvesNothing: any byte of the block, and any part of it exchanged for another's.
func TestAnAlteredCertificateProvesNothing(t *testing.T) {
	d := newDesk(t, pair.Disk{})
	one, two := d.mustDone(d.take(1)), d.mustDone(d.take(2))
	text := one.Text()
	start := bytes.Index(text, []byte("-----\n")) + 6
	for at := start; at < len(text); at++ {
		altered := bytes.Clone(text)
		altered[at] ^= 1
		c, err := Parse(altered)
		if err == nil {
			_, err = c.Verify()
		}
		if err == nil && !bytes.Equal(c.Text(), text) { // an end of line more or less is the same block
			t.Fatalf("byte %d altered: it proves %+v", at, c.Entry)
		}
	}
	other := tpmtest.NewMemory()
	stranger, err := other.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, harm := range map[string]func(*Certificate){
		"another entry":   func(c *Certificate) { c.Entry = two.Entry },
		"another word":    func(c *Certificate) { c.Word = two.Word },
		"another time":    func(c *Certificate) { c.Entry.Erased = c.Entry.Ordered },
		"another reason":  func(c *Certificate) { c.Entry.Why = Retention },
		"another vault":   func(c *Certificate) { c.Entry.VaultID[0] ^= 1 },
		"another chip":    func(c *Certificate) { c.Chip.Attest = stranger.Attest },
		"another counter": func(c *Certificate) { c.Chip.Counter = stranger.Counter },
		"no key":          func(c *Certificate) { c.Chip.Attest = nil },
	} {
		c := one
		harm(&c)
		if _, err := c.Verify(); !errors.Is(err, ErrNotProved) {
			t.Errorf("%s: %v, want ErrNotProved", name, err)
		}
	}
	for name, text := range map[string]string{"nothing": "", "two": string(text) + string(two.Text()), "words alone": one.Words()} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrAltered) {
			t.Errorf("%s: %v, want ErrAltered", name, err)
		}
	}
}

// TestTheDescribedBytesOpen reads the worked examples of FORMAT.md, section "Erasures": entries of both versions.
func TestTheDescribedBytesOpen(t *testing.T) {
	key, err := keys.KeyFrom(vectors.Read(t, "erasure").Bytes(t, "outer"))
	if err != nil {
		t.Fatal(err)
	}
	const rootAt = 1 + 16 + 4*8 + 1 + 32 + 8 // in an entry of version 2
	root := [32]byte(vectors.Read(t, "erasure 2").Bytes(t, "entry")[rootAt:])
	for name, want := range map[string]Entry{
		"erasure":   {Number: 12, Epoch: 6, Why: Order, Calls: []keys.ID{{Shard: 7, Slot: 42}}},
		"erasure 2": {Number: 13, Epoch: 7, Why: Objection, Calls: []keys.ID{{Shard: 7, Slot: 43}}, Log: &Head{Size: 42, Root: root}},
	} {
		v := vectors.Read(t, name)
		l := &List{cfg: Config{VaultID: [16]byte(vectors.Read(t, "common").Bytes(t, "vault id")), Key: key, Clock: time.Now}}
		f, err := l.open(v.Bytes(t, "list"))
		if err != nil || len(f.records) != 1 {
			t.Fatalf("the list: %+v, %v", f, err)
		}
		c := f.records[0]
		if !bytes.Equal(c.Entry.Bytes(), v.Bytes(t, "entry")) || !bytes.Equal(l.seal(f), v.Bytes(t, "list")) {
			t.Errorf("the entry is\n%x\nthe list\n%x", c.Entry.Bytes(), l.seal(f))
		}
		got := Entry{Number: c.Entry.Number, Epoch: c.Entry.Epoch, Why: c.Entry.Why, Calls: c.Entry.Calls, Log: c.Entry.Log}
		if counter, err := c.Verify(); err != nil || counter != want.Epoch || cmp.Diff(want, got) != "" {
			t.Errorf("the certificate: %d, %v, %s", counter, err, cmp.Diff(want, got))
		}
		back, err := Parse(c.Text())
		if err != nil || !bytes.Equal(block(t, c.Text()), v.Bytes(t, "certificate")) || cmp.Diff(c, back) != "" {
			t.Errorf("the certificate: %v\n%x", err, block(t, c.Text()))
		}
		if orders, ok := v["orders"]; ok {
			_, open, err := l.openOrders(orders)
			if err != nil || len(open) != 1 || open[0].Why != Objection || !open[0].Urgent || !bytes.Equal(l.sealOrders(3, open), orders) {
				t.Errorf("the orders: %+v, %v\n%x", open, err, l.sealOrders(3, open))
			}
		}
	}
}

// TestP17_TheChipsWordForAnErasureBindsTheAuditLog: neither its size nor its root can be exchanged or left out.
func TestP17_TheChipsWordForAnErasureBindsTheAuditLog(t *testing.T) {
	d := newDesk(t, pair.Disk{})
	head := Head{Size: 77, Root: [32]byte{7}}
	d.cfg.Head = func() Head { return head }
	d.open()
	c := d.mustDone(d.take(1))
	if _, err := c.Verify(); err != nil || c.Entry.Log == nil || *c.Entry.Log != head || !strings.Contains(c.Words(), "77 entries of the audit log") {
		t.Fatalf("%v, %+v\n%s", err, c.Entry.Log, c.Words())
	}
	for name, other := range map[string]*Head{"one entry less": {76, head.Root}, "another root": {77, [32]byte{8}}, "none, as in version 1": nil} {
		forged := c
		forged.Entry.Log = other
		if _, err := forged.Verify(); !errors.Is(err, ErrNotProved) {
			t.Errorf("%s: %v, want ErrNotProved", name, err)
		}
	}
	if _, err := Open(Config{Dir: d.cfg.Dir, Key: d.cfg.Key, FS: d.cfg.FS, Clock: d.cfg.Clock}); err == nil {
		t.Error("a list opens that would certify without the log")
	}
}

// TestAListGoesOnFromEntriesOfVersion1: those of before the audit log stay as they were signed, in the file that grows.
func TestAListGoesOnFromEntriesOfVersion1(t *testing.T) {
	d := newDesk(t, pair.Disk{})
	old := Certificate{Chip: d.who, Entry: Entry{VaultID: d.cfg.VaultID, Number: 1, Ordered: d.cfg.Clock(), Erased: d.cfg.Clock(), Epoch: 1, Why: Order,
		Calls: []keys.ID{{Shard: 7, Slot: 1}}}}
	old.Chip.Storage = nil
	var err error
	if old.Word, err = d.chip.Certify(t.Context(), old.Entry.Hash()); err != nil {
		t.Fatal(err)
	}
	if err := d.append(old); err != nil {
		t.Fatal(err)
	}
	d.open()
	next := d.mustDone(d.take(2))
	d.open()
	all := d.all()
	if len(all) != 2 || len(d.Findings()) > 0 || len(d.names) != 1 || cmp.Diff([]Certificate{old, next}, all) != "" || next.Entry.Before != old.Entry.Hash() {
		t.Fatalf("%d entries in %d files, found %v", len(all), len(d.names), d.Findings())
	}
	for _, c := range all {
		if _, err := c.Verify(); err != nil {
			t.Errorf("entry %d: %v", c.Entry.Number, err)
		}
	}
}

func FuzzList(f *testing.F) {
	key, err := keys.KeyFrom(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	l := &List{cfg: Config{Key: key}}
	for _, vector := range []string{"erasure", "erasure 2"} {
		for _, data := range vectors.Read(f, vector) {
			f.Add(data[:len(data)-macSize])
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole := l.mac(bytes.Clone(data))
		if file, err := l.open(whole); err == nil && !bytes.Equal(l.seal(file), whole) {
			t.Errorf("a list that is not what seal writes was taken: %x", whole)
		}
		if version, orders, err := l.openOrders(whole); err == nil && !bytes.Equal(l.sealOrders(version, orders), whole) {
			t.Errorf("orders that are not what seal writes were taken: %x", whole)
		}
		if e, err := ParseEntry(data); err == nil && !bytes.Equal(e.Bytes(), data) {
			t.Errorf("an entry that is not what Bytes writes was taken: %x", data)
		}
	})
}

func FuzzCertificate(f *testing.F) {
	c, err := Parse([]byte("-----BEGIN " + pemType + "-----\n-----END " + pemType + "-----\n"))
	if err == nil {
		f.Fatalf("an empty certificate was taken: %+v", c)
	}
	signed := [][]byte{vectors.Read(f, "erasure").Bytes(f, "certificate"), vectors.Read(f, "erasure 2").Bytes(f, "certificate")}
	f.Add(signed[0])
	f.Add(signed[1])
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseBlock(data)
		if err != nil {
			return
		}
		if !bytes.Equal(block(t, c.Text()), data) {
			t.Errorf("a certificate that is not what Text writes was taken: %x", data)
		}
		if _, err := c.Verify(); err == nil && !bytes.Equal(data, signed[0]) && !bytes.Equal(data, signed[1]) {
			t.Errorf("a certificate nobody signed proves %+v", c.Entry)
		}
	})
}
