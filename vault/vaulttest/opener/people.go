package opener

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// Entry is an entry of the book (section "People"), opened.
type Entry struct {
	Kind      byte
	ID, Owner [8]byte
	Record    []byte
}

// Book opens the book with the slots; nil where they do not.
func Book(vaultDir string, k *Keys) (all []Entry) {
	file, err := os.ReadFile(filepath.Join(vaultDir, "custody", "office"))
	if err != nil || len(file) < 40 || k == nil {
		return nil
	}
	slot := k.Slot([8]byte(file[24:32]))
	if slot == nil {
		return nil
	}
	b := reader{b: Box(Derive(slot, "slot meta"), file[40:], []byte("office file"), file[:40])}
	for n := b.number(4); n > 0 && !b.bad; n-- {
		e := Entry{Kind: byte(b.number(1)), ID: [8]byte(b.take(8)), Owner: [8]byte(b.take(8))}
		sealed := b.counted(4)
		label := "slot wrap"
		if e.Kind == 1 || e.Kind >= 6 {
			label = "slot meta"
		}
		if slot := k.Slot(e.ID); slot != nil {
			e.Record = Box(Derive(slot, label), sealed, []byte("office entry"), k.VaultID, []byte{e.Kind}, e.ID[:], e.Owner[:])
			all = append(all, e)
		}
	}
	return all
}

// Named says whether a person's name stands in the book.
func Named(book []Entry, name string) bool {
	for _, e := range book {
		if e.Kind == 1 && bytes.Contains(e.Record, []byte(name)) {
			return true
		}
	}
	return false
}

// Account makes the authorisation of a person's account from their password, has the chip open it, and gives the private key.
func Account(book []Entry, vaultID []byte, name, password string, chip func(blob, auth []byte) []byte) []byte {
	var owner [8]byte
	for _, e := range book {
		if e.Kind == 1 && strings.Contains(string(e.Record), name) {
			owner = e.ID
		}
	}
	for _, e := range book {
		if e.Kind != 2 || e.Owner != owner {
			continue
		}
		r := reader{b: e.Record}
		r.take(1 + 8)
		passes, memory, salt := r.number(4), r.number(4), r.take(16)
		r.take(32)
		blob := r.counted(2)
		auth := argon2.IDKey([]byte(password), salt, uint32(passes), uint32(memory), 1, 32)
		return Pair(Derive(chip(blob, auth), "account key", vaultID, owner[:]))
	}
	return nil
}

// Custody gives the private halves of custody keys that a private key opens, by the book; publics are those of the files.
func Custody(book []Entry, vaultDir string, vaultID []byte, private []byte) (all [][]byte) {
	for _, e := range book {
		if e.Kind != 3 {
			continue
		}
		r := reader{b: e.Record}
		r.take(1 + 4 + 8)
		wrapped := r.take(80)
		for _, public := range Publics(vaultDir) {
			if key := HPKE(private, Info("custody private", vaultID, public), wrapped); key != nil {
				all = append(all, key)
			}
		}
	}
	return all
}

// Publics are the custody public keys, which stand in clear.
func Publics(vaultDir string) (all [][]byte) {
	files, err := filepath.Glob(filepath.Join(vaultDir, "keys", "custody.*"))
	if err != nil {
		return nil
	}
	for _, path := range files {
		if file, err := os.ReadFile(path); err == nil && len(file) > 36+32 {
			all = append(all, file[34:66])
		}
	}
	return all
}

// DataKey opens a recording's data key by its wrap (section 5) with a custody key; nil where it does not open.
func DataKey(k *Keys, id [8]byte, wrap, custody []byte) []byte {
	slot := k.Slot(id)
	if slot == nil {
		return nil
	}
	inner := open(Derive(slot, "slot wrap"), wrap, Info("wrap", k.VaultID, id[:]))
	return HPKE(custody, Info("data key", k.VaultID, id[:]), inner)
}

// Granted opens it by a grant in the book, with the holder's account key.
func Granted(k *Keys, book []Entry, id [8]byte, account []byte) []byte {
	slot := k.Slot(id)
	for _, e := range book {
		if e.Kind != 5 || slot == nil {
			continue
		}
		r := reader{b: e.Record}
		r.take(1 + 8 + 8 + 1 + 8 + 32)
		r.counted(2)
		waits := bytes.Equal(r.take(32), make([]byte, 32))
		for n := r.number(4); n > 0 && !r.bad && !waits; n-- {
			at, wrap := r.take(8), r.take(120)
			if !bytes.Equal(at, id[:]) {
				continue
			}
			inner := Box(Derive(slot, "slot wrap"), wrap, []byte("grant wrap"), k.VaultID, e.ID[:], id[:])
			if key := HPKE(account, Info("grant key", k.VaultID, e.ID[:], id[:]), inner); key != nil {
				return key
			}
		}
	}
	return nil
}

// Segment opens a sealed segment (section 5): nonce and associated data as there.
func Segment(key, nonce, sealed, ad []byte) bool {
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return false
	}
	_, err = aead.Open(nil, nonce, sealed, ad)
	return err == nil
}
