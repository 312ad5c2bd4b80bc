package check

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"linekeep/audio/segment"
	"linekeep/vault/catalog"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
)

// held is what a month's folder holds of one recording.
type held struct {
	wrap     *[32]byte
	manifest []byte
	chunks   map[track]*chunk
	bad      map[recording.PlaceKind]bool // there, and altered
}

type track struct {
	party  segment.Party
	number uint32
}

// chunk is a minute as it was read.
type chunk struct {
	hash [32]byte
	size int
	bad  bool
}

// month checks one folder: what it says of itself, and the recordings in it. Errors: those that end the check.
func (r *run) month(ctx context.Context, name string) error {
	f, release, err := r.v.Library.Months.Use(ctx, name, false)
	if err != nil && !r.v.Library.Months.Has(name) {
		r.went = true
		return nil // its time was over while the check went on, which is hours for a share
	}
	if err != nil {
		r.leaves.unread[name] = true
		r.find(Altered, name, "The folder cannot be opened, so none of its recordings can be played: %v.", err)
		return nil
	}
	defer release()
	r.errors(name, meansFolder, f.Findings())
	read := r.whole
	if r.v.Share.Of > 0 {
		read = r.shared
	}
	var told []string
	err = read(ctx, f, name, &told)
	if errors.Is(err, errUnreadable) {
		r.leaves.unread[name] = true
		r.find(Altered, name, "The folder cannot be read to its end: %v.", err)
		err = nil
	}
	if err != nil || !r.v.Share.hasFolder(name) {
		return err
	}
	for _, err := range f.Verify(ctx) {
		if !names(err, told) {
			r.errors(name, meansFolder, []error{err})
		}
	}
	return nil
}

// errUnreadable is an error of a folder, not one of those that end the check.
var errUnreadable = errors.New("check: folder")

// whole goes through everything in the folder once, in its own order, and notes the keys of values that are altered.
func (r *run) whole(ctx context.Context, f *folder.Folder, name string, told *[]string) error {
	all := make(map[keys.ID]*held)
	walked := r.read(ctx, f, nil, name, all, told)
	if r.paced != nil {
		return walked
	}
	for id, h := range all {
		if err := r.one(ctx, name, id, h); err != nil {
			return err
		}
	}
	return walked
}

