package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/seal"
	"linekeep/vault/store/refusal"
)

// dataKey is the key of a call that is up, or none.
type dataKey struct {
	key  seal.DataKey
	here bool
}

func (d *dataKey) wipe() {
	if d.here {
		d.key.Wipe()
	}
	*d = dataKey{}
}

// batch is what one group puts into the journal. Its buffers are used again.
type batch struct {
	records []journal.Record
	plain   []byte
	sealed  []byte
	opened  []opened
	stored  []storedSegment
	closed  []*entry
	filed   int // of Store.done
}

type opened struct {
	call  segment.Call
	r     *entry
	index int // of its record
}

type storedSegment struct {
	t     *track
	index int
	gaps  int
	lost  line.Samples
}

func (b *batch) reset() {
	clear(b.records)
	b.records, b.sealed = b.records[:0], b.sealed[:0]
	b.opened, b.stored, b.closed, b.filed = b.opened[:0], b.stored[:0], b.closed[:0], 0
}

// Commit stores the group: nil = everything in it is encrypted, written and synced, but for calls that could not
// begin for want of room or of a key, which Status counts and an alarm shows; they begin as soon as they can.
// An error = nothing of it counts. Openings and closings in it are not lost: they go with the next group that is
// stored. Errors: ErrFull, or what the disk said.
func (s *Store) Commit(ctx context.Context, g *segment.Group) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	b := &s.batch
	b.reset()
	for i := range g.Openings {
		s.mu.Lock()
		s.waiting[g.Openings[i].Call] = refusal.Wait(g.Openings[i])
		s.mu.Unlock()
	}
	s.openWaiting(ctx, b)
	s.oweOpenings(b)
	for i := range g.Segments {
		s.sealSegment(b, &g.Segments[i])
	}
	for i := range g.Closings {
		s.close(&g.Closings[i])
	}
	s.oweClosings(b)
	if err := s.append(b, journal.Group{}); err != nil {
		return err
	}
	s.measure(g)
	if len(b.closed) > 0 {
		s.nudge()
	}
	return nil
}

// openWaiting gives a slot and a data key to each call that may begin now.
func (s *Store) openWaiting(ctx context.Context, b *batch) {
	if len(s.waiting) == 0 { // only Commit changes it
		return
	}
	may := s.cfg.Guard.Calls()
	for call, w := range s.waiting {
		err := may
		var r *entry
		if err == nil {
			r, err = s.begin(ctx, w.Opening)
		}
		if err != nil {
			if !w.Told {
				w.Told = true
				s.cfg.Log.ErrorContext(ctx, "a call is not being stored", slog.String("line", w.Opening.Line), slog.Any("err", err))
			}
			continue
		}
		s.mu.Lock()
		delete(s.waiting, call)
		s.calls[call] = r
		s.mu.Unlock()
	}
}

// begin makes the recording: a slot never used, a data key, and the wrap.
func (s *Store) begin(ctx context.Context, o segment.Opening) (*entry, error) {
	slot, err := s.cfg.Keys.Next(ctx, o.Class, o.Start)
	if err != nil {
		return nil, fmt.Errorf("take a slot key: %w", err)
	}
	shard, err := s.cfg.Keys.Shard(slot.ID.Shard)
	if err != nil {
		return nil, fmt.Errorf("take a slot key: %w", err)
	}
	r := &entry{id: slot.ID, meta: slot.Meta(), folder: library.FolderName(shard.Class, shard.Month), known: true}
	r.data = dataKey{key: seal.NewDataKey(), here: true}
	wrap, err := seal.Wrap(s.vaultID, slot, s.public, r.data.key)
	if err != nil {
		r.data.wipe()
		return nil, fmt.Errorf("wrap the data key: %w", err)
	}
	r.opening = recording.Opening{Line: o.Line, Class: o.Class, Start: o.Start, Trigger: o.Trigger, Direction: o.Direction,
		Parties: o.Parties, Continues: s.continued(&o), Custody: s.number}
	r.setBody(s.forms(r).SealOpening(wrap, r.opening))
	for _, p := range o.Parties {
		r.tracks = append(r.tracks, &track{party: p})
	}
	return r, nil
}

