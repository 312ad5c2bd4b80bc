package vault_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/catalog"
	"linekeep/vault/custody/book"
	people "linekeep/vault/custody/office"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/opener"
	"linekeep/vault/vaulttest/talk"
)

// object is what somebody would like to open.
type object string

const (
	granted object = "sound of the granted call"
	other   object = "sound of another call"
	numbers object = "numbers and times of a call"
	named   object = "names of people"
	config  object = "configuration"
	public  object = "custody public key"
)

// theTable is design.md's, with raw keys: everybody has the disk, and what stands in Badger as if it had no encryption of its
// own. Who is not in a row opens nothing of it.
func theTable(backup bool) map[object][]string {
	t := map[object][]string{
		granted: {"box + controller", "box + grantee", "box + code"},
		other:   {"box + controller", "box + code"},
		numbers: {"box", "box + controller", "box + grantee", "box + code"},
		named:   {"box", "box + controller", "box + grantee", "box + code"},
		config:  {"box", "box + controller", "box + grantee", "box + code"},
		public:  {"nobody", "box", "controller", "grantee", "code", "box + controller", "box + grantee", "box + code"},
	}
	if backup { // the key backup lies on the disk, and that is what the code is for
		for _, o := range []object{granted, other, numbers, named, config} {
			t[o] = append(t[o], "code")
		}
	}
	return t
}

// attacker has raw keys and the disk.
type attacker struct {
	box      *opener.Keys
	privates [][]byte
}

// officeAtRest is a vault with two calls, one of them granted to Stan, at rest.
type officeAtRest struct {
	*vaulttest.Vault
	dir   string
	calls map[object]closed
}

// closed is a call as the disk has it.
type closed struct {
	id                [8]byte
	wrap, manifest    []byte
	nonce, sealed, ad []byte
}

func atRest(t *testing.T, backup bool, chip *tpmtest.Memory) (*officeAtRest, *vaulttest.Human) {
	t.Helper()
	v := vaulttest.NewCommissioned(t, "", chip)
	v.Config.NoBackup = !backup
	v.HandOver()
	v.Start()
	for n := range 2 {
		v.Record(talk.New(segment.Call(n+1), time.Now().Add(time.Duration(n)*time.Minute)), 4)
	}
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	stan := vaulttest.NewHuman("Stan Staff")
	grantTo(t, v, stan, rows[1].ID)
	settings, err := v.Settings()
	if err == nil {
		err = settings.Save("console.key", []byte("a key"))
	}
	if err != nil {
		t.Fatal(err)
	}
	v.Stop()
	o := &officeAtRest{Vault: v, dir: v.Config.Dir, calls: map[object]closed{}}
	for what, row := range map[object]keys.ID{granted: rows[1].ID, other: rows[0].ID} {
		o.calls[what] = readCall(t, v, row)
	}
	return o, stan
}

