package secret

import (
	"bytes"
	"testing"
)

func TestAKeyIsCopiedWipedAndDerivedByPurposeAndContext(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, Size)
	k, err := From(secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	if k.Bytes()[0] != 7 {
		t.Error("the key is not a copy")
	}
	all := []Key{k, k.Derive("a"), k.Derive("b"), k.Derive("a", nil), k.Derive("a", []byte("xy")), k.Derive("a", []byte("x"), []byte("y")), New()}
	for i, a := range all {
		for j, b := range all {
			if a.Equal(b) != (i == j) {
				t.Errorf("keys %d and %d are the same", i, j)
			}
		}
	}
	k.Wipe()
	if *k.Bytes() != [Size]byte{} {
		t.Error("not wiped")
	}
	for _, n := range []int{0, Size - 1, Size + 1} {
		if _, err := From(make([]byte, n)); err == nil {
			t.Errorf("%d bytes taken for a key", n)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("the zero Key was used")
		}
	}()
	Key{}.Bytes()
}
