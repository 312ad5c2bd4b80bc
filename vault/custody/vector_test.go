package custody

import (
	"bytes"
	"testing"

	"linekeep/vault/envelope"
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
	if err := folder.Write("custody.2", v.Bytes(t, "file")); err != nil {
		t.Fatal(err)
	}
	p, err := load(t, dir, id, outer).Get(2)
	if err != nil {
		t.Fatal(err)
	}
	public := p.Key.Bytes()
	if !bytes.Equal(public[:], v.Bytes(t, "custody public")) || p.Key.Fingerprint() != string(v.Bytes(t, "fingerprint")) || p.Recovery != opens {
		t.Errorf("public half %x, fingerprint %s", public, p.Key.Fingerprint())
	}
	key, err := recovery.Unwrap(p.Info(id), v.Bytes(t, "wrapped"))
	if err != nil || !bytes.Equal(key.Bytes()[:], v.Bytes(t, "custody private")) {
		t.Fatalf("the wrapped private half: %v", err)
	}
	if private, err := envelope.PrivateFrom(key); err != nil || !p.Opens(private) || p.Opens(recovery) {
		t.Errorf("private half: %v", err)
	}
	if again, err := marshal(p, id, outer); err != nil || !bytes.Equal(again, v.Bytes(t, "file")) {
		t.Errorf("marshalled again: %x, %v", again, err)
	}
}
