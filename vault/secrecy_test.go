package vault_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/custody"
	people "linekeep/vault/custody/office"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

const (
	markerLine   = "the director's private line"
	markerNumber = "+441632960961"
	speechFile   = "/usr/share/asterisk/sounds/en_US_f_Allison/vm-options.wav"
)

// tone is a marker nobody could mistake: 20 ms of 1 kHz, as it would be in clear.
func tone() []byte {
	b := make([]byte, talk.PacketBytes)
	for i := range b {
		b[i] = []byte{0, 0x5a, 0x7f, 0x5a, 0, 0xa6, 0x81, 0xa6}[i%8]
	}
	return b
}

// secrets are what must never be on the disk or in the log in clear.
func secrets(t *testing.T, v *vaulttest.Vault) map[string][]byte {
	t.Helper()
	speech, err := os.ReadFile(speechFile)
	if err != nil {
		t.Fatalf("real speech is missing (make setup installs it): %v", err)
	}
	code := v.Code.Reveal()
	return map[string][]byte{
		"the line's label": []byte(markerLine), "the number": []byte(markerNumber),
		"the tone": tone()[:24], "the speech": speech[8000:8024],
		"the recovery code": []byte(code), "the recovery code's letters": []byte(strings.NewReplacer("-", "", " ", "").Replace(code)),
	}
}

