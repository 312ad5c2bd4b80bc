package keys

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
)

// hiding is what a key can be inside of.
type hiding struct {
	Open   Key
	hidden Key
	deep   struct{ p *Key }
	list   []Key
	byName map[string]Key
	any    any
}

// forms are all the ways in which 32 bytes can be written out.
func forms(secret []byte) []string {
	list := strings.Trim(fmt.Sprintf("%d", secret), "[]")
	source := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}")
	return []string{
		string(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret),
		strings.Trim(fmt.Sprintf("%q", secret), `"`), list, strings.ReplaceAll(list, " ", ","), source,
	}
}

func TestAKeyCannotBePrintedInAnyVerbAtAnyDepth(t *testing.T) {
	body := shard.Fill()
	k, ok := body.Key(0) // looking for it is looking for the body too
	if !ok {
		t.Fatal("no key")
	}
	h := hiding{Open: k, hidden: k, list: []Key{k}, byName: map[string]Key{"k": k}, any: k}
	h.deep.p = &k
	keys := &Keys{loaded: []loadedShard{{slots: body}}}
	contents := &root.Contents{Vault: k, Owner: k, Spare: k, Shards: []shard.Line{{Key: k}}}
	whole := Shard{slots: body}
	slot := Slot{ID: ID{Shard: 1, Slot: 2}, key: k}
	for _, v := range []any{k, &k, h, &h, []any{k}, slot, &slot, keys, contents, *contents, whole, map[ID]Slot{{Shard: 1, Slot: 2}: slot}} {
		for _, verb := range "vsqxXdobcUeEfFgGtTp" {
			for _, flags := range []string{"", "+", "#", " ", "0", "+#"} {
				out := fmt.Sprintf("%"+flags+string(verb), v)
				for _, form := range forms(k.Bytes()[:]) {
					if strings.Contains(out, form) {
						t.Errorf("%%%s%c of %T shows the key", flags, verb, v)
					}
				}
			}
		}
	}
	if got := fmt.Sprintf("%v %x %#v", k, k, &k); got != "Key(hidden) Key(hidden) Key(hidden)" {
		t.Errorf("printed as %s", got)
	}
	control := fmt.Sprintf("%v", struct{ b [KeySize]byte }{*k.Bytes()}) // the reason for the func: an array is not safe
	if !strings.Contains(control, forms(k.Bytes()[:])[5]) {
		t.Error("the test does not see a key that is shown")
	}
}

func TestAKeyIsNeitherEncodedNorLogged(t *testing.T) {
	k := NewKey()
	h := hiding{Open: k, hidden: k, any: k}
	if _, err := json.Marshal(h); !errors.Is(err, secret.ErrNeverMarshalled) {
		t.Errorf("JSON: %v", err)
	}
	if _, err := xml.Marshal(k); err == nil {
		t.Error("XML took it")
	}
	if err := gob.NewEncoder(new(bytes.Buffer)).Encode(k); err == nil {
		t.Error("gob took it")
	}
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var out bytes.Buffer
		slog.New(handler(&out)).LogAttrs(t.Context(), slog.LevelInfo, "test", slog.Any("key", k), slog.Any("in", h), slog.Any("slot", Slot{key: k}))
		for _, form := range forms(k.Bytes()[:]) {
			if strings.Contains(out.String(), form) {
				t.Error("the log shows the key")
			}
		}
	}
}

func TestAnIDHasOneSpelling(t *testing.T) {
	id := ID{Shard: 7, Slot: 42}
	if back, err := ParseID(id.String()); err != nil || back != id || id.String() != "7-42" {
		t.Errorf("%s came back as %s, %v", id, back, err)
	}
	if back, err := IDFrom(id.Append(nil)); err != nil || back != id {
		t.Errorf("bytes came back as %s, %v", back, err)
	}
	for _, bad := range []string{"", "7", "7-", "-42", "07-42", "7-042", "+7-42", "7-42 ", "0-1", "7-42-1", "4294967296-0", "7–42"} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("%q taken for an id", bad)
		}
	}
	for _, n := range []int{0, 7, 9} {
		if _, err := IDFrom(make([]byte, n)); err == nil {
			t.Errorf("%d bytes taken for an id", n)
		}
	}
}

func TestAMonthIsThatOfUTC(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	if m := MonthOf(time.Date(2026, 12, 1, 0, 30, 0, 0, berlin)); m != "2026-11" {
		t.Errorf("month %s", m)
	}
	if m := Month("2026-12").Next(); m != "2027-01" {
		t.Errorf("month after December is %s", m)
	}
}

func TestAClassThatCannotStandInAFileNameIsRefused(t *testing.T) {
	k, _, _ := newKeys(t)
	for _, class := range []string{"", "Standard", "a/b", "../x", "a.b", "1a", "-a", "é", strings.Repeat("a", MaxClass+1)} {
		if _, err := k.Next(t.Context(), class, november); err == nil {
			t.Errorf("class %q taken", class)
		}
		if err := k.Prepare(t.Context(), []string{class}, november); err == nil {
			t.Errorf("class %q prepared", class)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("7-42")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && id.String() != s {
			t.Fatalf("%q is also %s", s, id)
		}
	})
}

func benchKeys(b *testing.B) *Keys {
	b.Helper()
	k, err := Create(b.Context(), config(b.TempDir()), tpmtest.NewMemory())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = k.Close() })
	return k
}

func BenchmarkSlotDerivation(b *testing.B) {
	s, err := benchKeys(b).Next(b.Context(), "standard", november)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Meta()
	}
}

func BenchmarkNext(b *testing.B) {
	k := benchKeys(b)
	for b.Loop() {
		if _, err := k.Next(b.Context(), "standard", november); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewShard(b *testing.B) {
	k, at := benchKeys(b), november
	for b.Loop() {
		if _, err := k.Next(b.Context(), "standard", at); err != nil {
			b.Fatal(err)
		}
		at = at.AddDate(0, 1, 0)
	}
}
