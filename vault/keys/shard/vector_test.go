package shard

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"linekeep/vault/secret"
	"linekeep/vault/vaulttest/vectors"
)

func vaultID(t *testing.T) [16]byte {
	t.Helper()
	return [16]byte(vectors.Read(t, "common").Bytes(t, "vault id"))
}

// slotsOf are the slots of the format's example: number i is SHA-256 of i in four bytes.
func slotsOf() Body {
	slots := newBody(MaxSlots)
	slots.held.Use(func(keys []byte) {
		for i := range uint32(MaxSlots) {
			key := sha256.Sum256(binary.BigEndian.AppendUint32(nil, i))
			copy(at(keys, i), key[:])
		}
	})
	return slots
}

func TestAShardIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "shard")
	key, err := secret.From(v.Bytes(t, "shard key"))
	if err != nil {
		t.Fatal(err)
	}
	l := Line{Info: Info{Number: 7, Class: "standard", Month: "2026-11", Part: 1, Slots: MaxSlots}, Rewrite: 1, Seq: 5, Key: key}
	header, first, tag := v.Bytes(t, "header"), v.Bytes(t, "first slot"), v.Bytes(t, "tag")
	file, err := seal(vaultID(t), &l, header[len(header)-chacha20poly1305.NonceSizeX:], slotsOf())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(file, append(bytes.Clone(header), first...)) || !bytes.HasSuffix(file, tag) {
		t.Errorf("header %x, first slot %x", file[:len(header)], file[len(header):][:secret.Size])
	}
	if !bytes.Equal(l.Hash[:], v.Bytes(t, "hash")) || len(file) != l.FileSize() || len(file) != 524386 || l.Check(file) != nil {
		t.Errorf("hash %x of %d bytes", l.Hash, len(file))
	}
	slots, err := l.Open(vaultID(t), file)
	if err != nil || !slots.Agrees(slotsOf()) || slots.Len() != MaxSlots {
		t.Errorf("Open: %v", err)
	}
	if one, ok := slots.Key(0); !ok || sha256.Sum256([]byte{0, 0, 0, 0}) != *one.Bytes() {
		t.Error("slot 0 has another key")
	}
	id, read, err := ReadHeader(file)
	if err != nil || id != vaultID(t) || read.Info != l.Info || read.Seq != 5 || read.Rewrite != 1 {
		t.Errorf("ReadHeader: %+v, %v", read, err)
	}
}

func TestAnErasedSlotHasNoKeyAndItsNeighboursHave(t *testing.T) {
	slots := slotsOf()
	slots.Erase(7)
	slots.Erase(MaxSlots) // past the end there is nothing
	for slot, want := range map[uint32]bool{6: true, 7: false, 8: true, MaxSlots - 1: true, MaxSlots: false} {
		if _, ok := slots.Key(slot); ok != want || slots.Has(slot) != want {
			t.Errorf("slot %d: %v", slot, ok)
		}
	}
}

func TestBodiesAgreeButForErasedSlots(t *testing.T) {
	slots := slotsOf()
	copied := slots.Clone()
	copied.Erase(3)
	slots.Erase(5)
	if !slots.Agrees(copied) || !copied.Agrees(slots) || !slots.Has(3) {
		t.Error("erased in one of them is no difference")
	}
	if slots.Agrees(Fill()) || slots.Agrees(newBody(1)) {
		t.Error("other keys are a difference")
	}
	copied.Wipe()
	if !copied.Wiped() || slots.Wiped() || !(Body{}).IsZero() {
		t.Error("a copy is not memory of its own")
	}
}

func TestAnAlteredShardDoesNotOpen(t *testing.T) {
	l := Line{Info: Info{Number: 1, Class: "a", Month: "2026-11", Part: 1, Slots: Slots}, Rewrite: 1, Seq: 1, Key: secret.New()}
	file, err := Seal(vaultID(t), &l, Fill())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 7, 30, 80, len(file) / 2, len(file) - 1} {
		bad := bytes.Clone(file)
		bad[at] ^= 1
		if _, err := l.Open(vaultID(t), bad); err == nil || l.Check(bad) == nil {
			t.Errorf("byte %d altered: opens", at)
		}
	}
	if _, err := l.Open(vaultID(t), file[:10]); err == nil {
		t.Error("ten bytes open")
	}
}

func FuzzShardHeader(f *testing.F) {
	f.Add([]byte(magic + "\x00\x01"))
	l := Line{Info: Info{Number: 7, Class: "standard", Month: "2026-11", Part: 1, Slots: Slots}, Rewrite: 1, Seq: 5}
	if front, err := header([16]byte{}, l, nil); err == nil {
		f.Add(front)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		id, l, err := ReadHeader(file)
		if err != nil {
			return
		}
		if front, err := header(id, l, nil); err != nil || !bytes.HasPrefix(file, front) || !IsName(l.FileName()) || !IsNew(l.NewName()) {
			t.Fatalf("%s came back as %x, %v", l.FileName(), front, err)
		}
	})
}
