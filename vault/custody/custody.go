// Package custody holds the key pairs that stand between the box and the sound: the box has the public halves and can only
// add, people hold the private halves.
//
//	In:    public halves, numbered; recovery codes as people type them
//	Out:   keys/custody.<number> in two copies each; the key pair that a code stands for
//	Owner: plain values; no goroutine
//	Full:  a custody file is 162 bytes, and there is one for each recovery code ever printed
//
// Where the private halves lie is not said here: that of number 1, before hand-over, in the root; the others wrapped to
// people and to the recovery key, in vault/custody/book.
package custody

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/secret"
)

var (
	// ErrWrongCode reports a whole recovery code of another vault, or of an earlier custody key.
	ErrWrongCode = errors.New("custody: the recovery code does not open this vault")
	// ErrAltered reports a custody file that is not as it was written.
	ErrAltered = errors.New("custody: altered")
	// ErrExists reports that there is a custody key of that number already; another one would part old calls from new ones.
	ErrExists = errors.New("custody: there is a custody key of that number already")
	// ErrNoKey reports a number under which there is no custody key.
	ErrNoKey = errors.New("custody: no custody key of that number")
)

const (
	filePrefix  = "custody."
	fileMagic   = "LKcust"
	fileVersion = 1
	// Commissioning is the number of the key from before hand-over.
	Commissioning = 1
	// Outer is the purpose of the key that authenticates the files.
	Outer = "custody"
)

// Public is what anybody may know of a custody key.
type Public struct {
	Number uint32
	Key    envelope.Public
	// Recovery is the public half of the key that the recovery code stands for, to tell a wrong code; zeros for the
	// commissioning key.
	Recovery [envelope.PublicSize]byte
}

// Info binds the wrapped private half of a custody key to its vault and its public half.
func (p Public) Info(vaultID [keys.VaultIDSize]byte) []byte {
	public := p.Key.Bytes()
	return secret.Info("custody private", vaultID[:], public[:])
}

// Opens says whether private is the private half, which guards against a wrap that somebody put in place of ours.
func (p Public) Opens(private envelope.Private) bool {
	return private.Public().Bytes() == p.Key.Bytes()
}

func fileName(number uint32) string { return filePrefix + strconv.FormatUint(uint64(number), 10) }

func parseName(name string) (uint32, bool) {
	rest, ok := strings.CutPrefix(name, filePrefix)
	n, err := strconv.ParseUint(rest, 10, 32)
	return uint32(n), ok && err == nil && fileName(uint32(n)) == name
}

func marshal(p Public, vaultID [keys.VaultIDSize]byte, outer keys.Key) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddBytes([]byte(fileMagic))
	b.AddUint16(fileVersion)
	b.AddBytes(vaultID[:])
	b.AddUint32(p.Number)
	kemID, kdfID, aeadID := envelope.Suite()
	b.AddUint16(kemID)
	b.AddUint16(kdfID)
	b.AddUint16(aeadID)
	public, digest := p.Key.Bytes(), p.Key.Digest()
	b.AddBytes(public[:])
	b.AddBytes(digest[:])
	b.AddBytes(p.Recovery[:])
	data, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("build custody file: %w", err)
	}
	return append(data, mac(outer, data)...), nil
}

func mac(outer keys.Key, data []byte) []byte {
	h := outer.HMAC()
	h.Write(data)
	return h.Sum(nil)
}

func parse(data []byte, vaultID [keys.VaultIDSize]byte, outer keys.Key) (Public, error) {
	var p Public
	if len(data) < sha256.Size {
		return p, errors.New("not a custody file")
	}
	body := data[:len(data)-sha256.Size]
	if !hmac.Equal(mac(outer, body), data[len(body):]) {
		return p, errors.New("authentication code differs")
	}
	s := cryptobyte.String(body)
	var magic cryptobyte.String
	var version, kemID, kdfID, aeadID uint16
	wantKEM, wantKDF, wantAEAD := envelope.Suite()
	var id [keys.VaultIDSize]byte
	var public [envelope.PublicSize]byte
	var digest [sha256.Size]byte
	if !s.ReadBytes((*[]byte)(&magic), len(fileMagic)) || string(magic) != fileMagic || !s.ReadUint16(&version) {
		return p, errors.New("not a custody file")
	}
	if version != fileVersion {
		return p, fmt.Errorf("custody file of version %d, this program reads %d", version, fileVersion)
	}
	ok := s.CopyBytes(id[:]) && s.ReadUint32(&p.Number) && s.ReadUint16(&kemID) && s.ReadUint16(&kdfID) && s.ReadUint16(&aeadID) &&
		s.CopyBytes(public[:]) && s.CopyBytes(digest[:]) && s.CopyBytes(p.Recovery[:]) && s.Empty()
	switch {
	case !ok:
		return p, errors.New("custody file of the wrong length")
	case id != vaultID:
		return p, errors.New("custody file of another vault")
	case kemID != wantKEM || kdfID != wantKDF || aeadID != wantAEAD:
		return p, errors.New("custody file of another HPKE suite")
	}
	var err error
	if p.Key, err = envelope.PublicFrom(public[:]); err != nil {
		return p, err
	}
	if p.Key.Digest() != digest {
		return p, errors.New("fingerprint is not the public key's")
	}
	return p, nil
}

