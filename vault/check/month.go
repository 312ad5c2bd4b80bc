package check

import (
	"context"
	"errors"
	"maps"
	"slices"

	"linekeep/audio/segment"
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
	l := &lent{r: r, name: name}
	err := l.borrow(ctx)
	defer l.giveBack()
	if err == nil {
		read := r.whole
		if r.share.Of > 0 {
			read = r.shared
		}
		err = read(ctx, l)
	}
	if err == nil && r.share.hasFolder(name) {
		err = l.verify(ctx)
	}
	switch {
	case errors.Is(err, errWent):
		r.went = true
		return nil // its time was over while the check went on, which is hours for a share
	case errors.As(err, new(shut)):
		r.leaves.unread[name] = true
		r.find(Altered, name, "The folder cannot be opened, so none of its recordings can be played: %v.", err)
		return nil
	case errors.As(err, new(unreadable)):
		r.leaves.unread[name] = true
		r.find(Altered, name, "The folder cannot be read to its end: %v.", err)
		return nil
	}
	return err
}

// whole goes through everything in the folder once, in its own order.
func (r *run) whole(ctx context.Context, l *lent) error {
	all := make(map[keys.ID]*held)
	walked := r.read(ctx, l, nil, all)
	if walked != nil && !errors.As(walked, new(unreadable)) {
		return walked
	}
	for _, id := range slices.SortedFunc(maps.Keys(all), inOrder) {
		if err := r.one(ctx, l.name, id, all[id]); err != nil {
			return err
		}
		if err := l.yield(ctx); err != nil {
			return err
		}
	}
	return walked
}

// read goes through the values under a prefix. Whoever wants the folder has it after each, and then the reading goes on.
func (r *run) read(ctx context.Context, l *lent, prefix []byte, all map[keys.ID]*held) error {
	from := prefix
	for {
		var last []byte
		err := l.loan.Folder.WalkFrom(prefix, from, func(key, value []byte, err error) error {
			last = key
			if err := r.value(ctx, l.name, key, value, err, all); err != nil {
				return &ending{err}
			}
			if l.asked() {
				return errAsked
			}
			return nil
		})
		var end *ending
		switch {
		case errors.As(err, &end):
			return end.error
		case errors.Is(err, errAsked):
			from = append(last, 0)
			if err := l.yield(ctx); err != nil {
				return err
			}
		case err != nil:
			return unreadable{err}
		default:
			return nil
		}
	}
}

// value takes one value in. Errors: those that end the check.
func (r *run) value(ctx context.Context, name string, key, value []byte, err error, all map[keys.ID]*held) error {
	p, ok := recording.ParseKey(key)
	if !ok {
		r.find(Extra, name, "It holds something under the key %x, which is nothing of ours. It does no harm.", key)
		return ctx.Err()
	}
	h := all[p.ID]
	if h == nil {
		h = &held{chunks: make(map[track]*chunk), bad: make(map[recording.PlaceKind]bool)}
		all[p.ID] = h
	}
	r.hold(h, p, value, err)
	if r.pace != nil && p.Kind == recording.AtChunk {
		return r.pace(ctx, int64(len(value)))
	}
	return ctx.Err()
}

// one checks a recording of which everything was read.
func (r *run) one(ctx context.Context, name string, id keys.ID, h *held) error {
	r.leaves.there[id] = true
	if r.young(id) {
		return nil
	}
	before := len(r.report.Findings)
	r.recording(ctx, name, id, h)
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
func (r *run) recording(ctx context.Context, name string, id keys.ID, h *held) {
	what := "recording " + id.String()
	slot, err := r.v.Library.Keys.Slot(id)
	if errors.Is(err, keys.ErrNoSlot) || r.v.Library.Gone(id) {
		return // erased: what still stands here is noise, and goes with its month
	}
	if err != nil {
		r.claimed[id] = true
		r.find(Altered, what, "Its slot key cannot be read, so it cannot be played: %v.", err)
		return
	}
	if shard, err := r.v.Library.Keys.Shard(id.Shard); err == nil {
		places := library.Places(shard)
		if name == places[1] && r.stands(ctx, places[0], id) {
			return // it is being carried here from its month, and is played from there until that goes
		}
		if !slices.Contains(places, name) {
			r.report.Calls++
			r.find(Extra, what, "It stands in %s, where it does not belong. It is not played from there, and does no harm.", name)
			return
		}
	}
	r.report.Calls++
	if h.manifest == nil {
		r.claimed[id] = true
		if h.bad[recording.AtManifest] {
			r.find(Altered, what, "Its manifest is altered: it cannot be proved whole, and not be played.")
			return
		}
		r.find(Missing, what, "Its manifest is missing: it cannot be proved whole, and not be played.")
		return
	}
	m, err := recording.OpenManifest(recording.Forms{VaultID: r.v.Library.Keys.VaultID(), ID: id, Meta: slot.Meta()}, h.manifest)
	if err != nil {
		r.claimed[id] = true
		r.find(Altered, what, "Its manifest is altered: it cannot be proved whole, and not be played (%v).", err)
		return
	}
	r.wrap(what, h, &m)
	r.sound(what, h, &m)
	r.row(what, &m)
	r.logged(what, &m, h.manifest)
}

// stands says whether a recording has its manifest in a folder. That there is such a folder says nothing: a month that was dropped comes
// back when calls are recorded under a wall clock that was put back.
func (r *run) stands(ctx context.Context, name string, id keys.ID) bool {
	if !r.v.Library.Months.Has(name) {
		return false
	}
	f, release, err := r.v.Library.Months.Use(ctx, name, false)
	if err != nil {
		return false // it went just now, or says itself that it does not open
	}
	defer release()
	_, err = f.Get(recording.ManifestKey(id))
	return !errors.Is(err, folder.ErrMissing) // one that is altered stands there, and is told of there
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
	row, ok := r.common.rows[m.ID]
	r.claimed[m.ID] = true
	if !ok && r.v.Unfiled != nil { // it may have been brought in since the rows were read
		r.leaves.unrowed[m.ID] = what
		return
	}
	if !ok {
		r.rowMissing(what)
		return
	}
	if row != rowSum(m.Row()) {
		r.find(Altered, what, "Its row in the catalogue says something else than its manifest: %s", meansRows)
	}
}

func (r *run) rowMissing(what string) {
	r.find(Missing, what, "It is not in the catalogue: it can be played, and not be found. %s", meansRows)
}

// stillUnrowed asks the catalogue once more for what it did not have: what was recorded beside the vault is brought in at any time, its
// manifest first and its row a moment later.
func (r *run) stillUnrowed() {
	missing := slices.SortedFunc(maps.Keys(r.leaves.unrowed), inOrder)
	if len(missing) == 0 {
		return
	}
	have := r.v.Catalog.Have(missing...)
	for _, id := range missing {
		if !have[id] && !r.young(id) && !r.v.Library.Gone(id) {
			r.rowMissing(r.leaves.unrowed[id])
		}
	}
}
