package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
)

// ErrTailLost reports that a folder has silently lost its newest writes: it counts fewer commits than the journal
// saw. What the journal still holds is written to it again.
var ErrTailLost = errors.New("store: folder lost its newest writes")

// adopt makes recordings of what the journal holds and nobody has filed.
func (s *Store) adopt(ctx context.Context, replay *journal.Replay) error {
	filed := make(map[keys.ID]bool)
	for i := range replay.Records {
		if r := &replay.Records[i]; r.Kind == journal.KindFiled {
			filed[r.ID] = true
		}
	}
	for i := range replay.Records {
		rec := &replay.Records[i]
		if filed[rec.ID] {
			s.grace = append(s.grace, *rec)
			continue
		}
		if err := s.adoptRecord(rec); err != nil {
			s.find(ctx, err)
		}
	}
	for _, r := range slices.Clone(s.order) {
		if err := s.describe(r); err != nil {
			s.find(ctx, err)
		}
	}
	return nil
}

// adoptRecord puts one record of the journal where it belongs.
func (s *Store) adoptRecord(rec *journal.Record) error {
	if rec.Kind == journal.KindFiled {
		return nil
	}
	r, err := s.recordingOf(rec.ID)
	if err != nil {
		s.cfg.Journal.Release(rec.Pos)
		return err
	}
	if r == nil { // erased: nothing of it can be read by anybody
		s.cfg.Journal.Release(rec.Pos)
		return nil
	}
	switch rec.Kind {
	case journal.KindOpen:
		r.opens = append(r.opens, rec.Pos)
	case journal.KindClose:
		r.closeAt = rec.Pos
	case journal.KindSegment:
		t := r.track(rec.Party)
		t.pending = append(t.pending, ref{pos: rec.Pos, seq: rec.Seq, flags: rec.Flags, start: rec.Start, len: rec.Len})
		t.end = max(t.end, rec.Start+rec.Len)
		t.last = t.last || rec.Flags&journal.FlagLast != 0
	}
	return nil
}

// recordingOf gives the unfiled recording with that id, making it when it is new; nil when its slot was erased.
func (s *Store) recordingOf(id keys.ID) (*recording, error) {
	if r := s.unfiled[id]; r != nil {
		return r, nil
	}
	slot, err := s.cfg.Keys.Slot(id)
	if errors.Is(err, keys.ErrNoSlot) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recording %s cannot be closed or filed: %w", id, err)
	}
	shard, err := s.cfg.Keys.Shard(id.Shard)
	if err != nil {
		return nil, fmt.Errorf("recording %s cannot be closed or filed: %w", id, err)
	}
	r := &recording{id: id, meta: slot.Meta(), folder: FolderName(shard.Class, shard.Month)}
	s.unfiled[id] = r
	s.order = append(s.order, r)
	return r, nil
}

// describe reads the opening and the closing of an adopted recording from the journal. One that has no closing was
// cut; whoever calls on its line soon is taken to go on from it.
func (s *Store) describe(r *recording) error {
	if n := len(r.opens); n > 0 {
		_, body, err := s.cfg.Journal.Read(r.opens[n-1], nil)
		if err != nil {
			return err
		}
		if r.opening, err = s.forms(r).OpenOpening(body); err != nil {
			return err
		}
		r.setBody(body)
		r.announce()
	}
	r.said = true
	if r.closeAt != (journal.Position{}) {
		_, body, err := s.cfg.Journal.Read(r.closeAt, nil)
		if err != nil {
			return err
		}
		c, err := s.forms(r).OpenClosing(body)
		if err != nil {
			return err
		}
		r.closing = &c
		return nil
	}
	r.cut = true
	if r.body != nil {
		s.cut = append(s.cut, cutCall{line: r.opening.Line, end: at(r.opening.Start, r.end()), id: r.id})
	}
	return nil
}

// announce makes the tracks that the opening names, also those nothing was heard on.
func (r *recording) announce() {
	for _, p := range r.opening.Parties {
		r.track(p)
	}
}

func (r *recording) end() (end line.Samples) {
	for _, t := range r.tracks {
		end = max(end, t.end)
	}
	return end
}

