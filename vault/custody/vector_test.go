package custody

import (
	"bytes"
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/vaulttest/vectors"
)

func TestTheCustodyFileIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "custody")
	id := [keys.VaultIDSize]byte(vectors.Read(t, "common").Bytes(t, "vault id"))
	outer, err := keys.KeyFrom(v.Bytes(t, "outer"))
	if err != nil {
		t.Fatal(err)
	}
	code, err := ParseCode(string(v.Bytes(t, "code")))
	if err != nil || !bytes.Equal(secretOf(code)[:], v.Bytes(t, "secret")) || code.Reveal() != string(v.Bytes(t, "code")) {
		t.Fatalf("code: %v", err)
	}
	recovery, err := code.Recovery(id)
	if err != nil {
		t.Fatal(err)
	}
	opens := recovery.Public().Bytes()
	if !bytes.Equal(recovery.Secret().Bytes()[:], v.Bytes(t, "recovery private")) || !bytes.Equal(opens[:], v.Bytes(t, "recovery public")) {
		t.Error("another recovery key")
	}
	dir := t.TempDir()
	folder := pair.At(dir, pair.Disk{})
	if err := folder.Make(); err != nil {
		t.Fatal(err)
	}
	if err := folder.Write(fileName, v.Bytes(t, "file")); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir, id, outer)
	if err != nil {
		t.Fatal(err)
	}
	public := c.Public().Bytes()
	if !bytes.Equal(public[:], v.Bytes(t, "custody public")) || c.Public().Fingerprint() != string(v.Bytes(t, "fingerprint")) {
		t.Errorf("public half %x, fingerprint %s", public, c.Public().Fingerprint())
	}
	private, err := c.Recover(code)
	if err != nil || !bytes.Equal(private.Secret().Bytes()[:], v.Bytes(t, "custody private")) {
		t.Errorf("Recover: %v", err)
	}
	if again, err := c.file.marshal(id, outer); err != nil || !bytes.Equal(again, v.Bytes(t, "file")) {
		t.Errorf("marshalled again: %x, %v", again, err)
	}
}