// look searches all files of dir, and gives what it found where.
func look(t *testing.T, dir string, wanted map[string][]byte) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // moved on meanwhile
		}
		for what, marker := range wanted {
			if bytes.Contains(b, marker) || strings.Contains(path, string(marker)) {
				found = append(found, what+" in "+filepath.Base(path))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// marked makes calls that say the markers.
func marked(t *testing.T, call segment.Call) *talk.Talk {
	t.Helper()
	speech, err := os.ReadFile(speechFile)
	if err != nil {
		t.Fatal(err)
	}
	k := talk.New(call, time.Now())
	k.Line, k.Number = markerLine, markerNumber
	k.Payload = func(p segment.Party, at line.Samples, packet []byte) {
		if p == segment.Office {
			copy(packet, bytes.Repeat(tone(), 2))
			return
		}
		copy(packet, speech[8000:])
	}
	return k
}

func TestP03_NothingSaidAndNobodysNameIsOnTheDiskOrInTheLog(t *testing.T) {
	var said bytes.Buffer
	v := vaulttest.NewOn(t, "", tpmtest.Start(t).Open(t))
	v.Log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
	v.Start()
	v.Record(marked(t, 1), 130)
	v.Say(marked(t, 2).Groups(130, true, false)...) // one that is up
	wanted := secrets(t, v)
	for what, b := range keyBytes(t, v) {
		wanted[what] = b
	}
	if found := look(t, v.Config.Dir, wanted); len(found) > 0 {
		t.Errorf("in clear, while recording: %v", found)
	}
	v.Stop()
	if found := look(t, v.Config.Dir, wanted); len(found) > 0 {
		t.Errorf("in clear, stopped: %v", found)
	}
	for what, marker := range wanted {
		if bytes.Contains(said.Bytes(), marker) {
			t.Errorf("the log tells %s", what)
		}
	}
	// The positive control: the same search finds every one of them where it is in clear.
	clear := t.TempDir()
	for what, marker := range wanted {
		if err := os.WriteFile(filepath.Join(clear, "x"), append([]byte("before"), marker...), 0o600); err != nil {
			t.Fatal(err)
		}
		if found := look(t, clear, wanted); len(found) == 0 {
			t.Errorf("the search cannot find %s", what)
		}
	}
}

// keyBytes opens the keys of a copy of the vault, as the box itself can, and gives the bytes of each it holds.
func keyBytes(t *testing.T, v *vaulttest.Vault) map[string][]byte {
	t.Helper()
	k := openKeys(t, v)
	all := map[string][]byte{"the journal's key": k.Outer("journal").Bytes()[:], "custody's outer key": k.Outer("custody").Bytes()[:],
		"the catalogue's key": k.Folder("catalog").Bytes()[:]}
	for _, shard := range k.Shards() {
		all["the key of folder "+shard.Class] = k.Folder(library.FolderName(shard.Class, shard.Month)).Bytes()[:]
		for slot := range uint32(4) {
			s, err := k.Slot(keys.ID{Shard: shard.Number, Slot: slot})
			if err != nil {
				t.Fatal(err)
			}
			all[fmt.Sprintf("K_meta of %s", s.ID)] = s.Meta().Bytes()[:]
			all[fmt.Sprintf("K_wrap of %s", s.ID)] = s.Wrap().Bytes()[:]
			all[fmt.Sprintf("K_audit of %s", s.ID)] = s.Audit().Bytes()[:]
		}
	}
	return all
}

func openKeys(t *testing.T, v *vaulttest.Vault) *keys.Keys {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(v.Config.Dir, "keys"))); err != nil {
		t.Fatal(err)
	}
	k, err := keys.Open(t.Context(), keys.Config{Dir: dir, Clock: time.Now}, v.Chip)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func TestP03_AnotherChipCannotOpenTheVault(t *testing.T) {
	v := vaulttest.New(t, "")
	v.Record(marked(t, 1), 3)
	v.Stop()
	if opened, err := vault.Open(t.Context(), v.Config, tpmtest.Start(t).Open(t), v.Log); err == nil {
		t.Error("a stolen disk opens on another chip")
		_ = opened.Close(t.Context()) // the test has failed already
	}
	v.Start()
}

// TestP03_TheBoxAloneOpensNoClosedCall takes everything the running box holds, and tries each key on a closed
// call's sound and on its wrap. Only the custody key, which the box does not have, opens it.
func TestP03_TheBoxAloneOpensNoClosedCall(t *testing.T) {
	v := vaulttest.New(t, "")
	v.Record(marked(t, 1), 10)
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 1 {
		t.Fatalf("Find: %v %v", rows, err)
	}
	v.Stop()
	box := openKeys(t, v)
	months := library.NewMonths(library.MonthsConfig{Dir: v.Config.Dir, Key: box.Folder, ReadOnly: true, Clock: time.Now, Log: v.Log})
	defer func() {
		if err := months.Close(); err != nil {
			t.Error(err)
		}
	}()
	books := library.Library{Keys: box, Months: months}
	r, err := books.Open(t.Context(), rows[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	track := r.Manifest.Tracks[0]
	c, err := r.Chunk(track.Party, track.Parts[0])
	if err != nil {
		t.Fatal(err)
	}
	for what, key := range keyBytes(t, v) {
		if opens(t, key, box.VaultID(), &c) {
			t.Errorf("%s opens the sound", what)
		}
	}
	inner, err := unwrapOuter(box, r)
	if err != nil {
		t.Fatalf("the box opens its own layer of the wrap: %v", err)
	}
	if len(inner) != envelope.WrappedSize || opens(t, inner[:32], box.VaultID(), &c) || opens(t, inner[len(inner)-32:], box.VaultID(), &c) {
		t.Error("the inner layer of the wrap is not sealed to the custody key")
	}
	// The positive control: the same trial with what the recovery code brings out.
	if !opens(t, recovered(t, v, box, r, inner), box.VaultID(), &c) {
		t.Error("the right key does not open the sound: the trials above prove nothing")
	}
}

// officeKeys are keys that nobody changes.
type officeKeys struct{ *keys.Keys }

func (officeKeys) SwitchRecovery(context.Context, envelope.Public) error {
	return errors.New("not in this test")
}

// recovered is the data key as somebody with the recovery code gets it.
func recovered(t *testing.T, v *vaulttest.Vault, box *keys.Keys, r *library.Reader, inner []byte) []byte {
	t.Helper()
	ring, err := custody.Load(filepath.Join(v.Config.Dir, "keys"), box.VaultID(), box.Outer("custody"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := people.Open(t.Context(), people.Config{Dir: filepath.Join(v.Config.Dir, "custody"), Keys: officeKeys{box}, Ring: ring,
		Clock: time.Now, Log: v.Log})
	if err != nil {
		t.Fatal(err)
	}
	all, err := o.Recover(v.Code)
	if err != nil {
		t.Fatal(err)
	}
	id := box.VaultID()
	key, err := all[r.Custody].Unwrap(keys.Info("data key", id[:], r.Manifest.ID.Append(nil)), inner)
	if err != nil {
		t.Fatal(err)
	}
	return key.Bytes()[:]
}

// opens tries a key on a segment, as section 5 of the format says.
func opens(t *testing.T, key []byte, vaultID [16]byte, c *recording.Chunk) bool {
	t.Helper()
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		t.Fatal(err)
	}
	s := &c.Segments[0]
	nonce := make([]byte, 12)
	nonce[0] = byte(c.Party)
	binary.BigEndian.PutUint32(nonce[8:], s.Seq)
	ad := append([]byte("LKsegm\x00\x01"), vaultID[:]...)
	ad = c.ID.Append(ad)
	ad = append(ad, byte(c.Party), 0)
	ad = binary.BigEndian.AppendUint32(ad, s.Seq)
	ad = binary.BigEndian.AppendUint64(ad, uint64(s.Start))
	ad = binary.BigEndian.AppendUint64(ad, uint64(s.Len))
	ad = binary.BigEndian.AppendUint32(ad, uint32(len(s.Body)-chacha20poly1305.Overhead))
	_, err = aead.Open(nil, nonce, s.Body, ad)
	return err == nil
}

func unwrapOuter(box *keys.Keys, r *library.Reader) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(r.Slot.Wrap().Bytes()[:])
	if err != nil {
		return nil, err
	}
	id := box.VaultID()
	info := keys.Info("wrap", id[:], r.Manifest.ID.Append(nil))
	return aead.Open(nil, r.Wrap[:24], r.Wrap[24:], info)
}
