package vault

import (
	"context"
	"fmt"
	"iter"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/custody"
	"linekeep/vault/custody/office"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/seal"
)

// Recording is a recording somebody may hear. Close it: until then its key is in memory.
type Recording struct {
	ID       keys.ID
	Start    time.Time
	Length   line.Samples
	Parties  []segment.Party
	Manifest recording.Manifest

	vaultID [16]byte
	reader  *library.Reader
	key     seal.DataKey
}

// Play opens a recording with the recovery code. Errors: ErrNotThere, ErrNotFiled, ErrWrongCode, library.ErrAltered.
func (v *Vault) Play(ctx context.Context, id keys.ID, code custody.Code) (*Recording, error) {
	if v.office == nil {
		return nil, ErrNoPeople
	}
	return v.openFor(ctx, id, func(r *library.Reader) (seal.DataKey, error) {
		all, err := v.office.Recover(code)
		if err != nil {
			return seal.DataKey{}, err
		}
		defer func() {
			for _, p := range all {
				p.Wipe()
			}
		}()
		private, ok := all[r.Custody]
		if !ok {
			return seal.DataKey{}, fmt.Errorf("%w: custody key %d", custody.ErrNoKey, r.Custody)
		}
		return seal.Unwrap(v.keys.VaultID(), r.Slot, private, r.Wrap)
	})
}

// Hear opens a recording for somebody who is signed in: with the custody key, or with a grant to hear it. Errors: as Play,
// and office.ErrNoGrant, office.ErrEnded.
func (v *Vault) Hear(ctx context.Context, id keys.ID, s *office.Session) (*Recording, error) {
	return v.openFor(ctx, id, func(r *library.Reader) (seal.DataKey, error) { return s.DataKey(r.Slot, r.Custody, r.Wrap) })
}

// HearTest opens a recording of a vault that is being commissioned, which the box itself can. Errors: as Play, and
// office.ErrHandedOver.
func (v *Vault) HearTest(ctx context.Context, id keys.ID) (*Recording, error) {
	return v.openFor(ctx, id, func(r *library.Reader) (seal.DataKey, error) {
		key, ok := v.keys.Commissioning()
		if !ok {
			return seal.DataKey{}, office.ErrHandedOver
		}
		private, err := envelope.PrivateFrom(key) // the root's; not to be wiped
		if err != nil {
			return seal.DataKey{}, err
		}
		return seal.Unwrap(v.keys.VaultID(), r.Slot, private, r.Wrap)
	})
}

// openFor opens a recording whose data key unwrap gives.
func (v *Vault) openFor(ctx context.Context, id keys.ID, unwrap func(*library.Reader) (seal.DataKey, error)) (*Recording, error) {
	if v.store.Unfiled(id) && !v.library.Gone(id) {
		return nil, fmt.Errorf("%w: %s", ErrNotFiled, id)
	}
	if v.keys.Doomed(id) {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, id)
	}
	reader, err := v.library.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	vaultID := v.keys.VaultID()
	key, err := unwrap(reader)
	if err != nil {
		reader.Close()
		return nil, fmt.Errorf("the key of recording %s: %w", id, err)
	}
	m := reader.Manifest
	return &Recording{ID: id, Start: m.Opening.Start, Length: m.Closing.Length, Parties: m.Opening.Parties, Manifest: m,
		vaultID: vaultID, reader: reader, key: key}, nil
}

// Track gives a party's segments in order. Where something is altered or missing it gives an error that says what
// is lost, with an empty segment, and goes on after it; whoever only wants the whole stops there.
func (r *Recording) Track(p segment.Party) iter.Seq2[segment.Segment, error] {
	return func(yield func(segment.Segment, error) bool) {
		for i := range r.Manifest.Tracks {
			t := &r.Manifest.Tracks[i]
			if t.Party != p {
				continue
			}
			for _, part := range t.Parts {
				if !r.part(p, part, yield) {
					return
				}
			}
		}
	}
}

func (r *Recording) part(p segment.Party, part recording.Part, yield func(segment.Segment, error) bool) bool {
	c, err := r.reader.Chunk(p, part)
	if err != nil {
		return yield(segment.Segment{}, fmt.Errorf("the sound from %v to %v is lost: %w", part.Start.Duration(), part.End.Duration(), err))
	}
	for i := range c.Segments {
		s, err := r.open(&c, &c.Segments[i])
		if !yield(s, err) {
			return false
		}
	}
	return true
}

func (r *Recording) open(c *recording.Chunk, s *recording.Sealed) (segment.Segment, error) {
	h := seal.Header{ID: c.ID, Party: c.Party, Last: s.Last, Seq: s.Seq, Start: s.Start, Len: s.Len}
	plain, err := r.key.OpenSegment(nil, r.vaultID, h, s.Body)
	if err == nil {
		var out segment.Segment
		if out, err = segment.Decode(plain); err == nil {
			return out, nil
		}
	}
	return segment.Segment{}, fmt.Errorf("the sound from %v to %v is lost: %w", s.Start.Duration(), (s.Start + s.Len).Duration(), err)
}

// Close wipes the key and gives the folder back.
func (r *Recording) Close() {
	r.key.Wipe()
	r.reader.Close()
}
