// Package hearing opens what a recording is made of, for somebody who may hear it.
//
// Stage: line -> call -> encode -> seal -> store -> search -> [release].
//
//	In:    a recording's reader and its data key
//	Out:   the segments of each party in order; where something is altered or missing, an error that says what is lost
//	Owner: the caller, who closes it: until then the key is in memory. No goroutine
//	Full:  one chunk of 60 s is in memory at a time
package hearing

import (
	"fmt"
	"iter"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
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

// New makes a recording out of its reader and its key, which are its own from now on.
func New(vaultID [keys.VaultIDSize]byte, id keys.ID, reader *library.Reader, key seal.DataKey) *Recording {
	m := reader.Manifest
	return &Recording{ID: id, Start: m.Opening.Start, Length: m.Closing.Length, Parties: m.Opening.Parties, Manifest: m,
		vaultID: vaultID, reader: reader, key: key}
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
