package ledger

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

// TestTheDescribedTransactionIsWhatIsWritten reads the worked example of FORMAT.md, section "Register".
func TestTheDescribedTransactionIsWhatIsWritten(t *testing.T) {
	v := vectors.Read(t, "register changes")
	data := v.Bytes(t, "transaction")
	tx, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := tx.bytes(); err != nil || !bytes.Equal(again, data) || !bytes.Equal(keyOf(tx.seq), v.Bytes(t, "key")) {
		t.Errorf("the transaction is %x under %x, %v", again, keyOf(tx.seq), err)
	}
	if hash := sha256.Sum256(data); !bytes.Equal(hash[:], v.Bytes(t, "hash")) || !tx.at.Equal(now()) || len(tx.changes) != 2 {
		t.Fatalf("%+v, hash %x", tx, hash)
	}
	c, gone := &tx.changes[0], &tx.changes[1]
	if c.kind != "hold" || c.slot != (keys.ID{Shard: 7, Slot: 42}) || gone.kind != "case" || gone.sealed != nil {
		t.Errorf("the changes are %+v", tx.changes)
	}
	meta, err := keys.KeyFrom(vectors.Read(t, "derivation").Bytes(t, "slot meta"))
	if err != nil {
		t.Fatal(err)
	}
	l := &Ledger{vaultID: [16]byte(vectors.Read(t, "common").Bytes(t, "vault id"))}
	if value, err := seal.OpenBox(meta, c.sealed, l.parts(c)...); err != nil || !bytes.Equal(value, v.Bytes(t, "value")) {
		t.Errorf("the value is %q, %v", value, err)
	}
	c.kind = "case" // it is bound to what it is
	if _, err := seal.OpenBox(meta, c.sealed, l.parts(c)...); err == nil {
		t.Error("the value opens as one of another kind")
	}
}