// settle compares the folders with what the journal says of them, once, before anything is moved.
func (s *Store) settle(ctx context.Context) error {
	s.mu.Lock()
	grace, unclean := s.grace, s.unclean
	counters := make(map[string]uint64)
	for name, n := range s.counters {
		counters[name] = n
	}
	s.mu.Unlock()
	if grace == nil && !unclean {
		return nil
	}
	lost := make(map[string]bool)
	for name, n := range counters {
		if !strings.HasPrefix(name, callsDir+"/") {
			continue
		}
		less, err := s.compare(ctx, name, n, unclean)
		if err != nil {
			return err
		}
		lost[name] = less
	}
	for i := range grace {
		s.regard(ctx, &grace[i], lost)
	}
	s.mu.Lock()
	s.grace, s.unclean = nil, false
	s.mu.Unlock()
	return nil
}

// compare opens a folder and says whether it has lost its newest writes.
func (s *Store) compare(ctx context.Context, name string, commits uint64, unclean bool) (bool, error) {
	f, release, err := s.months.Use(ctx, name, true)
	if err != nil {
		return false, err
	}
	defer release()
	for _, err := range f.Findings() {
		s.find(ctx, err)
	}
	have := f.Commits()
	if have < commits {
		s.find(ctx, fmt.Errorf("%w: %s has %d commits of %d; what the journal still holds is written again", ErrTailLost, name, have, commits))
	}
	if unclean || have < commits {
		if err := s.orphans(f); err != nil {
			return false, err
		}
	}
	return have < commits, nil
}

// regard looks at a record of a recording that was filed before the start: it is needed again only where the
// folder lost what was moved there.
func (s *Store) regard(ctx context.Context, rec *journal.Record, lost map[string]bool) {
	if rec.Kind == journal.KindFiled {
		return
	}
	shard, err := s.cfg.Keys.Shard(rec.ID.Shard)
	if err != nil || !lost[FolderName(shard.Class, shard.Month)] {
		s.cfg.Journal.Release(rec.Pos)
		return
	}
	s.mu.Lock()
	err = s.adoptRecord(rec)
	r := s.unfiled[rec.ID]
	s.mu.Unlock()
	if err == nil && r != nil && (rec.Kind == journal.KindOpen || rec.Kind == journal.KindClose) {
		err = s.describeAgain(r)
	}
	if err != nil {
		s.find(ctx, err)
	}
}

// describeAgain is describe for a recording that was filed, and so was not cut just now.
func (s *Store) describeAgain(r *recording) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.cut)
	r.cut = false
	err := s.describe(r)
	s.cut = s.cut[:n]
	return err
}

// orphans adopts recordings that the folder holds the wrap of, but neither it nor the journal an end.
func (s *Store) orphans(f *folder.Folder) error {
	closed := make(map[string]bool)
	if err := f.Keys([]byte{prefixManifest}, func(key []byte) error {
		closed[string(key[1:])] = true
		return nil
	}); err != nil {
		return err
	}
	return f.Keys([]byte{prefixWrap}, func(key []byte) error {
		if closed[string(key[1:])] {
			return nil
		}
		id, err := keys.IDFrom(bytes.Clone(key[1:]))
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.unfiled[id] != nil {
			return nil
		}
		r, err := s.recordingOf(id)
		if r != nil {
			r.cut, r.said = true, true
		}
		return err
	})
}

// recall learns what the folder holds of a recording that the last run left, and takes it from there.
func (s *Store) recall(ctx context.Context, r *recording) error {
	f, release, err := s.months.Use(ctx, r.folder, true)
	if err != nil {
		return err
	}
	defer release()
	if err := s.recallOpening(ctx, f, r); err != nil || r.body == nil {
		return err
	}
	sealed, err := f.Get(manifestKey(r.id))
	if err == nil {
		if m, merr := OpenManifest(s.forms(r), sealed); merr == nil {
			r.filed, r.closing, r.cut = sealed, &m.Closing, m.Recovered
		} else {
			s.find(ctx, merr) // and made anew below
		}
	} else if !errors.Is(err, folder.ErrMissing) {
		s.find(ctx, err)
	}
	if err := s.recallChunks(ctx, f, r); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.closing == nil {
		end := r.end()
		r.closing = &Closing{End: at(r.opening.Start, end), Reason: segment.EndRecovery, Direction: r.opening.Direction, Length: end}
		s.cfg.Log.InfoContext(ctx, "a cut recording was closed", slog.String("id", r.id.String()), slog.Duration("length", end.Duration()))
	}
	r.known = true
	return nil
}