// grantTo lets somebody claim an account and hear one call.
func grantTo(t *testing.T, v *vaulttest.Vault, h *vaulttest.Human, id keys.ID) {
	t.Helper()
	office, err := v.People()
	if err != nil {
		t.Fatal(err)
	}
	ann := v.SignIn(v.Ann)
	defer ann.End()
	who, slip, err := office.Add(t.Context(), ann, people.NewPerson{Name: h.Name, Roles: book.Staff, Boss: "a@b.c"})
	if err == nil {
		err = office.Claim(t.Context(), h.Claim(t, time.Now(), slip.Reveal()))
	}
	if err != nil {
		t.Fatal(err)
	}
	ask := people.Ask{Holder: who, Acts: book.Hear, Until: time.Now().Add(time.Hour), Recordings: []keys.ID{id}}
	signature, err := ann.Sign(t.Context(), v.Ann.Password(t), v.Ann.Code(t), office.Digest(ask))
	if err == nil {
		_, err = office.Grant(t.Context(), ask, ann.Person, signature)
	}
	if err == nil {
		_, err = office.Fulfil(t.Context(), ann, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// readCall takes a call's ciphertexts out of Badger.
func readCall(t *testing.T, v *vaulttest.Vault, id keys.ID) closed {
	t.Helper()
	box := openKeys(t, v)
	months := library.NewMonths(library.MonthsConfig{Dir: v.Config.Dir, Key: box.Folder, ReadOnly: true, Clock: time.Now, Log: v.Log})
	defer func() {
		if err := months.Close(); err != nil {
			t.Error(err)
		}
	}()
	books := library.Library{Keys: box, Months: months}
	r, err := books.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	track := r.Manifest.Tracks[0]
	c, err := r.Chunk(track.Party, track.Parts[0])
	if err != nil {
		t.Fatal(err)
	}
	shard, err := box.Shard(id.Shard)
	if err != nil {
		t.Fatal(err)
	}
	f, release, err := months.Use(t.Context(), library.FolderName(shard.Class, shard.Month), false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	manifest, err := f.Get(recording.ManifestKey(id))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Segments[0]
	vaultID := box.VaultID()
	nonce := append([]byte{byte(c.Party), 0, 0, 0, 0, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, s.Seq)...)
	ad := append([]byte("LKsegm\x00\x01"), vaultID[:]...)
	ad = append(id.Append(ad), byte(c.Party), 0)
	ad = binary.BigEndian.AppendUint32(ad, s.Seq)
	ad = binary.BigEndian.AppendUint64(ad, uint64(s.Start))
	ad = binary.BigEndian.AppendUint64(ad, uint64(s.Len))
	ad = binary.BigEndian.AppendUint32(ad, uint32(len(s.Body)-16))
	return closed{id: [8]byte(id.Append(nil)), wrap: r.Wrap, manifest: manifest, nonce: nonce, sealed: s.Body, ad: ad}
}

// attackers are everybody of the table, by name.
func (o *officeAtRest) attackers(t *testing.T, chip *tpmtest.Memory, stan *vaulttest.Human) map[string]attacker {
	t.Helper()
	box := o.runningBox(t, chip)
	open := func(blob, auth []byte) []byte {
		opened, err := chip.OpenAccount(t.Context(), blob, auth)
		if err != nil {
			t.Fatal(err)
		}
		return opened
	}
	names := opener.Book(o.dir, box)
	account := opener.Account(names, box.VaultID, o.Ann.Name, o.Ann.Pass, open)
	controller := append(opener.Custody(names, o.dir, box.VaultID, account), account)
	if len(controller) != 2 {
		t.Fatalf("the Controller has %d keys", len(controller))
	}
	grantee := [][]byte{opener.Account(names, box.VaultID, stan.Name, stan.Pass, open)}
	code := [][]byte{opener.Recovery(o.Code.Reveal(), box.VaultID)}
	return map[string]attacker{
		"nobody": {}, "box": {box: box}, "controller": {privates: controller}, "grantee": {privates: grantee}, "code": {privates: code},
		"box + controller": {box, controller}, "box + grantee": {box, grantee}, "box + code": {box, code},
	}
}

// runningBox opens the root in force with the chip, as the box does.
func (o *officeAtRest) runningBox(t *testing.T, chip *tpmtest.Memory) *opener.Keys {
	t.Helper()
	dir := filepath.Join(o.dir, "keys")
	files, err := filepath.Glob(filepath.Join(dir, "root.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("roots %v, %v", files, err)
	}
	file, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	blob, epoch := opener.Blob(file)
	rootKey, err := chip.Unseal(t.Context(), blob, epoch)
	if err != nil {
		t.Fatal(err)
	}
	box, err := opener.Root(dir, file, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// opens says whether an attacker opens an object.
func (o *officeAtRest) opens(a attacker, what object) bool {
	box := a.box
	for _, p := range a.privates { // whoever has the code has what the backup gives
		if k := opener.Backup(filepath.Join(o.dir, "keys"), p); k != nil && box == nil {
			box = k
		}
	}
	call := o.calls[granted]
	switch what {
	case granted:
		return o.hears(box, a.privates, call)
	case other:
		return o.hears(box, a.privates, o.calls[other])
	case numbers:
		return box != nil && opener.Box(opener.Derive(box.Slot(call.id), "slot meta"), call.manifest, []byte("manifest"), box.VaultID, call.id[:]) != nil ||
			anyOpens(a.privates, func(raw []byte) bool { return opener.Box(raw, call.manifest) != nil })
	case named:
		return opener.Named(opener.Book(o.dir, box), "Ann Controller")
	case config:
		file, err := os.ReadFile(filepath.Join(o.dir, "settings", "console.key"))
		return err == nil && box != nil && opener.Box(opener.Derive(box.Vault, "outer", []byte("settings")), file[5:],
			[]byte("setting"), file[:5], box.VaultID, []byte("console.key")) != nil
	}
	return len(opener.Publics(o.dir)) == 1
}

// hears tries everything the format has for a data key, and each raw key as if it were one.
func (o *officeAtRest) hears(box *opener.Keys, privates [][]byte, c closed) bool {
	candidates := slices.Clone(privates)
	if box != nil {
		names := opener.Book(o.dir, box)
		candidates = append(candidates, box.Vault, box.Slot(c.id), opener.Derive(box.Slot(c.id), "slot wrap"), opener.Derive(box.Slot(c.id), "slot meta"))
		for _, p := range privates {
			for _, custody := range append(opener.Custody(names, o.dir, box.VaultID, p), p) {
				candidates = append(candidates, opener.DataKey(box, c.id, c.wrap, custody))
			}
			candidates = append(candidates, opener.Granted(box, names, c.id, p))
		}
	}
	return anyOpens(candidates, func(raw []byte) bool { return opener.Segment(raw, c.nonce, c.sealed, c.ad) })
}

func anyOpens(all [][]byte, opens func(raw []byte) bool) bool {
	return slices.ContainsFunc(all, func(raw []byte) bool { return raw != nil && opens(raw) })
}

// TestP03_EachKeyOpensItsRowsAndNoOther is the key × object table, with an opener that knows the format only.
func TestP03_EachKeyOpensItsRowsAndNoOther(t *testing.T) {
	for _, backup := range []bool{true, false} {
		chip := tpmtest.NewMemory()
		o, stan := atRest(t, backup, chip)
		for who, a := range o.attackers(t, chip, stan) {
			for what, may := range theTable(backup) {
				if got, want := o.opens(a, what), slices.Contains(may, who); got != want {
					t.Errorf("key backup on the box %v: %s opens the %s: %v, want %v", backup, who, what, got, want)
				}
			}
		}
	}
}