// read goes through the values under a prefix.
func (r *run) read(ctx context.Context, f *folder.Folder, prefix []byte, name string, all map[keys.ID]*held, told *[]string) error {
	err := f.Walk(prefix, func(key, value []byte, err error) error {
		p, ok := recording.ParseKey(key)
		if !ok {
			r.find(Extra, name, "It holds something under the key %x, which is nothing of ours. It does no harm.", key)
			return nil
		}
		h := all[p.ID]
		if h == nil {
			h = &held{chunks: make(map[track]*chunk), bad: make(map[recording.PlaceKind]bool)}
			all[p.ID] = h
		}
		if err != nil {
			*told = append(*told, hex.EncodeToString(key))
		}
		r.hold(h, p, value, err)
		if r.v.Pace != nil && p.Kind == recording.AtChunk {
			r.paced = r.v.Pace(ctx, int64(len(value)))
		}
		return r.paced
	})
	if r.paced != nil {
		return r.paced
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return nil
}

// one checks a recording of which everything was read.
func (r *run) one(ctx context.Context, name string, id keys.ID, h *held) error {
	r.leaves.there[id] = true
	if r.young(id) {
		return nil
	}
	before := len(r.report.Findings)
	r.recording(name, id, h)
	if r.v.Hear != nil && len(r.report.Findings) == before && !r.v.Library.Gone(id) {
		if err := r.hear(ctx, id); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (r *run) hold(h *held, p recording.Place, value []byte, err error) {
	switch {
	case p.Kind == recording.AtChunk:
		c := &chunk{hash: recording.Hash(value), size: len(value), bad: err != nil}
		h.chunks[track{p.Party, p.Number}] = c
		r.report.Chunks++
		r.report.Bytes += int64(len(value))
		if err == nil {
			parsed, perr := recording.ParseChunk(value)
			c.bad = perr != nil || parsed.ID != p.ID || parsed.Party != p.Party || parsed.Number != p.Number
		}
	case err != nil:
		h.bad[p.Kind] = true
	case p.Kind == recording.AtRewrap:
		if _, rerr := recording.ParseRewrap(value); rerr != nil {
			h.bad[p.Kind] = true
		}
	case p.Kind == recording.AtWrap:
		hash := recording.Hash(value)
		h.wrap = &hash
	default:
		h.manifest = value
	}
}

// recording compares what is there with what the manifest says, and the manifest with its row.
func (r *run) recording(name string, id keys.ID, h *held) {
	what := "recording " + id.String()
	slot, err := r.v.Library.Keys.Slot(id)
	if errors.Is(err, keys.ErrNoSlot) || r.v.Library.Gone(id) {
		return // erased: what still stands here is noise, and goes with its month
	}
	if err != nil {
		delete(r.rows, id)
		r.find(Altered, what, "Its slot key cannot be read, so it cannot be played: %v.", err)
		return
	}
	if shard, err := r.v.Library.Keys.Shard(id.Shard); err == nil {
		places := library.Places(shard)
		if name == places[1] && r.v.Library.Months.Has(places[0]) {
			return // it is being carried here from its month, and stands there, too
		}
		if !slices.Contains(places, name) {
			r.report.Calls++
			r.find(Extra, what, "It stands in %s, where it does not belong.", name)
			return
		}
	}
	r.report.Calls++
	if h.manifest == nil {
		delete(r.rows, id)
		if h.bad[recording.AtManifest] {
			r.find(Altered, what, "Its manifest is altered: it cannot be proved whole, and not be played.")
			return
		}
		r.find(Missing, what, "Its manifest is missing: it cannot be proved whole, and not be played.")
		return
	}
	m, err := recording.OpenManifest(recording.Forms{VaultID: r.v.Library.Keys.VaultID(), ID: id, Meta: slot.Meta()}, h.manifest)
	if err != nil {
		delete(r.rows, id)
		r.find(Altered, what, "Its manifest is altered: it cannot be proved whole, and not be played (%v).", err)
		return
	}
	r.wrap(what, h, &m)
	r.sound(what, h, &m)
	r.row(what, &m)
	r.logged(what, &m, h.manifest)
}

func (r *run) wrap(what string, h *held, m *recording.Manifest) {
	switch {
	case h.bad[recording.AtWrap] || h.wrap != nil && *h.wrap != m.Wrap:
		r.find(Altered, what, "Its wrapped key is altered: nobody can hear it any more.")
	case h.wrap == nil:
		r.find(Missing, what, "Its wrapped key is missing: nobody can hear it any more.")
	}
	if h.bad[recording.AtRewrap] {
		r.find(Altered, what, "Its wrap for the custody key in force is altered: nobody can hear it any more.")
	}
}

// sound compares every minute with its hash.
func (r *run) sound(what string, h *held, m *recording.Manifest) {
	for i := range m.Tracks {
		t := &m.Tracks[i]
		for _, part := range t.Parts {
			place := track{t.Party, part.Number}
			c := h.chunks[place]
			delete(h.chunks, place)
			from, to := part.Start.Duration(), part.End.Duration()
			switch {
			case c == nil:
				r.find(Missing, what, "The sound of %s from %v to %v is missing; the rest can be played.", t.Party, from, to)
			case c.bad || c.hash != part.Hash || c.size != int(part.Size):
				r.find(Altered, what, "The sound of %s from %v to %v is altered and will not be played; the rest can be.", t.Party, from, to)
			}
		}
	}
	for place := range h.chunks {
		r.find(Extra, what, "Minute %d of %s stands there, and its manifest does not know it. It is not played.", place.number, place.party)
	}
}

// row compares the catalogue with the manifest.
func (r *run) row(what string, m *recording.Manifest) {
	if r.v.Catalog == nil {
		return
	}
	row, ok := r.rows[m.ID]
	delete(r.rows, m.ID)
	if !ok {
		r.find(Missing, what, "It is not in the catalogue: it can be played, and not be found. %s", meansRows)
		return
	}
	if want := m.Row(); !same(row, want) {
		r.find(Altered, what, "Its row in the catalogue says something else than its manifest: %s", meansRows)
	}
}

// same compares what the catalogue keeps: times to the nanosecond, durations in whole samples.
func same(a, b catalog.Row) bool {
	if !a.Start.Equal(b.Start) || a.Duration != b.Duration || a.GapTotal != b.GapTotal {
		return false
	}
	x, y := slices.Clone(a.Parties), slices.Clone(b.Parties)
	slices.Sort(x)
	slices.Sort(y)
	if !slices.Equal(x, y) {
		return false
	}
	return a.ID == b.ID && a.Line == b.Line && a.Class == b.Class && a.Direction == b.Direction && a.Number == b.Number &&
		a.Extension == b.Extension && a.Answered == b.Answered && a.Silent == b.Silent && a.Trigger == b.Trigger &&
		a.Reason == b.Reason && a.Gaps == b.Gaps && a.Bytes == b.Bytes && a.Continues == b.Continues && a.Recovered == b.Recovered
}
