package book

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/custody/password"
	"linekeep/vault/custody/totp"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

// Ids of the examples.
func annID() keys.ID  { return keys.ID{Shard: 3, Slot: 1} }
func doraID() keys.ID { return keys.ID{Shard: 3, Slot: 2} }

// examples are the records that FORMAT.md shows, by the name of their field.
func examples(t testing.TB) map[string]Record {
	t.Helper()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	factor, err := totp.From([]byte("12345678901234567890"))
	if err != nil {
		t.Fatal(err)
	}
	account, err := envelope.PublicFrom(vectors.Read(t, "custody").Bytes(t, "custody public")) // stands in for an account's
	if err != nil {
		t.Fatal(err)
	}
	params := password.Params{Passes: 2, MemoryKiB: 19456}
	copy(params.Salt[:], "0123456789abcdef")
	wrapped, granted := bytes.Repeat([]byte{0xaa}, envelope.WrappedSize), bytes.Repeat([]byte{0xbb}, GrantWrapSize)
	return map[string]Record{
		"person": &Person{Name: "Ann", Mail: "ann@example.com", Roles: Controller, Boss: "boss@example.com", TOTP: factor,
			Step: 59476680, Printed: []uint32{12345678, 87654321}},
		"credential": &Credential{Made: at, Params: params, Account: account, Secret: []byte("secret blob"), Signing: []byte("signing blob"), Signer: []byte("signer")},
		"holding":    &Holding{Number: 2, Until: at.AddDate(0, 1, 0), Wrapped: wrapped},
		"retired":    &Retired{Number: 2, Under: 3, Wrapped: wrapped},
		"grant": &Grant{Made: at, Until: at.AddDate(0, 0, 7), Acts: Hear | Copy, Authoriser: doraID(), Request: [32]byte{1, 2, 3}, Signature: []byte("signature"),
			To: account.Bytes(), Recordings: []Granted{{ID: keys.ID{Shard: 7, Slot: 42}, Wrap: granted}}},
		"invitation": &Invitation{Expires: at.AddDate(0, 0, 7), Verifier: [32]byte{4, 5, 6}, Reset: true},
		"notice":     &Notice{What: NoticeReset, At: at, By: annID(), Seen: []keys.ID{doraID()}},
	}
}

func plain(t testing.TB, r Record) []byte {
	t.Helper()
	var c cryptobyte.Builder
	c.AddUint8(recordVersion)
	r.marshal(&c)
	b, err := c.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// show is a record as it compares: secrets that hide behind a func as their bytes.
func show(t testing.TB, r Record) []byte { return plain(t, r) }

func TestTheRecordsAreThoseOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "office records")
	for name, r := range examples(t) {
		if got := plain(t, r); !bytes.Equal(got, v.Bytes(t, name)) {
			t.Errorf("%s: got\n%x", name, got)
		}
		back, err := parseRecord(r.kind(), v.Bytes(t, name))
		if err != nil || !bytes.Equal(show(t, back), show(t, r)) || reflect.TypeOf(back) != reflect.TypeOf(r) {
			t.Errorf("%s: read back: %v", name, err)
		}
	}
}

func TestTheFileIsThatOfTheFormat(t *testing.T) {
	v, common := vectors.Read(t, "office file"), vectors.Read(t, "common")
	b := &Book{vaultID: [16]byte(common.Bytes(t, "vault id"))}
	fileSlot, entrySlot := vectorKey(t, v, "file slot key"), vectorKey(t, v, "entry slot key")
	file := v.Bytes(t, "file")
	s := State{file: keys.ID{Shard: 3, Slot: 9}, seq: 5}
	if head := b.head(s); !bytes.Equal(head, file[:headSize]) {
		t.Errorf("head: %x", head)
	}
	body, err := seal.OpenBox(fileSlot.Derive("slot meta"), file[headSize:], []byte(labelFile), file[:headSize])
	if err != nil {
		t.Fatalf("file: %v", err)
	}
	raw, leaving, err := parseBody(body)
	if err != nil || len(raw) != 1 || len(leaving) != 1 || leaving[0] != (keys.ID{Shard: 3, Slot: 8}) || raw[0].id != annID() || raw[0].owner != (keys.ID{}) {
		t.Fatalf("body: %+v, %v, %v", raw, leaving, err)
	}
	entry, err := seal.OpenBox(entrySlot.Derive("slot meta"), raw[0].sealed, b.place(raw[0].kind, raw[0].id, raw[0].owner)...)
	if err != nil || !bytes.Equal(entry, vectors.Read(t, "office records").Bytes(t, "person")) {
		t.Errorf("entry: %x, %v", entry, err)
	}
	s.entries, s.leaving = []Entry{{ID: annID(), Record: examples(t)["person"], sealed: raw[0].sealed}}, leaving
	if again, err := s.marshal(); err != nil || !bytes.Equal(again, body) {
		t.Errorf("marshalled again: %x, %v", again, err)
	}
}

func vectorKey(t testing.TB, v vectors.Vector, field string) keys.Key {
	t.Helper()
	k, err := keys.KeyFrom(v.Bytes(t, field))
	if err != nil {
		t.Fatal(err)
	}
	return k
}
