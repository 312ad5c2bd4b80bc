package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog/block"
	"linekeep/vault/erasure"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/keys/root"
	"linekeep/vault/recording"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/forensics"
	"linekeep/vault/vaulttest/talk"
)

// realCalls of the ten thousand go through the store, with sound; the rest have slots and rows like any call's, so
// that the catalogue and the shards are as full as those of an office, and no folder.
const (
	realCalls = 300
	allCalls  = 10_000
)

// scene is a vault in which a call is erased, with everything that stood on its disk.
type scene struct {
	*erasable
	tpm           *tpmtest.Chip
	watched       *forensics.Watched
	past          string // what the chip had inside before
	before, after string // images of the vault's folder
	victim, next  keys.ID
	block         keys.ID // that held the victim's row
}

func newScene(t *testing.T) *scene {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "vault")
	s := &scene{tpm: tpmtest.Start(t)}
	s.watched = forensics.Watch(t, s.tpm.Open(t), filepath.Join(dir, "keys"))
	s.erasable = &erasable{Vault: vaulttest.NewOn(t, dir, s.watched), t: t}
	s.Start()
	recovery, err := s.Code.Recovery(s.Vault.Keys().VaultID())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Vault.Keys().SetRecovery(t.Context(), recovery.Public()); err != nil {
		t.Fatal(err)
	}
	s.talkAll()
	s.rows(allCalls - realCalls)
	s.victim, s.next = s.ids[realCalls/2], s.ids[realCalls/2+1]
	if held := s.Catalog().Holding(s.victim); len(held) != 1 {
		t.Fatalf("the call stands in %d blocks, want one", len(held))
	} else {
		s.block = held[0]
	}
	return s
}

// talkAll records the real calls, a hundred at once.
func (s *scene) talkAll() {
	s.t.Helper()
	for n := 0; n < realCalls; n += 100 {
		var g segment.Group
		for i := range 100 {
			k := talk.New(segment.Call(n+i+1), time.Now().Add(time.Duration(n+i)*time.Millisecond))
			k.Line = fmt.Sprint("line-", i)
			g.Openings = append(g.Openings, k.Opening())
			k.Speak(&g, true)
			g.Closings = append(g.Closings, k.Closing())
			s.calls = append(s.calls, k)
		}
		s.Say(g)
	}
	s.Settle()
	s.ids = s.found()
	slices.Reverse(s.ids) // oldest first, as they were said
	if len(s.ids) != realCalls {
		s.t.Fatalf("%d calls are filed", len(s.ids))
	}
}

// image copies the vault's folder as it lies there.
func (s *scene) image() string {
	s.t.Helper()
	dir := filepath.Join(s.t.TempDir(), "image")
	if err := os.CopyFS(dir, os.DirFS(s.Config.Dir)); err != nil {
		s.t.Fatal(err)
	}
	s.watched.Evidence.Collect(s.t, filepath.Join(dir, "keys"))
	return dir
}

