// Package erasure keeps what is left of an erased recording: that it was erased, when, why, and the chip's word for it.
//
//	In:    orders to erase; the chip's certificate that its counter has moved
//	Out:   orders that a power cut does not forget; certificates that anybody can verify; for a restored vault, what
//	       must not come back
//	Owner: the caller, who takes turns; no goroutine
//	Full:  an order that finds no room is refused; the list grows for ever, by some 400 bytes for each order
//
// An order stands in one file until its recordings' slots are gone from every root that the chip still opens; then it
// becomes an entry of the list. Each entry has the hash of the one before, and the chip signs it together with where its
// counter stands: so the list cannot be rewritten, and a certificate proves that the keys' epoch is over. There is nothing
// personal in either: ids, times, a reason's code. FORMAT.md section "Erasures" has the bytes.
package erasure

import (
	"errors"
	"fmt"
	"time"

	"linekeep/vault/keys"
)

var (
	// ErrAltered reports bytes that are not as they were written.
	ErrAltered = errors.New("erasure: altered")
	// ErrNone reports a recording that no entry names.
	ErrNone = errors.New("erasure: no certificate for this recording")
	// ErrNotProved reports a certificate that does not prove what it says.
	ErrNotProved = errors.New("erasure: the certificate proves nothing")
)

// Why is the reason of an order, as a code: words about a person never stand here.
type Why uint8

// The reasons there are.
const (
	Order     Why = 1 // a person asked for it: the right to be forgotten
	Objection Why = 2 // a party objected to being recorded
	Retention Why = 3 // it has been kept as long as it may be
	HandOver  Why = 4 // a test call of before the hand-over
	Mistake   Why = 5 // it should not have been recorded at all
)

// Reasons are all of them, in order.
func Reasons() []Why { return []Why{Order, Objection, Retention, HandOver, Mistake} }

func (w Why) String() string {
	switch w {
	case Order:
		return "order"
	case Objection:
		return "objection"
	case Retention:
		return "retention"
	case HandOver:
		return "hand-over"
	case Mistake:
		return "mistake"
	}
	return fmt.Sprintf("reason %d", uint8(w))
}

// ParseWhy reads what String writes.
func ParseWhy(s string) (Why, error) {
	for _, w := range Reasons() {
		if w.String() == s {
			return w, nil
		}
	}
	return 0, fmt.Errorf("erasure: %q is no reason: order, objection, retention, hand-over or mistake", s)
}

// Pending is an order that is not carried out yet.
type Pending struct {
	Given  time.Time // no two orders have the same
	Why    Why
	Urgent bool // not to wait for the night
	Calls  []keys.ID
	Blocks []keys.ID // blocks of the catalogue that held their rows when the order was given
}

// Entry is a tombstone: what is for ever known of an order that was carried out.
type Entry struct {
	VaultID [keys.VaultIDSize]byte
	Number  uint64 // counts from 1
	Ordered time.Time
	Erased  time.Time // when the chip was asked for its word
	// Epoch is the first one of the keys that has nothing of the recordings: the chip's counter stands there, or beyond.
	Epoch  uint64
	Why    Why
	Calls  []keys.ID
	Blocks []keys.ID
	Before [32]byte // SHA-256 of the entry before, zeros for the first
	// Log is where the audit log ended when the chip was asked; nil in entries of version 1, which do not say.
	Log *Head
}

// Head is where the audit log ended: so the chip's word for an erasure binds everything that was written down before it.
type Head struct {
	Size uint64   // entries
	Root [32]byte // of the tree over them
}
