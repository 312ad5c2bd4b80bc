// Package grant gives chosen recordings to somebody who otherwise opens nothing: what is asked for, who signed it, and the
// wraps that carry it out.
//
//	In:    what is to be granted, a signature over all of it, data keys from whoever holds the custody key
//	Out:   wraps that only the holder's account key opens, and only while the recording's slot stands
//	Owner: plain functions; no goroutine
//	Full:  a grant lists at most MostRecordings
package grant

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"linekeep/vault/custody/book"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/secret"
)

var (
	// ErrNone reports a recording for which there is no live grant, or a grant that is not there.
	ErrNone = errors.New("office: no grant")
	// ErrBad reports a grant that cannot be made as it was asked for.
	ErrBad = errors.New("office: cannot be granted")
	// ErrBadSignature reports a grant whose signature is not a Director's or Controller's over just this grant.
	ErrBadSignature = errors.New("office: the signature is not over this grant by somebody who may sign it")
)

// MostRecordings is the most one grant lists: some 1.3 MB of the book.
const MostRecordings = 10_000

// Ask is what is to be granted. A grant by criteria is resolved to a fixed list before it is signed.
type Ask struct {
	Holder     keys.ID // the person who may
	Acts       book.Acts
	Until      time.Time
	Recordings []keys.ID
	Request    [32]byte // hash of the request, as the register keeps it
}

// Digest is what whoever authorises signs: all of the grant, and the request it answers.
func (a Ask) Digest(vaultID [keys.VaultIDSize]byte) [32]byte {
	ids := make([]byte, 0, len(a.Recordings)*keys.IDSize)
	for _, id := range a.Recordings {
		ids = id.Append(ids)
	}
	until := binary.BigEndian.AppendUint64(nil, uint64(a.Until.Unix()))
	return sha256.Sum256(secret.Info("grant", vaultID[:], a.Holder.Append(nil), []byte{byte(a.Acts)}, until, a.Request[:], ids))
}

// Valid refuses what nobody could mean. Errors: ErrBad.
func (a Ask) Valid(now time.Time) error {
	switch {
	case a.Acts == 0 || a.Acts > book.Hear|book.Copy|book.Export:
		return fmt.Errorf("%w: it allows nothing", ErrBad)
	case !a.Until.After(now):
		return fmt.Errorf("%w: its end is over", ErrBad)
	case len(a.Recordings) == 0 || len(a.Recordings) > MostRecordings:
		return fmt.Errorf("%w: %d recordings, want 1 to %d", ErrBad, len(a.Recordings), MostRecordings)
	}
	return nil
}

// Record is the grant as it waits for the Controller.
func (a Ask) Record(now time.Time, authoriser keys.ID, signature []byte) *book.Grant {
	g := &book.Grant{Made: now.UTC().Truncate(time.Second), Until: a.Until.UTC().Truncate(time.Second), Acts: a.Acts,
		Authoriser: authoriser, Request: a.Request, Signature: slices.Clone(signature)}
	for _, r := range a.Recordings {
		g.Recordings = append(g.Recordings, book.Granted{ID: r})
	}
	return g
}

// Verify finds out whether a Director or Controller signed just this. Errors: ErrBadSignature.
func Verify(state book.State, authoriser keys.ID, digest [32]byte, signature []byte) error {
	p, err := book.Get[*book.Person](state, authoriser)
	credentials := book.Of[*book.Credential](state, authoriser)
	if err != nil || !p.Record.Left.IsZero() || len(credentials) == 0 || !p.Record.Roles.Any(book.Director|book.Controller) {
		return fmt.Errorf("%w: the authoriser signs nothing", ErrBadSignature)
	}
	key, err := x509.ParsePKIXPublicKey(credentials[len(credentials)-1].Record.Signer)
	public, ok := key.(*ecdsa.PublicKey)
	if err != nil || !ok || !ecdsa.VerifyASN1(public, digest[:], signature) {
		return ErrBadSignature
	}
	return nil
}

// Calls is what is asked of the recordings: the slot and the wrap of one, and the custody key it is under.
type Calls interface {
	Wrapped(ctx context.Context, id keys.ID) (slot keys.Slot, number uint32, wrap []byte, err error)
}

// Over says that a grant's time is over.
func Over(g *book.Grant, now time.Time) bool { return !now.Before(g.Until) }

// Make wraps a grant's recordings to its holder's account, with data keys that unwrap gives. Those that are gone are left
// out, and named.
func Make(ctx context.Context, vaultID [keys.VaultIDSize]byte, g book.Found[*book.Grant], account envelope.Public, calls Calls,
	unwrap func(slot keys.Slot, number uint32, wrap []byte) (seal.DataKey, error)) (made *book.Grant, gone []keys.ID, err error) {
	wrapped := *g.Record
	wrapped.To, wrapped.Recordings = account.Bytes(), nil
	for _, r := range g.Record.Recordings {
		slot, number, wrap, err := calls.Wrapped(ctx, r.ID)
		if errors.Is(err, keys.ErrNoSlot) {
			gone = append(gone, r.ID)
			continue
		}
		if err == nil {
			r.Wrap, err = rewrap(vaultID, slot, g.ID, account, func() (seal.DataKey, error) { return unwrap(slot, number, wrap) })
		}
		if err != nil {
			return nil, nil, fmt.Errorf("recording %s: %w", r.ID, err)
		}
		wrapped.Recordings = append(wrapped.Recordings, r)
	}
	return &wrapped, gone, nil
}

// rewrap wraps what open gives. It wipes slot.
func rewrap(vaultID [keys.VaultIDSize]byte, slot keys.Slot, grant keys.ID, to envelope.Public, open func() (seal.DataKey, error)) ([]byte, error) {
	defer slot.Wipe()
	d, err := open()
	if err != nil {
		return nil, err
	}
	defer d.Wipe()
	return seal.WrapGranted(vaultID, slot, grant, to, d)
}

// Move wraps a grant to the holder's new account key. What was erased meanwhile is left out.
func Move(slots book.Keys, g book.Found[*book.Grant], before envelope.Private, to envelope.Public) (*book.Grant, error) {
	vaultID := slots.VaultID()
	moved := *g.Record
	moved.To, moved.Recordings = to.Bytes(), nil
	for _, r := range g.Record.Recordings {
		slot, err := slots.Slot(r.ID)
		if errors.Is(err, keys.ErrNoSlot) {
			continue
		}
		if err == nil {
			r.Wrap, err = rewrap(vaultID, slot, g.ID, to, func() (seal.DataKey, error) {
				return seal.UnwrapGranted(vaultID, slot, g.ID, before, r.Wrap)
			})
		}
		if err != nil {
			return nil, err
		}
		moved.Recordings = append(moved.Recordings, r)
	}
	return &moved, nil
}

// Open opens a recording's data key by a live grant of a person for an act. Errors: ErrNone, seal.ErrAltered.
func Open(slots book.Keys, state book.State, person keys.ID, account envelope.Private, slot keys.Slot, act book.Acts, now time.Time) (seal.DataKey, error) {
	for _, g := range book.Of[*book.Grant](state, person) {
		r, ok := g.Record.Find(slot.ID)
		if !ok || g.Record.Waiting() || g.Record.Acts&act == 0 || Over(g.Record, now) || slots.Doomed(g.ID) {
			continue
		}
		return seal.UnwrapGranted(slots.VaultID(), slot, g.ID, account, r.Wrap)
	}
	return seal.DataKey{}, fmt.Errorf("%w to %s recording %s", ErrNone, act, slot.ID)
}