// values are what a folder of an image holds, as whoever has the vault key reads it.
func (s *scene) values(image, name string, wanted func(key []byte) bool) map[string][]byte {
	s.t.Helper()
	f, err := folder.Open(s.t.Context(), folder.Options{Name: name, Path: filepath.Join(image, name), Key: s.Vault.Keys().Folder(name),
		Rows: name == "catalog", ReadOnly: true, Log: s.Log})
	if err != nil {
		s.t.Fatal(err)
	}
	all := make(map[string][]byte)
	err = f.Walk(nil, func(key, value []byte, err error) error {
		if err == nil && wanted(key) {
			all[string(key)] = slices.Clone(value)
		}
		return err
	})
	if err := errors.Join(err, f.Close()); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// targets are all ciphertexts of a call in an image: its wrap, what was known when it began, its manifest.
func (s *scene) targets(image string, id keys.ID) []forensics.Target {
	s.t.Helper()
	vaultID := s.Vault.Keys().VaultID()
	shard, err := s.Vault.Keys().Shard(id.Shard)
	if err != nil {
		s.t.Fatal(err)
	}
	name := "calls/standard/" + string(shard.Month)
	held := s.values(image, name, func(key []byte) bool {
		p, ok := recording.ParseKey(key)
		return ok && p.ID == id
	})
	body, manifest := held[string(recording.WrapKey(id))], held[string(recording.ManifestKey(id))]
	if body == nil || manifest == nil {
		s.t.Fatalf("the image holds nothing of call %s", id)
	}
	wrap, _, err := recording.SplitOpening(body)
	if err != nil {
		s.t.Fatal(err)
	}
	forms := func(key keys.Key) recording.Forms { return recording.Forms{VaultID: vaultID, ID: id, Meta: key} }
	return []forensics.Target{
		{What: "wrap", Label: "slot wrap", Open: func(key keys.Key) bool {
			aead, err := chacha20poly1305.NewX(key.Bytes()[:])
			if err == nil {
				_, err = aead.Open(nil, wrap[:24], wrap[24:], keys.Info("wrap", vaultID[:], id.Append(nil)))
			}
			return err == nil
		}},
		{What: "opening", Label: "slot meta", Open: func(key keys.Key) bool { _, err := forms(key).OpenOpening(body); return err == nil }},
		{What: "manifest", Label: "slot meta", Open: func(key keys.Key) bool {
			_, err := recording.OpenManifest(forms(key), manifest)
			return err == nil
		}},
	}
}

// blockTargets are the zone and all columns of a block in an image.
func (s *scene) blockTargets(image string, id keys.ID) []forensics.Target {
	s.t.Helper()
	var all []forensics.Target
	for key, value := range s.values(image, "catalog", func(key []byte) bool { return len(key) >= 9 && string(key[1:9]) == string(id.Append(nil)) }) {
		parts := [][]byte{[]byte("catalog zone"), id.Append(nil)}
		if key[0] == block.PrefixGroup {
			parts = [][]byte{[]byte("catalog group"), id.Append(nil), []byte(key[9:])}
		}
		if key[0] == block.PrefixGroup && key[10] > 0 && !long() {
			continue // under the same key as the first page
		}
		all = append(all, forensics.Target{What: fmt.Sprintf("catalogue %x", key), Label: "slot meta", Open: func(k keys.Key) bool {
			_, err := seal.OpenBox(k, value, parts...)
			return err == nil
		}})
	}
	if len(all) < 4 {
		s.t.Fatalf("block %s has %d values in the image", id, len(all))
	}
	return all
}

func (s *scene) opens(what string, loot *forensics.Loot, targets []forensics.Target, want bool) {
	s.t.Helper()
	for i, by := range loot.Opens(s.t, targets...) {
		if (by != "") != want {
			s.t.Errorf("%s: %s is opened by %q, want one that opens it: %v", what, targets[i].What, by, want)
		}
	}
}

// TestP13_NothingOfAnErasedCallOpens gives an attacker the disk before and after, every root and shard that ever stood on it and the chip
// as it is now. Only the chip's past, or the recovery code with the disk before, opens the call.
func TestP13_NothingOfAnErasedCallOpens(t *testing.T) {
	s := newScene(t)
	s.Stop()
	s.before, s.past = s.image(), s.tpm.Snapshot(t)
	s.Start()
	began := time.Now()
	s.mustErase(s.victim)
	t.Logf("erased one of %d calls in %v", allCalls, time.Since(began))
	for _, id := range s.found() {
		if id == s.victim {
			t.Error("the call is found")
		}
	}
	s.Plays(s.next, s.calls[realCalls/2+1])
	victim, neighbour := s.targets(s.before, s.victim), s.targets(s.before, s.next)
	row := s.blockTargets(s.before, s.block)
	s.Stop()
	s.after = s.image()

	now := s.watched.Evidence.Attack(t.Context(), t, s.tpm.Open(t))
	t.Logf("%d files of keys, %d roots opened, %d refused, %d keys", len(s.watched.Evidence.Files()), now.Roots, now.Refused, now.Keys())
	if now.Roots == 0 || now.Refused < 3 || now.Has(s.victim) || now.Has(s.block) || !now.Has(s.next) {
		t.Errorf("%d roots opened, %d refused, victim %v, block %v, neighbour %v", now.Roots, now.Refused, now.Has(s.victim), now.Has(s.block), now.Has(s.next))
	}
	if !long() {
		now.Sample(16, s.victim, s.next, s.block)
	}
	s.opens("the erased call", now, victim, false)
	s.opens("the block that held its row", now, row, false)
	s.opens("its neighbour", now, neighbour, true)

	// The same trials with the chip's past state: they would have found the keys.
	past := tpmtest.Start(t)
	past.Restore(t, s.past)
	then := s.watched.Evidence.Attack(t.Context(), t, past.OpenWith(t, s.tpm.Demo))
	then.Sample(16, s.victim, s.block)
	s.opens("with the chip's past, the erased call", then, victim, true)
	s.opens("with the chip's past, the block", then, row, true)

	s.putBack(t)
	s.recovered(t)
}

// putBack: the disk of before is refused by the chip, and said to be old.
func (s *scene) putBack(t *testing.T) {
	t.Helper()
	c := s.Config
	c.Dir = filepath.Join(t.TempDir(), "vault")
	if err := os.CopyFS(c.Dir, os.DirFS(s.before)); err != nil {
		t.Fatal(err)
	}
	opened, err := vault.Open(t.Context(), c, s.tpm.Open(t), s.Log)
	if !errors.Is(err, keys.ErrOlder) || !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("the old disk put back: %v, want that it is older than the TPM", err)
	}
	if opened != nil {
		t.Error(opened.Close(t.Context()))
	}
}

