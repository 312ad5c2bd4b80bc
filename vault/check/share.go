package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"linekeep/audio/segment"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
)

// Share is one of several parts that a vault's recordings are divided into by their ids, so that one can be read each night.
type Share struct{ Number, Of int }

// Has says whether a recording is of the share.
func (s Share) Has(id keys.ID) bool {
	return s.Of == 0 || (int(id.Slot)+int(id.Shard))%s.Of == s.Number
}

// hasFolder says whether the files of a month's folder are read whole with the share.
func (s Share) hasFolder(name string) bool {
	if s.Of == 0 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return int(h.Sum32()%uint32(s.Of)) == s.Number
}

// Covers says whether a look at the share finds again what a finding speaks of, if it is still so.
func (s Share) Covers(what string) bool {
	if text, ok := strings.CutPrefix(what, "recording "); ok {
		id, err := keys.ParseID(text)
		return err != nil || s.Has(id)
	}
	return !strings.HasPrefix(what, library.CallsDir+"/") || s.hasFolder(what)
}

// shared reads a folder's keys, and of the recordings of the share everything.
func (r *run) shared(ctx context.Context, l *lent) error {
	mine := make(map[keys.ID]bool)
	err := l.loan.Folder.Keys(nil, func(key []byte) error {
		if p, ok := recording.ParseKey(key); !ok {
			r.find(Extra, l.name, "It holds something under the key %x, which is nothing of ours. It does no harm.", key)
		} else if r.share.Has(p.ID) {
			mine[p.ID] = true
		}
		return ctx.Err()
	})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return unreadable{err}
	}
	for _, id := range slices.SortedFunc(maps.Keys(mine), inOrder) {
		all := make(map[keys.ID]*held)
		for _, prefix := range [][]byte{recording.WrapKey(id), recording.RewrapKey(id), recording.ManifestKey(id), recording.ChunksKey(id)} {
			if err := r.read(ctx, l, prefix, all); err != nil {
				return err
			}
		}
		if h := all[id]; h != nil { // deleted meanwhile
			if err := r.one(ctx, l.name, id, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// inOrder is the order in which slots are handed out, and much of the order in which sound lies on the disk.
func inOrder(a, b keys.ID) int {
	return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Slot, b.Slot))
}

// hear opens a recording with somebody's custody key, and looks at every packet of it. Errors: ErrStop, that of ctx.
func (r *run) hear(ctx context.Context, id keys.ID) error {
	what := "recording " + id.String()
	rec, err := r.v.Hear(ctx, id)
	switch {
	case errors.Is(err, ErrStop) || ctx.Err() != nil:
		return errors.Join(err, ctx.Err())
	case err != nil && (errors.Is(err, keys.ErrNoSlot) || errors.Is(err, library.ErrNotThere) || r.v.Library.Gone(id)):
		return nil // erased meanwhile, or restricted: nobody may open it now
	case err != nil:
		r.find(Altered, what, "It does not open with the custody key: nobody can hear it any more (%v).", err)
		return nil
	}
	defer rec.Close()
	for _, p := range rec.Parties {
		segments, bad, first := 0, 0, error(nil)
		for s, err := range rec.Track(p) {
			segments++
			if err == nil {
				err = packets(s)
			}
			if err != nil {
				if bad++; bad == 1 {
					first = err
				}
			}
		}
		if bad > 0 {
			r.find(Altered, what, "Opened with the custody key, %d of the %d segments of %s are not what was recorded: the first, %v. The rest can be played.", bad, segments, p, first)
		}
	}
	r.report.Heard++
	return ctx.Err()
}

// opusFrames are the durations of one frame by the first five bits of a packet, in units of 2.5 ms (RFC 6716, table 2).
func opusFrames() [32]int {
	return [32]int{4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8}
}

// packets says whether a segment's packets are mono Opus of 20 ms each, as the encoder makes them.
func packets(s segment.Segment) error {
	for p := range s.Pieces() {
		if p.Packet == nil {
			continue
		}
		toc := p.Packet[0]
		const perPacket = 8 // 20 ms
		if stereo, frames := toc&4 != 0, toc&3; stereo || frames != 0 || opusFrames()[toc>>3] != perPacket {
			return fmt.Errorf("a packet at %v is not mono Opus of 20 ms", p.At.Duration())
		}
	}
	return nil
}
