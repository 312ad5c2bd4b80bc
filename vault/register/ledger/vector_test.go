package ledger

import (
	"bytes"
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

// TestTheVectorIsAHoldInTheRegister: FORMAT.md's transaction is read, opens, and is written again.
func TestTheVectorIsAHoldInTheRegister(t *testing.T) {
	data := vectors.Read(t, "register").Bytes(t, "transaction")
	tx, err := parse(data)
	if err != nil || len(tx.changes) != 1 || tx.seq != 1 {
		t.Fatalf("parse: %+v, %v", tx, err)
	}
	if back, err := tx.bytes(); err != nil || !bytes.Equal(back, data) {
		t.Errorf("it is written otherwise: %x, %v", back, err)
	}
	common := vectors.Read(t, "common")
	meta, err := keys.KeyFrom(common.Bytes(t, "vault key"))
	if err != nil {
		t.Fatal(err)
	}
	l := &Ledger{}
	copy(l.vaultID[:], common.Bytes(t, "vault id"))
	c := &tx.changes[0]
	value, err := seal.OpenBox(meta, c.sealed, l.parts(c)...)
	if err != nil || !bytes.Equal(value, vectors.Read(t, "retention").Bytes(t, "hold body")) || c.kind != "hold" || !bytes.Equal(c.key, c.slot.Append(nil)) {
		t.Errorf("%+v: %x, %v", c, value, err)
	}
}
