package seal

import (
	"bytes"
	"testing"

	"linekeep/audio/segment"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/vectors"
)

func vectorKey(t *testing.T, v vectors.Vector, field string) keys.Key {
	t.Helper()
	k, err := keys.KeyFrom(v.Bytes(t, field))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func commonVaultID(t *testing.T) [keys.VaultIDSize]byte {
	t.Helper()
	return [keys.VaultIDSize]byte(vectors.Read(t, "common").Bytes(t, "vault id"))
}

// private is a private key of the format.
func private(t *testing.T, v vectors.Vector, field string) envelope.Private {
	t.Helper()
	p, err := envelope.PrivateFrom(vectorKey(t, v, field))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAGrantWrapIsThatOfTheFormat(t *testing.T) {
	v, w, vaultID := vectors.Read(t, "grant wrap"), vectors.Read(t, "wrap"), commonVaultID(t)
	at := [][]byte{vaultID[:], v.Bytes(t, "grant"), w.Bytes(t, "id")}
	inner, err := OpenBox(vectorKey(t, w, "slot key").Derive("slot wrap"), v.Bytes(t, "wrap"), append([][]byte{[]byte("grant wrap")}, at...)...)
	if err != nil || !bytes.Equal(inner, v.Bytes(t, "inner")) {
		t.Fatalf("outer layer: %x, %v", inner, err)
	}
	key, err := private(t, v, "account private").Unwrap(keys.Info("grant key", at...), inner)
	if err != nil || !key.Equal(vectorKey(t, w, "data key")) {
		t.Errorf("inner layer: %v", err)
	}
}

func TestAWrapIsThatOfTheFormat(t *testing.T) {
	v, vaultID := vectors.Read(t, "wrap"), commonVaultID(t)
	id := v.Bytes(t, "id")
	outer, inner := keys.Info("wrap", vaultID[:], id), keys.Info("data key", vaultID[:], id)
	if !bytes.Equal(outer, v.Bytes(t, "outer data")) || !bytes.Equal(inner, v.Bytes(t, "inner info")) {
		t.Errorf("associated data %x and %x", outer, inner)
	}
	opened, err := openBox(vectorKey(t, v, "slot key").Derive("slot wrap"), v.Bytes(t, "wrap"), outer)
	if err != nil || !bytes.Equal(opened, v.Bytes(t, "inner")) {
		t.Fatalf("outer layer: %x, %v", opened, err)
	}
	key, err := private(t, vectors.Read(t, "custody"), "custody private").Unwrap(inner, opened)
	if err != nil || !key.Equal(vectorKey(t, v, "data key")) {
		t.Errorf("inner layer: %v", err)
	}
}

func TestASealedSegmentIsThatOfTheFormat(t *testing.T) {
	v, vaultID := vectors.Read(t, "sealed segment"), commonVaultID(t)
	d := dataKey(vectorKey(t, v, "data key"))
	h := Header{ID: keys.ID{Shard: 7, Slot: 42}, Party: segment.Caller, Last: true, Seq: 9, Start: 36000, Len: 4000}
	sealed := d.Segment(nil, vaultID, h, v.Bytes(t, "plain"))
	if !bytes.Equal(sealed, v.Bytes(t, "sealed")) {
		t.Errorf("sealed: %x", sealed)
	}
	if s := d.state(); !bytes.Equal(s.nonce[:], v.Bytes(t, "nonce")) || !bytes.Equal(s.ad[:], v.Bytes(t, "associated data")) {
		t.Errorf("nonce %x, associated data %x", s.nonce, s.ad)
	}
	plain, err := d.OpenSegment(nil, vaultID, h, v.Bytes(t, "sealed"))
	if err != nil || !bytes.Equal(plain, v.Bytes(t, "plain")) {
		t.Errorf("opened: %q, %v", plain, err)
	}
}

func TestABoxIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "box")
	key, want := vectorKey(t, v, "key"), v.Bytes(t, "box")
	ad := keys.Info("box", v.Bytes(t, "part 1"), v.Bytes(t, "part 2"))
	if !bytes.Equal(ad, v.Bytes(t, "associated data")) {
		t.Errorf("associated data %x", ad)
	}
	if got := box(bytes.Clone(want[:boxNonce]), key, v.Bytes(t, "value"), ad); !bytes.Equal(got, want) {
		t.Errorf("box %x", got)
	}
	if plain, err := OpenBox(key, want, v.Bytes(t, "part 1"), v.Bytes(t, "part 2")); err != nil || !bytes.Equal(plain, v.Bytes(t, "value")) {
		t.Errorf("OpenBox: %q, %v", plain, err)
	}
}
