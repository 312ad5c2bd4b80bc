// Package ledger keeps what the register decides (holds, cases, grants): one transaction after another, none ever altered.
//
// Stage: line -> call -> encode -> seal -> store -> [register] -> search -> release.
//
//	In:    changes of small values, each under the slot of what it concerns
//	Out:   nil from Commit = the change is on the disk and in the audit log; values as they stand
//	Owner: the caller's goroutines; changes take turns
//	Full:  a transaction has at most MaxChanges changes and MaxBytes; one that finds no room on the disk is refused whole
//
// A transaction is written into the register's folder; then its hash is written into the audit log; only then it counts. One
// without its leaf in the log (a power cut between the two) never counted, and is passed over. Each carries the
// hash of the one before. So a register that was rolled back lacks what the log knows, one that was altered has another hash,
// and to roll both back is told by any earlier checkpoint of the log.
package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

var (
	// ErrMissing reports that there is no such value.
	ErrMissing = errors.New("register: no such value")
	// ErrErased reports a value whose slot is erased: it is gone for good.
	ErrErased = errors.New("register: the value is erased")
	// ErrAltered reports a transaction or value that is not as it was written.
	ErrAltered = errors.New("register: altered")
	// ErrRolledBack reports a register that ends before what the audit log or the journal knows of it.
	ErrRolledBack = errors.New("register: older than the audit log: it was rolled back, or its end is lost")
	// ErrBad reports a change that cannot be made.
	ErrBad = errors.New("register: bad change")
)

const (
	// MaxChanges is the most changes of one transaction.
	MaxChanges = 1000
	// MaxBytes is the most that a transaction has in bytes: a hold on as many recordings as one order to erase has is half of it.
	MaxBytes = 4 << 20
	valueBox = "register value"
	prefix   = 't'
)

// Folder is where transactions lie: vault/folder.
type Folder interface {
	Put(ctx context.Context, entries ...folder.Entry) error
	Get(key []byte) ([]byte, error)
	Walk(prefix []byte, visit func(key, value []byte, err error) error) error
}

// Keys are vault/keys.
type Keys interface {
	VaultID() [keys.VaultIDSize]byte
	Slot(id keys.ID) (keys.Slot, error)
	// Doomed says that a slot is ordered to be erased: nobody is shown what is under it.
	Doomed(id keys.ID) bool
}

// Log is the audit log.
type Log interface {
	Append(ctx context.Context, acts ...audit.Act) (uint64, error)
	Registered() (seq uint64, hash [32]byte)
}

// Config says what a ledger works with.
type Config struct {
	Folder Folder
	Keys   Keys
	Log    Log
	Clock  func() time.Time
	// Floor is the newest transaction that the journal knows of.
	Floor uint64
}

// Change sets a value, or deletes it.
type Change struct {
	Kind  string  // of value: a few letters, such as "hold"
	Key   []byte  // which one of its kind; nothing personal, for it outlives every slot
	Slot  keys.ID // the value dies with it
	Value []byte  // nil deletes
}

// place is where a value stands.
type place struct {
	seq    uint64
	change int
	slot   keys.ID
}

// Ledger is an open register. Its methods may be called from several goroutines.
type Ledger struct {
	cfg     Config
	vaultID [keys.VaultIDSize]byte
	turn    sync.Mutex // one transaction at a time

	mu       sync.RWMutex // guards what follows
	newest   uint64
	hash     [32]byte
	values   map[string]place // by kind and key
	findings []error
}