// continued finds the recording that this one goes on from: the one the pipeline names, or one on the same line
// that a power cut or crash ended a moment ago.
func (s *Store) continued(o *segment.Opening) keys.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.Continues != 0 {
		if r := s.calls[o.Continues]; r != nil {
			return r.id
		}
		for _, e := range s.ended {
			if e.call == o.Continues {
				return e.id
			}
		}
	}
	for i, c := range s.cut {
		if c.Line == o.Line && o.Start.Sub(c.End) <= JoinWithin {
			s.cut = slices.Delete(s.cut, i, i+1)
			return c.ID
		}
	}
	return keys.ID{}
}

// oweOpenings adds the opening of every call whose opening is not in the journal yet: those begun now, and those
// whose first group failed.
func (s *Store) oweOpenings(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for call, r := range s.calls {
		if len(r.opens) > 0 && !r.again {
			continue
		}
		b.opened = append(b.opened, opened{call: call, r: r, index: len(b.records)})
		b.records = append(b.records, journal.Record{Kind: journal.KindOpen, ID: r.id, Body: r.body})
	}
	slices.SortFunc(b.opened, func(x, y opened) int { return int(x.call) - int(y.call) })
	for i := range b.opened { // the map gave them in no order
		b.opened[i].index = i
		b.records[i] = journal.Record{Kind: journal.KindOpen, ID: b.opened[i].r.id, Body: b.opened[i].r.body}
	}
}

func (s *Store) sealSegment(b *batch, seg *segment.Segment) {
	r := s.calls[seg.Call]
	if r == nil || !r.data.here {
		s.mu.Lock()
		s.status.Lost += seg.Len
		s.status.Refusals = s.status.Refusals.Sound(s.waiting[seg.Call], seg)
		s.mu.Unlock()
		return
	}
	t := r.track(seg.Party)
	h := seal.Header{ID: r.id, Party: seg.Party, Last: seg.Last, Seq: t.seq, Start: seg.Start, Len: seg.Len}
	t.seq++ // burned, whatever becomes of this group: it is the nonce
	b.plain = segment.Append(b.plain[:0], seg)
	from := len(b.sealed)
	b.sealed = r.data.key.Segment(b.sealed, s.vaultID, h, b.plain)
	clear(b.plain)
	rec := journal.Record{Kind: journal.KindSegment, Party: seg.Party, ID: r.id, Seq: h.Seq, Start: h.Start, Len: h.Len, Body: b.sealed[from:]}
	if seg.Last {
		rec.Flags |= journal.FlagLast
	}
	st := storedSegment{t: t, index: len(b.records), gaps: len(seg.Gaps)}
	for _, g := range seg.Gaps {
		st.lost += g.Len
		rec.Flags |= flagGap
	}
	b.stored = append(b.stored, st)
	b.records = append(b.records, rec)
}

// close takes note that the call has ended. Its data key stays until the closing is stored: when this very group is
// refused, the next one brings the gap that its sound became, and that must be sealed too.
func (s *Store) close(c *segment.Closing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.waiting[c.Call]; w != nil {
		delete(s.waiting, c.Call)
		s.status.Refused++
		s.status.Refusals = s.status.Refusals.End(w, c)
		return
	}
	r := s.calls[c.Call]
	if r == nil || r.closing != nil {
		return
	}
	r.closing = &recording.Closing{End: c.End, Reason: c.Reason, Direction: c.Direction, Number: c.Number, Extension: c.Extension,
		Answered: c.Answered, Silent: c.Silent, Length: c.Length}
}

// oweClosings adds the closing of every call that has ended and whose closing is not in the journal yet, and word
// of what was filed since.
func (s *Store) oweClosings(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.calls {
		if r.closing == nil || r.said {
			continue
		}
		b.closed = append(b.closed, r)
		b.records = append(b.records, journal.Record{Kind: journal.KindClose, ID: r.id, Body: s.forms(r).SealClosing(*r.closing)})
	}
	for _, id := range s.done {
		b.records = append(b.records, journal.Record{Kind: journal.KindFiled, ID: id})
	}
	b.filed = len(s.done)
}