// recallOpening gets the opening from the folder where the journal has none. Without any nobody can ever hear
// the recording: its data key was in there.
func (s *Store) recallOpening(ctx context.Context, f *folder.Folder, r *recording) error {
	body, err := f.Get(wrapKey(r.id))
	switch {
	case err == nil && r.body == nil:
		if r.opening, err = s.forms(r).OpenOpening(body); err != nil {
			s.find(ctx, err)
			break
		}
		r.setBody(body)
		s.mu.Lock()
		r.announce()
		s.mu.Unlock()
		r.moved = true
	case err == nil:
		r.moved = bytes.Equal(body, r.body)
	case !errors.Is(err, folder.ErrMissing):
		s.find(ctx, err)
	}
	if r.body == nil {
		s.find(ctx, fmt.Errorf("recording %s is lost: its wrapped key is neither in the journal nor in %s", r.id, r.folder))
		s.abandon(r)
	}
	return nil
}

// abandon lets go of what can never be heard.
func (s *Store) abandon(r *recording) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range r.tracks {
		for _, p := range t.pending {
			s.cfg.Journal.Release(p.pos)
		}
	}
	s.cfg.Journal.Release(r.opens...)
	if r.closeAt != (journal.Position{}) {
		s.cfg.Journal.Release(r.closeAt)
	}
	delete(s.unfiled, r.id)
	s.order = slices.DeleteFunc(s.order, func(o *recording) bool { return o == r })
	r.meta.Wipe()
}

// recallChunks takes note of the minutes the folder holds, and forgets what the journal holds of them too.
func (s *Store) recallChunks(ctx context.Context, f *folder.Folder, r *recording) error {
	var chunks []Chunk
	parts := make(map[*track][]Part)
	err := f.Walk(chunksKey(r.id), func(key, value []byte, err error) error {
		if err != nil {
			s.find(ctx, fmt.Errorf("recording %s: %w", r.id, err))
			return nil
		}
		c, err := ParseChunk(value)
		if err != nil {
			s.find(ctx, fmt.Errorf("recording %s: %w", r.id, err))
			return nil
		}
		s.mu.Lock()
		t := r.track(c.Party)
		s.mu.Unlock()
		parts[t] = append(parts[t], c.part(value))
		for i := range c.Segments {
			c.Segments[i].Body = nil // value is not ours after this call, and only the index is needed
		}
		chunks = append(chunks, c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what %s holds of recording %s: %w", r.folder, r.id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range r.tracks {
		s.count(t, chunks, parts[t])
	}
	return nil
}

// count sets what is known of a track from its chunks and from what waits in the journal. mu is held.
func (s *Store) count(t *track, chunks []Chunk, parts []Part) {
	pending := t.pending
	*t = track{party: t.party, parts: parts}
	have := make(map[uint32]bool)
	for i := range chunks {
		if chunks[i].Party != t.party {
			continue
		}
		for _, seg := range chunks[i].Segments {
			have[seg.Seq] = true
			rec := journal.Record{Seq: seg.Seq, Start: seg.Start, Len: seg.Len}
			if seg.Gap {
				rec.Flags |= flagGap
			}
			if seg.Last {
				rec.Flags |= journal.FlagLast
			}
			t.add(&rec, 0, 0)
		}
	}
	t.pending = nil
	for _, p := range pending {
		if have[p.seq] {
			s.cfg.Journal.Release(p.pos)
			continue
		}
		t.add(&journal.Record{Seq: p.seq, Start: p.start, Len: p.len, Flags: p.flags, Pos: p.pos}, 0, 0)
	}
}