// Ring is the custody keys of a vault, as far as the box knows them. Its methods may be called from several goroutines.
type Ring struct {
	folder  *pair.Folder
	vaultID [keys.VaultIDSize]byte
	outer   keys.Key

	mu       sync.Mutex
	all      map[uint32]Public
	findings []error
}

// Load reads the custody files in dir (keys/) and mends one copy of each from the other. Errors: ErrAltered where no copy
// of one is good. A folder without any is a ring without keys.
func Load(dir string, vaultID [keys.VaultIDSize]byte, outer keys.Key) (*Ring, error) {
	return LoadOn(pair.Disk{}, dir, vaultID, outer)
}

// LoadOn is Load on another disk, for tests of power cuts.
func LoadOn(fs pair.FS, dir string, vaultID [keys.VaultIDSize]byte, outer keys.Key) (*Ring, error) {
	r := &Ring{folder: pair.At(dir, fs), vaultID: vaultID, outer: outer, all: make(map[uint32]Public)}
	names, err := r.folder.Names()
	if err != nil {
		return nil, fmt.Errorf("load the custody keys: %w", err)
	}
	for _, name := range names {
		number, ok := parseName(name)
		if !ok {
			continue // of the keys
		}
		p, err := r.read(number)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAltered, err)
		}
		r.all[number] = p
	}
	return r, nil
}

// read reads both copies of a file. mu is held, or nobody else has the ring yet.
func (r *Ring) read(number uint32) (p Public, err error) {
	_, findings, err := r.folder.Read(fileName(number), func(data []byte) (err error) {
		if p, err = parse(data, r.vaultID, r.outer); err == nil && p.Number != number {
			err = fmt.Errorf("says it is number %d", p.Number)
		}
		return err
	})
	for _, f := range findings {
		r.findings = append(r.findings, fmt.Errorf("%w: %w", ErrAltered, f))
	}
	return p, err
}

// Add keeps a custody key: nil = stored in both copies. Errors: ErrExists.
func (r *Ring) Add(p Public) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.all[p.Number]; there {
		return fmt.Errorf("%w: %d", ErrExists, p.Number)
	}
	data, err := marshal(p, r.vaultID, r.outer)
	if err != nil {
		return err
	}
	if err := errors.Join(r.folder.Make(), r.folder.Write(fileName(p.Number), data)); err != nil {
		return fmt.Errorf("write custody file: %w", err)
	}
	r.all[p.Number] = p
	return nil
}

// Remove forgets a custody key that nothing is under.
func (r *Ring) Remove(number uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.folder.Remove(fileName(number)); err != nil {
		return fmt.Errorf("remove custody file: %w", err)
	}
	delete(r.all, number)
	return nil
}

// Get is a custody key by its number. Errors: ErrNoKey.
func (r *Ring) Get(number uint32) (Public, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.all[number]
	if !ok {
		return Public{}, fmt.Errorf("%w: %d", ErrNoKey, number)
	}
	return p, nil
}

// All are the custody keys, by number.
func (r *Ring) All() []Public {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Public, 0, len(r.all))
	for _, p := range r.all {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Public) int { return int(int64(a.Number) - int64(b.Number)) })
	return all
}

// Verify reads all copies again, mends one from the other, and gives everything found wrong since Load.
func (r *Ring) Verify() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for number, p := range r.all {
		now, err := r.read(number)
		if err == nil && (now.Key.Bytes() != p.Key.Bytes() || !bytes.Equal(now.Recovery[:], p.Recovery[:])) {
			err = fmt.Errorf("%s: not the file that was loaded", fileName(number))
		}
		if err != nil {
			r.findings = append(r.findings, fmt.Errorf("%w: %w", ErrAltered, err))
		}
	}
	return slices.Clone(r.findings)
}