// recovered: with the recovery code and the disk of before, the call is heard, as THREATS.md says; and where the list of erasures
// is of after, it is erased once more before anything is opened.
func (s *scene) recovered(t *testing.T) {
	t.Helper()
	recovery, err := s.Code.Recovery(s.watched.Evidence.Attack(t.Context(), t, s.tpm.Open(t)).VaultID)
	if err != nil {
		t.Fatal(err)
	}
	contents := s.backups(recovery.Public().Bytes())
	for _, listed := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "vault")
		if err := os.CopyFS(dir, os.DirFS(s.before)); err != nil {
			t.Fatal(err)
		}
		if listed {
			if err := errors.Join(os.RemoveAll(filepath.Join(dir, "erasures")),
				os.CopyFS(filepath.Join(dir, "erasures"), os.DirFS(filepath.Join(s.after, "erasures")))); err != nil {
				t.Fatal(err)
			}
		}
		chip := tpmtest.Start(t).Open(t)
		k, err := keys.Recover(t.Context(), keys.Config{Dir: filepath.Join(dir, "keys"), Clock: time.Now}, chip, recovery)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		old := &erasable{Vault: s.Elsewhere(t, dir), t: t}
		old.Chip = chip
		old.Start()
		old.Plays(s.next, s.calls[realCalls/2+1])
		if !listed {
			old.Plays(s.victim, s.calls[realCalls/2])
			continue
		}
		if r, err := old.Play(t.Context(), s.victim, s.Code); !errors.Is(err, vault.ErrNotThere) {
			t.Errorf("after a restore with its list the call is played: %v, %v", r, err)
		}
		if c, err := old.Certificate(s.victim); err != nil || !slices.Equal(c.Entry.Calls, []keys.ID{s.victim}) {
			t.Errorf("its certificate: %+v, %v", c.Entry, err)
		}
		if slices.Contains(old.found(), s.victim) || !old.Vault.Keys().Doomed(s.victim) && !gone(old.Vault.Keys(), s.victim) {
			t.Error("after a restore with its list the call has a slot")
		}
		old.Stop()
	}
	if contents == 0 {
		t.Error("there was never a key backup: the trial with the code proves nothing")
	}
}

func gone(k *keys.Keys, id keys.ID) bool {
	_, err := k.Slot(id)
	return errors.Is(err, keys.ErrNoSlot)
}

// backups counts the key backups among the evidence.
func (s *scene) backups(to [32]byte) (n int) {
	for _, f := range s.watched.Evidence.Files() {
		if b, err := root.ParseBackup(f.Data); err == nil && b.To == to {
			n++
		}
	}
	return n
}

// TestP13_WithoutACopyOnTheBoxTheCodeBringsNothingBack: with "no copy on the box" the disk of before and the recovery
// code open nothing, on any chip.
func TestP13_WithoutACopyOnTheBoxTheCodeBringsNothingBack(t *testing.T) {
	chip := tpmtest.NewMemory()
	dir := filepath.Join(t.TempDir(), "vault")
	watched := forensics.Watch(t, chip, filepath.Join(dir, "keys"))
	v := &erasable{Vault: vaulttest.NewCommissioned(t, dir, watched), t: t, chip: chip}
	v.Config.NoBackup = true
	v.HandOver()
	v.Start()
	recovery, err := v.Code.Recovery(v.Vault.Keys().VaultID())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Vault.Keys().SetRecovery(t.Context(), recovery.Public()); err != nil {
		t.Fatal(err)
	}
	v.record(1)
	v.Stop()
	before := filepath.Join(t.TempDir(), "before")
	if err := os.CopyFS(before, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	v.Start()
	if _, err := v.Erase(t.Context(), erasure.Order, v.ids[0]); err != nil {
		t.Fatal(err)
	}
	v.Stop()
	if k, err := keys.Recover(t.Context(), keys.Config{Dir: filepath.Join(before, "keys"), Clock: time.Now}, tpmtest.NewMemory(), recovery); err == nil {
		t.Error("recovered without a copy on the box", k.Close())
	}
	for _, f := range watched.Evidence.Files() {
		if _, err := root.ParseBackup(f.Data); err == nil {
			t.Errorf("there was a key backup: %s", f.Name)
		}
	}
}
