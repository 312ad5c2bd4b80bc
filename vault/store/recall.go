package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"linekeep/audio/segment"
	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/recording"
)

// recall learns what the folder holds of a recording that the last run left, and takes it from there.
func (s *Store) recall(ctx context.Context, r *entry) error {
	f, release, err := s.months.Use(ctx, r.folder, true)
	if err != nil {
		return err
	}
	defer release()
	if err := s.recallOpening(ctx, f, r); err != nil || r.body == nil {
		return err
	}
	sealed, err := f.Get(recording.ManifestKey(r.id))
	if err == nil {
		if m, merr := recording.OpenManifest(s.forms(r), sealed); merr == nil {
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
		r.cut = true
		end := r.end()
		r.closing = &recording.Closing{End: at(r.opening.Start, end), Reason: segment.EndRecovery, Direction: r.opening.Direction, Length: end}
		s.cfg.Log.InfoContext(ctx, "a cut recording was closed", slog.String("id", r.id.String()), slog.Duration("length", end.Duration()))
	}
	r.known = true
	return nil
}

// recallOpening gets the opening from the folder where the journal has none. Without any nobody can ever hear
// the recording: its data key was in there.
func (s *Store) recallOpening(ctx context.Context, f *folder.Folder, r *entry) error {
	body, err := f.Get(recording.WrapKey(r.id))
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
func (s *Store) abandon(r *entry) {
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
	s.order = slices.DeleteFunc(s.order, func(o *entry) bool { return o == r })
	r.meta.Wipe()
}

// recallChunks takes note of the minutes the folder holds, and forgets what the journal holds of them too.
func (s *Store) recallChunks(ctx context.Context, f *folder.Folder, r *entry) error {
	var chunks []recording.Chunk
	parts := make(map[*track][]recording.Part)
	err := f.Walk(recording.ChunksKey(r.id), func(key, value []byte, err error) error {
		if err != nil {
			s.find(ctx, fmt.Errorf("recording %s: %w", r.id, err))
			return nil
		}
		c, err := recording.ParseChunk(value)
		if err != nil {
			s.find(ctx, fmt.Errorf("recording %s: %w", r.id, err))
			return nil
		}
		s.mu.Lock()
		t := r.track(c.Party)
		s.mu.Unlock()
		parts[t] = append(parts[t], c.Part(value))
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
func (s *Store) count(t *track, chunks []recording.Chunk, parts []recording.Part) {
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
