package vault_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody/book"
	people "linekeep/vault/custody/office"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/forensics"
	"linekeep/vault/vaulttest/talk"
)

// The kinds of entries in the office's book, as FORMAT.md numbers them.
const (
	aCredential = 2
	aGrant      = 5
)

// bookEntry is an entry of the office's book as it lies in the file.
type bookEntry struct {
	kind      byte
	id, owner keys.ID
	sealed    []byte
}

// office is the book of an image, read from the format's description with the keys there are at the time.
type officeFile struct {
	head, body []byte
	slot       keys.ID
	entries    []bookEntry
}

const (
	bookHead  = 6 + 2 + 16 + 8 + 8 // magic, version, vault id, slot, sequence
	entryHead = 1 + 8 + 8 + 4      // kind, id, owner, length
)

func (v *erasable) office() officeFile {
	v.t.Helper()
	file, err := os.ReadFile(filepath.Join(v.Config.Dir, "custody", "office"))
	if err != nil {
		v.t.Fatal(err)
	}
	o := officeFile{head: file[:bookHead], body: file[bookHead:]}
	if o.slot, err = keys.IDFrom(file[24:32]); err != nil {
		v.t.Fatal(err)
	}
	slot, err := v.Vault.Vault.Keys().Slot(o.slot)
	if err != nil {
		v.t.Fatal(err)
	}
	plain, err := seal.OpenBox(slot.Meta(), o.body, []byte("office file"), o.head)
	if err != nil {
		v.t.Fatal(err)
	}
	rest := plain[4:]
	for range binary.BigEndian.Uint32(plain) {
		n := binary.BigEndian.Uint32(rest[entryHead-4:])
		e := bookEntry{kind: rest[0], sealed: slices.Clone(rest[entryHead:][:n])}
		e.id, _ = keys.IDFrom(rest[1:9])     // of the right length
		e.owner, _ = keys.IDFrom(rest[9:17]) // of the right length
		o.entries = append(o.entries, e)
		rest = rest[entryHead+n:]
	}
	return o
}

// targets are the whole file, and each entry by itself, as an attacker would have them who opened the file before.
func (o officeFile) targets(vaultID [16]byte, entries []bookEntry) []forensics.Target {
	all := []forensics.Target{{What: "the book", Label: "slot meta", Open: func(k keys.Key) bool {
		_, err := seal.OpenBox(k, o.body, []byte("office file"), o.head)
		return err == nil
	}}}
	for _, e := range entries {
		label := "slot meta"
		if e.kind >= aCredential && e.kind <= aGrant { // what wraps keys
			label = "slot wrap"
		}
		all = append(all, forensics.Target{What: "entry of kind " + string('0'+e.kind) + " " + e.id.String(), Label: label, Open: func(k keys.Key) bool {
			_, err := seal.OpenBox(k, e.sealed, []byte("office entry"), vaultID[:], []byte{e.kind}, e.id.Append(nil), e.owner.Append(nil))
			return err == nil
		}})
	}
	return all
}

// TestP13_WhatPeopleLostOpensNoMore gives an attacker the disk before and after, every root and shard that ever stood on it
// and the chip as it is now: a password that was changed, a grant that ended, an account that was removed leave nothing
// that opens, and what stays opens.
func TestP13_WhatPeopleLostOpensNoMore(t *testing.T) {
	chip := tpmtest.NewMemory()
	dir := filepath.Join(t.TempDir(), "vault")
	watched := forensics.Watch(t, chip, filepath.Join(dir, "keys"))
	v := &erasable{Vault: vaulttest.NewOn(t, dir, watched), t: t, chip: chip}
	v.Start()
	v.Record(talk.New(1, time.Now()), 4)
	office, err := v.People()
	if err != nil {
		t.Fatal(err)
	}
	ann := v.SignIn(v.Ann)
	stan := vaulttest.NewHuman("Stan Staff")
	who, slip, err := office.Add(t.Context(), ann, people.NewPerson{Name: stan.Name, Roles: book.Staff, Boss: "a@b.c"})
	if err == nil {
		err = office.Claim(t.Context(), stan.Claim(t, time.Now(), slip.Reveal()))
	}
	if err != nil {
		t.Fatal(err)
	}
	ask := people.Ask{Holder: who, Acts: book.Hear, Until: time.Now().Add(time.Hour), Recordings: []keys.ID{only(t, v.Vault)}}
	signature, err := ann.Sign(t.Context(), v.Ann.Password(t), v.Ann.Code(t), office.Digest(ask))
	if err != nil {
		t.Fatal(err)
	}
	grant, err := office.Grant(t.Context(), ask, ann.Person, signature)
	if err != nil {
		t.Fatal(err)
	}
	v.SignIn(v.Ann) // the grant waited for her
	for _, change := range []struct {
		what string
		kind byte // of what must be lost
		do   func() error
	}{
		{"a changed password", aCredential, func() error {
			s, old := v.SignIn(stan), stan.Password(t)
			stan.Pass = "another pass phrase, and a longer one"
			return s.ChangePassword(t.Context(), old, stan.Code(t), stan.Password(t))
		}},
		{"an ended grant", aGrant, func() error { return office.EndGrant(t.Context(), ann, grant) }},
		{"a removed account", aCredential, func() error { return office.Remove(t.Context(), ann, who) }},
	} {
		before, past := v.office(), chip.Clone()
		watched.Evidence.Collect(t, filepath.Join(dir, "keys"))
		if err := change.do(); err != nil {
			t.Fatalf("%s: %v", change.what, err)
		}
		if err := v.CommitErasures(t.Context()); err != nil { // the night's, for what can wait
			t.Fatal(err)
		}
		v.lost(change.what, change.kind, before, past, watched)
	}
}

// lost compares the books before and after a change, and tries everything on what went.
func (v *erasable) lost(what string, kind byte, before officeFile, past *tpmtest.Memory, watched *forensics.Watched) {
	v.t.Helper()
	after := v.office()
	watched.Evidence.Collect(v.t, watched.Dir)
	stays := func(e bookEntry) bool {
		return slices.ContainsFunc(after.entries, func(o bookEntry) bool { return o.id == e.id })
	}
	gone, kept := slices.DeleteFunc(slices.Clone(before.entries), stays), slices.Clone(after.entries)
	if !slices.ContainsFunc(gone, func(e bookEntry) bool { return e.kind == kind }) || len(kept) == 0 {
		v.t.Fatalf("%s: %d entries are gone, none of kind %d; %d stay", what, len(gone), kind, len(kept))
	}
	vaultID := v.Vault.Vault.Keys().VaultID()
	s := &scene{erasable: v}
	now := watched.Evidence.Attack(v.t.Context(), v.t, v.chip)
	then := watched.Evidence.Attack(v.t.Context(), v.t, past)
	named := []keys.ID{before.slot, after.slot}
	for _, e := range slices.Concat(gone, kept) {
		named = append(named, e.id)
	}
	then.Sample(16, named...)
	if !long() {
		now.Sample(16, named...)
	}
	s.opens(what, now, before.targets(vaultID, gone), false)
	s.opens(what+", what stays", now, after.targets(vaultID, kept), true)
	s.opens(what+", with the chip's past", then, before.targets(vaultID, gone), true)
}