// append writes the batch, and takes note of what is stored.
func (s *Store) append(b *batch, g journal.Group) error {
	if err := s.cfg.Journal.Append(s.group(g), b.records); err != nil {
		s.mu.Lock()
		s.status.Failed++
		s.mu.Unlock()
		if errors.Is(err, journal.ErrFull) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		return fmt.Errorf("store a group: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appended = s.cfg.Clock()
	if len(b.stored) > 0 {
		s.status.LastStored = s.appended
	}
	for _, o := range b.opened {
		if len(o.r.opens) == 0 {
			s.unfiled[o.r.id] = o.r
			s.order = append(s.order, o.r)
		}
		s.cfg.Journal.Release(o.r.opens...)
		o.r.opens, o.r.again = []journal.Position{b.records[o.index].Pos}, false
	}
	for _, st := range b.stored {
		st.t.add(&b.records[st.index], st.gaps, st.lost)
	}
	s.noteClosed(b)
	s.done = s.done[b.filed:]
	return nil
}

// noteClosed marks the closings of the batch as stored. From here on nobody has their data keys in the clear. mu is held.
func (s *Store) noteClosed(b *batch) {
	for _, r := range b.closed {
		r.said = true
		r.data.wipe()
		if r.closing.Reason == segment.EndStop {
			s.stopped = append(s.stopped, Cut{Line: r.opening.Line, End: r.closing.End, ID: r.id})
		}
		for call, other := range s.calls {
			if other == r {
				delete(s.calls, call)
				s.ended = append(s.ended, endedCall{call: call, id: r.id})
			}
		}
	}
	s.ended = s.ended[max(0, len(s.ended)-rememberedCalls):]
	for i := range b.records {
		if rec := &b.records[i]; rec.Kind == journal.KindClose {
			if r := s.unfiled[rec.ID]; r != nil {
				r.closeAt = rec.Pos
			}
		}
	}
}

// flush writes what is owed when no group comes by; final says that the vault is being closed. commit is held.
func (s *Store) flush(ctx context.Context, final bool) error {
	b := &s.batch
	b.reset()
	s.openWaiting(ctx, b)
	s.oweOpenings(b)
	s.oweClosings(b)
	return s.append(b, journal.Group{Final: final})
}

// measure takes the time from hearing the oldest sound of the group to storing it.
func (s *Store) measure(g *segment.Group) {
	now := s.cfg.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	lag := s.status.Lag
	for i := range g.Segments {
		seg := &g.Segments[i]
		if i == 0 {
			lag = 0
		}
		sound := line.Samples(seg.Packets()) * line.FrameSamples
		lag = max(lag, now.Sub(seg.Heard)+sound.Duration())
	}
	s.status.Lag, s.status.LongestLag = lag, max(s.status.LongestLag, lag)
}

func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // the mover has yet to act on the word before this one
	}
}

func (s *Store) forms(r *entry) recording.Forms {
	return recording.Forms{VaultID: s.vaultID, ID: r.id, Meta: r.meta}
}

func (r *entry) setBody(body []byte) {
	r.body, r.wrap = body, recording.Hash(body)
}

// track gives the track of a party, making it if the opening did not announce it.
func (r *entry) track(p segment.Party) *track {
	for _, t := range r.tracks {
		if t.party == p {
			return t
		}
	}
	t := &track{party: p}
	r.tracks = append(r.tracks, t)
	return t
}

// add takes note of a stored segment and the gaps marked in it. What lies between it and the one before is lost
// too: a failed group, or the time before a waiting call could begin.
func (t *track) add(rec *journal.Record, gaps int, lost line.Samples) {
	if hole := rec.Start - t.end; hole > 0 {
		t.gaps++
		t.lost += hole
	}
	if gaps == 0 && rec.Flags&flagGap != 0 {
		gaps = 1 // at least: how many is sealed with the sound
	}
	t.gaps += uint32(gaps)
	t.lost += lost
	t.end = max(t.end, rec.Start+rec.Len)
	t.last = t.last || rec.Flags&journal.FlagLast != 0
	t.seq = max(t.seq, rec.Seq+1)
	t.pending = append(t.pending, ref{pos: rec.Pos, seq: rec.Seq, flags: rec.Flags, start: rec.Start, len: rec.Len})
}