// Open reads all transactions and holds them against the audit log. What is altered or lost is in Findings: the values that can
// be read are given out all the same, since a hold that is forgotten could cost a recording.
func Open(cfg Config) (*Ledger, error) {
	l := &Ledger{cfg: cfg, vaultID: cfg.Keys.VaultID(), values: make(map[string]place)}
	seq, hash := cfg.Log.Registered()
	counted := max(seq, cfg.Floor)
	var held func() // the last transaction waits: whether it counts shows when another one follows
	err := cfg.Folder.Walk([]byte{prefix}, func(key, value []byte, err error) error {
		if held != nil {
			held()
		}
		held = func() { l.replay(key, value, err) }
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open the register: %w", err)
	}
	// One that the log has no leaf for never counted, if it is the last. More than one is no power cut: the log lost something.
	if held != nil && l.newest < counted {
		held()
	}
	if l.newest > seq {
		l.find(fmt.Errorf("%w: the audit log knows of %d transactions; there are %d", ErrAltered, seq, l.newest))
	}
	switch {
	case l.newest < max(seq, cfg.Floor):
		l.find(fmt.Errorf("%w: it ends with transaction %d of %d", ErrRolledBack, l.newest, max(seq, cfg.Floor)))
	case l.newest == seq && seq > 0 && l.hash != hash:
		l.find(fmt.Errorf("%w: transaction %d is not the one in the audit log", ErrAltered, seq))
	}
	l.newest = max(l.newest, seq, cfg.Floor) // a number is never given twice
	if l.newest == seq {
		l.hash = hash // what goes on from here goes on from what the log knows
	}
	return l, nil
}

// replay takes one transaction in.
func (l *Ledger) replay(key, value []byte, err error) {
	if err == nil && len(key) != 9 {
		err = fmt.Errorf("%w: a key of %d bytes", ErrAltered, len(key))
	}
	if err != nil {
		l.find(fmt.Errorf("%w: a transaction: %w", ErrAltered, err))
		return
	}
	seq := binary.BigEndian.Uint64(key[1:])
	t, err := parse(value)
	if err == nil && t.seq != seq {
		err = fmt.Errorf("%w: it is transaction %d", ErrAltered, t.seq)
	}
	if err == nil && (seq != l.newest+1 || t.before != l.hash) {
		l.find(fmt.Errorf("%w: transaction %d does not follow transaction %d", ErrAltered, seq, l.newest))
	}
	if err != nil {
		l.find(fmt.Errorf("transaction %d: %w", seq, err))
		return
	}
	l.newest, l.hash = seq, sha256.Sum256(value)
	l.apply(&t)
}

func (l *Ledger) apply(t *transaction) {
	for i := range t.changes {
		c := &t.changes[i]
		if c.sealed == nil {
			delete(l.values, name(c.kind, c.key))
			continue
		}
		l.values[name(c.kind, c.key)] = place{seq: t.seq, change: i, slot: c.slot}
	}
}

func name(kind string, key []byte) string { return kind + "\x00" + string(key) }

func (l *Ledger) find(err error) { l.findings = append(l.findings, err) }

// Findings are what was found wrong at Open.
func (l *Ledger) Findings() []error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.findings)
}

// Newest is the sequence of the newest transaction. The journal keeps it.
func (l *Ledger) Newest() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.newest
}

// Commit makes changes, all or none, as one act of the audit log: act says who does what, and why. Nil = they are on the disk
// and in the log. Errors: ErrBad, audit.ErrNotWritten, folder.ErrFull, keys.ErrNoSlot; then nothing has changed.
func (l *Ledger) Commit(ctx context.Context, act audit.Act, changes ...Change) error {
	_, err := l.CommitAll(ctx, []audit.Act{act}, changes...)
	return err
}

// CommitAll is Commit of an act about more than one entry can name: the last of its entries has the transaction, so that all are there
// if it counts. First is the number of the first.
func (l *Ledger) CommitAll(ctx context.Context, acts []audit.Act, changes ...Change) (first uint64, err error) {
	if len(acts) == 0 || len(changes) == 0 || len(changes) > MaxChanges {
		return 0, fmt.Errorf("%w: %d of them in one transaction, 1 to %d", ErrBad, len(changes), MaxChanges)
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	l.mu.RLock()
	t := transaction{seq: l.newest + 1, at: l.cfg.Clock().UTC(), before: l.hash}
	l.mu.RUnlock()
	for i := range changes {
		c, err := l.seal(&changes[i])
		if err != nil {
			return 0, err
		}
		t.changes = append(t.changes, c)
	}
	data, err := t.bytes()
	if err != nil {
		return 0, err
	}
	if err := l.cfg.Folder.Put(ctx, folder.Entry{Key: keyOf(t.seq), Value: data}); err != nil {
		return 0, fmt.Errorf("write to the register: %w", err)
	}
	// From here on what fails leaves a transaction that does not count; the next one takes its place.
	hash := sha256.Sum256(data)
	acts = slices.Clone(acts)
	for i := range acts {
		if acts[i].What == 0 {
			acts[i].What = entry.Register
		}
	}
	last := &acts[len(acts)-1]
	last.Register, last.Hashes = t.seq, append([][32]byte{hash}, last.Hashes...)
	if first, err = l.cfg.Log.Append(ctx, acts...); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest, l.hash = t.seq, hash
	l.apply(&t)
	return first, nil
}

func keyOf(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte{prefix}, seq) }

