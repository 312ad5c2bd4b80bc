package e2e

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/keys"
)

func TestP03_NothingOfACallIsReadableInAnyFileOrInTheLog(t *testing.T) {
	bin, s := programs(t), newSite(t, t.TempDir())
	b := s.start(bin)
	b.eventually(time.Minute, "calls to be filed", func() bool { return len(b.told()) > 3 })
	b.goOn(1500*time.Millisecond, 2*time.Second)
	b.stop()
	data := s.config(s.dir).Dir
	needles := map[string][]byte{"the caller's number": []byte(number), "the line": []byte("line3")}
	code, err := os.ReadFile(filepath.Join(s.dir, "recovery-code.txt"))
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(code)), "\n")
	needles["the recovery code"] = []byte(rows[len(rows)-1])
	var ids []keys.ID
	s.inspect(s.dir, func(v *vault.Vault, rows map[string]catalog.Row) {
		for _, r := range rows {
			ids = append(ids, r.ID)
			s.soundOf(v, r.ID, needles)
		}
	})
	s.keysOf(data, ids, needles)
	if len(needles) < 3+2*len(ids)+len(ids) {
		t.Fatalf("only %d needles of %d calls", len(needles), len(ids))
	}
	// A positive control: written down, each of them is found.
	plain := t.TempDir()
	for what, needle := range needles {
		if err := os.WriteFile(filepath.Join(plain, strings.ReplaceAll(what, "/", "-")), append([]byte("xyz"), needle...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if found := search(t, plain, needles); len(found) != len(needles) {
		t.Fatalf("the search is blind: %d of %d found", len(found), len(needles))
	}
	for what, path := range search(t, filepath.Dir(data), needles) {
		t.Errorf("%s stands in %s", what, path)
	}
	for what, needle := range needles {
		if what != "the line" && strings.Contains(s.log.String(), string(needle)) { // a line's id is an attribute of the log
			t.Errorf("%s stands in the log", what)
		}
	}
}

// soundOf adds encoded speech of each party: the longest packet of its track.
func (s *site) soundOf(v *vault.Vault, id keys.ID, needles map[string][]byte) {
	s.t.Helper()
	rec, err := v.Play(s.t.Context(), id, s.code())
	if err != nil {
		s.t.Fatal(err)
	}
	defer rec.Close()
	for _, p := range rec.Parties {
		var longest []byte
		for seg, err := range rec.Track(p) {
			if err != nil {
				s.t.Fatal(err)
			}
			for piece := range seg.Pieces() {
				if len(piece.Packet) > len(longest) {
					longest = bytes.Clone(piece.Packet)
				}
			}
		}
		if len(longest) < 32 {
			s.t.Fatalf("%s, %v: no packet of speech", id, p)
		}
		needles["sound of "+id.String()+" "+p.String()] = longest
	}
}

// keysOf adds the keys that the vault works with.
func (s *site) keysOf(dir string, ids []keys.ID, needles map[string][]byte) {
	s.t.Helper()
	chip := s.open()
	defer func() {
		if err := chip.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	k, err := keys.Open(s.t.Context(), keys.Config{Dir: filepath.Join(dir, "keys"), Clock: time.Now}, chip)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := k.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	for _, id := range ids {
		slot, err := k.Slot(id)
		if err != nil {
			s.t.Fatal(err)
		}
		needles["key of "+id.String()] = bytes.Clone(slot.Meta().Bytes()[:])
	}
	needles["key of the catalogue"] = bytes.Clone(k.Folder("catalog").Bytes()[:])
}

func TestP03_AnotherChipCannotOpenTheVault(t *testing.T) {
	bin, s := programs(t), newSite(t, t.TempDir())
	s.start(bin).stop()
	other := tpmtest.Start(t)
	v, err := vault.Open(t.Context(), s.config(s.dir), other.Open(t), slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("another chip opened the vault", v.Close(t.Context()))
	}
	s.inspect(s.dir, func(*vault.Vault, map[string]catalog.Row) {}) // its own does
}