func (l *Ledger) seal(c *Change) (change, error) {
	if c.Kind == "" || len(c.Kind) > maxKind || strings.Contains(c.Kind, "\x00") || len(c.Key) == 0 || len(c.Key) > maxKey {
		return change{}, fmt.Errorf("%w: kind %q, a key of %d bytes", ErrBad, c.Kind, len(c.Key))
	}
	out := change{kind: c.Kind, key: bytes.Clone(c.Key), slot: c.Slot}
	if c.Value == nil {
		return out, nil
	}
	slot, err := l.cfg.Keys.Slot(c.Slot)
	if err != nil {
		return out, fmt.Errorf("the key for a value of kind %s: %w", c.Kind, err)
	}
	defer slot.Wipe()
	meta := slot.Meta()
	defer meta.Wipe()
	out.sealed = seal.Box(meta, c.Value, l.parts(&out)...)
	return out, nil
}

// parts bind a value to its vault, slot, kind and key; its transaction and so its order are bound by the hashes.
func (l *Ledger) parts(c *change) [][]byte {
	return [][]byte{[]byte(valueBox), l.vaultID[:], c.slot.Append(nil), []byte(c.kind), c.key}
}

// Get gives a value. Errors: ErrMissing, ErrErased, ErrAltered.
func (l *Ledger) Get(kind string, key []byte) ([]byte, error) {
	l.mu.RLock()
	at, ok := l.values[name(kind, key)]
	l.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("%w: of kind %s", ErrMissing, kind)
	}
	return l.read(kind, key, at)
}

func (l *Ledger) read(kind string, key []byte, at place) ([]byte, error) {
	slot, err := l.cfg.Keys.Slot(at.slot)
	if errors.Is(err, keys.ErrNoSlot) || err == nil && l.cfg.Keys.Doomed(at.slot) {
		slot.Wipe()
		return nil, fmt.Errorf("%w: of kind %s under %s", ErrErased, kind, at.slot)
	}
	if err != nil {
		return nil, fmt.Errorf("the key of a value of kind %s: %w", kind, err)
	}
	defer slot.Wipe()
	data, err := l.cfg.Folder.Get(keyOf(at.seq))
	if err != nil {
		return nil, fmt.Errorf("%w: transaction %d: %w", ErrAltered, at.seq, err)
	}
	t, err := parse(data)
	if err != nil || at.change >= len(t.changes) {
		return nil, fmt.Errorf("%w: transaction %d: %w", ErrAltered, at.seq, errors.Join(err))
	}
	c := &t.changes[at.change]
	if c.kind != kind || !bytes.Equal(c.key, key) {
		return nil, fmt.Errorf("%w: transaction %d is about something else", ErrAltered, at.seq)
	}
	meta := slot.Meta()
	defer meta.Wipe()
	value, err := seal.OpenBox(meta, c.sealed, l.parts(c)...)
	if err != nil {
		return nil, fmt.Errorf("%w: a value of transaction %d: %w", ErrAltered, at.seq, err)
	}
	return value, nil
}

// Walk visits all values of a kind, in the order of their keys. One that is erased or altered comes with the error. An error
// of visit ends it and is given back.
func (l *Ledger) Walk(kind string, visit func(key, value []byte, err error) error) error {
	l.mu.RLock()
	at := make(map[string]place)
	var names []string
	for n, p := range l.values {
		if k, key, _ := strings.Cut(n, "\x00"); k == kind {
			at[key] = p
			names = append(names, key)
		}
	}
	l.mu.RUnlock()
	slices.Sort(names)
	for _, key := range names {
		value, err := l.read(kind, []byte(key), at[key])
		if err := visit([]byte(key), value, err); err != nil {
			return err
		}
	}
	return nil
}
