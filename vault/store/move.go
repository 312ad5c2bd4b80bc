package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"time"

	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/recording"
)

// ErrNotKept reports that what was written to a month's folder did not come back from it. The journal still has it.
var ErrNotKept = errors.New("store: the folder did not keep what was written to it")

// errUncompared holds back what belongs into a folder that settle could not open; why is told beside it.
var errUncompared = errors.New("its folder was not compared with the journal yet")

// Run moves what Commit stored: full minutes while a call is up, the rest and the manifest when it has ended, then
// the catalogue row. It goes on until ctx ends, and then moves what is left, for at most DrainTime. What it
// cannot move stays in the journal; why is in Status and, once per reason, in the log.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(MovePeriod)
	defer tick.Stop()
	for {
		s.pass(ctx)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainTime)
			defer cancel()
			s.pass(last)
			return nil
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// pass looks at every recording once.
func (s *Store) pass(ctx context.Context) {
	err := s.settle(ctx)
	for _, r := range s.recordings() {
		if merr := s.move(ctx, r); merr != nil {
			err = errors.Join(err, fmt.Errorf("recording %s: %w", r.id, merr))
			if errors.Is(merr, folder.ErrFull) || ctx.Err() != nil {
				break // the others would hear the same
			}
		}
	}
	err = errors.Join(err, s.sayOwed(ctx), s.cfg.Journal.Sweep(), s.months.Tidy(s.inUse()))
	s.forgetCounters()
	if now := s.cfg.Clock(); now.Sub(s.trimmed) >= TrimPeriod {
		s.trimmed = now
		err = errors.Join(err, s.months.Trim(ctx))
	}
	s.told(ctx, err)
}

// told keeps the newest reason why the mover does not get on, and logs it when it is another. Of somebody who reads it tells once that lasts.
func (s *Store) told(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil {
		return // the stop cut this pass short, and Run makes one more
	}
	why := ""
	if !s.patience.Bears(err, errUncompared) && err != nil {
		why = err.Error()
	}
	s.mu.Lock()
	changed := s.status.MoveError != why
	s.status.MoveError = why
	s.mu.Unlock()
	if changed && why != "" {
		s.cfg.Log.ErrorContext(ctx, "recordings wait in the journal", slog.Any("err", err))
	}
}

func (s *Store) recordings() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}

// inUse names the folders that calls still go to.
func (s *Store) inUse() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[string]bool)
	for _, r := range s.order {
		m[r.folder] = true
	}
	return m
}

// forgetCounters takes the folders of long ago out of what every group says: each would be opened at each start.
func (s *Store) forgetCounters() {
	oldest := string(keys.MonthOf(s.cfg.Clock().AddDate(0, -1, 0)))
	open := s.months.Commits()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.counters {
		if _, ok := open[name]; !ok && path.Base(name) < oldest {
			delete(s.counters, name)
		}
	}
}

// sayOwed writes closings and words of filing into the journal when no group has come by to carry them.
func (s *Store) sayOwed(ctx context.Context) error {
	s.mu.Lock()
	owed := len(s.done) > 0
	for _, r := range s.calls {
		owed = owed || r.closing != nil
	}
	owed = owed && s.cfg.Clock().Sub(s.appended) >= MovePeriod // a group came by else
	s.mu.Unlock()
	if !owed {
		return nil
	}
	s.commit.Lock()
	defer s.commit.Unlock()
	return s.flush(ctx, false)
}

// move takes one recording as far as it can go. Each step can be done twice with the same result, so a crash
// anywhere costs nothing but the doing again.
func (s *Store) move(ctx context.Context, r *entry) error {
	s.mu.Lock()
	_, waits := s.uncompared[r.folder]
	s.mu.Unlock()
	if waits {
		return errUncompared
	}
	if !r.known {
		if err := s.recall(ctx, r); err != nil || !r.known {
			return err // nil: beyond help; reported
		}
	}
	// Asked before the tracks are looked at: a closing that comes while they are brings last segments with it.
	over := s.over(r)
	for _, t := range s.tracksOf(r) {
		for {
			refs, number := s.ready(r, t)
			if len(refs) == 0 {
				break
			}
			if err := s.moveChunk(ctx, r, t, refs, number); err != nil {
				return err
			}
		}
	}
	s.carry(r)
	if !over {
		return nil
	}
	return s.finish(ctx, r)
}

// over says whether no more of the recording can come.
func (s *Store) over(r *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.closing != nil && r.said
}

func (s *Store) tracksOf(r *entry) []*track {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(r.tracks)
}

// carry has the opening of a long call written into the journal once more before the file it is in grows old: so
// the start after a power cut finds the opening of every call that was up, and files can go while a call lasts.
func (s *Store) carry(r *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.moved && r.closing == nil && len(r.opens) == 1 && s.cfg.Journal.Behind(r.opens[0]) {
		r.again = true
	}
}

// ready gives the journalled segments of the oldest minute of the track that no more sound can come to.
func (s *Store) ready(r *entry, t *track) ([]ref, uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(t.pending) == 0 {
		return nil, 0
	}
	number := recording.ChunkOf(t.pending[0].start)
	for i := range t.pending {
		if recording.ChunkOf(t.pending[i].start) > number {
			return slices.Clone(t.pending[:i]), number
		}
	}
	if r.closing != nil && r.said || t.last {
		return slices.Clone(t.pending), number
	}
	return nil, 0
}

// moveChunk reads the segments back from the journal, which checks every hash, writes them to the month's folder,
// reads them back from there, and only then lets go of them in the journal.
func (s *Store) moveChunk(ctx context.Context, r *entry, t *track, refs []ref, number uint32) error {
	f, release, err := s.months.Use(ctx, r.folder, true)
	if err != nil {
		return err
	}
	defer release()
	c := recording.Chunk{ID: r.id, Party: t.party, Number: number}
	if err := s.gather(ctx, f, &c, t, refs); err != nil {
		return err
	}
	encoded := c.Append(nil)
	entries := []folder.Entry{{Key: recording.ChunkKey(r.id, t.party, number), Value: encoded}}
	if !r.moved {
		entries = append(entries, folder.Entry{Key: recording.WrapKey(r.id), Value: r.body})
	}
	if err := s.put(ctx, f, r.folder, entries...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.moved = true
	t.pending = slices.Clone(t.pending[len(refs):])
	t.parts = slices.DeleteFunc(t.parts, func(p recording.Part) bool { return p.Number == number })
	t.parts = append(t.parts, c.Part(encoded))
	slices.SortFunc(t.parts, func(a, b recording.Part) int { return int(a.Number) - int(b.Number) })
	for _, p := range refs {
		s.cfg.Journal.Release(p.pos)
	}
	return nil
}

// gather fills the chunk: what the folder holds of that minute already, and what the journal holds.
func (s *Store) gather(ctx context.Context, f *folder.Folder, c *recording.Chunk, t *track, refs []ref) error {
	if slices.ContainsFunc(t.parts, func(p recording.Part) bool { return p.Number == c.Number }) {
		value, err := f.Get(recording.ChunkKey(c.ID, c.Party, c.Number))
		if err != nil {
			return fmt.Errorf("read minute %d again: %w", c.Number, err)
		}
		before, err := recording.ParseChunk(value)
		if err != nil {
			return err
		}
		c.Segments = before.Segments
	}
	for _, p := range refs {
		rec, body, err := s.cfg.Journal.Read(p.pos, nil)
		if errors.Is(err, journal.ErrAltered) {
			s.find(ctx, fmt.Errorf("recording %s loses %v of sound at %v: %w", c.ID, p.len.Duration(), p.start.Duration(), err))
			s.lose(t, p)
			continue
		}
		if err != nil {
			return fmt.Errorf("read the journal back: %w", err)
		}
		c.Segments = append(c.Segments, recording.Sealed{Seq: rec.Seq, Last: rec.Flags&journal.FlagLast != 0, Gap: rec.Flags&flagGap != 0,
			Start: rec.Start, Len: rec.Len, Body: body})
	}
	slices.SortStableFunc(c.Segments, func(a, b recording.Sealed) int { return int(int64(a.Seq) - int64(b.Seq)) })
	c.Segments = slices.CompactFunc(c.Segments, func(a, b recording.Sealed) bool { return a.Seq == b.Seq })
	return nil
}

// lose counts a segment that was stored and then altered on the disk.
func (s *Store) lose(t *track, p ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.lost += p.len
	t.gaps++
}

// put writes to a month's folder, reads back, compares, and takes note of the folder's commit counter.
func (s *Store) put(ctx context.Context, f *folder.Folder, name string, entries ...folder.Entry) error {
	if err := f.Put(ctx, entries...); err != nil {
		return fmt.Errorf("write to %s: %w", name, err)
	}
	for _, e := range entries {
		got, err := f.Get(e.Key)
		if err != nil {
			return fmt.Errorf("read back from %s: %w", name, err)
		}
		if !bytes.Equal(got, e.Value) {
			return fmt.Errorf("%w: %s", ErrNotKept, name)
		}
	}
	s.mu.Lock()
	s.counters[name] = f.Commits()
	s.mu.Unlock()
	return nil
}

// finish writes the manifest and files the recording.
func (s *Store) finish(ctx context.Context, r *entry) error {
	f, release, err := s.months.Use(ctx, r.folder, true)
	if err != nil {
		return err
	}
	defer release()
	m, err := s.manifest(r)
	if err != nil {
		return err
	}
	sealed := r.filed
	if sealed == nil {
		sealed = m.Seal(s.forms(r))
		entries := []folder.Entry{{Key: recording.ManifestKey(r.id), Value: sealed}}
		if !r.moved {
			entries = append(entries, folder.Entry{Key: recording.WrapKey(r.id), Value: r.body})
		}
		if err := s.put(ctx, f, r.folder, entries...); err != nil {
			return err
		}
		r.filed = sealed
	} else if m, err = recording.OpenManifest(s.forms(r), sealed); err != nil {
		return err
	}
	err = s.cfg.Filer.File(ctx, m.Row())
	if err == nil && s.cfg.Closed != nil { // before it is forgotten: after a power cut in between it is told again, and never not at all
		err = s.cfg.Closed(ctx, m.ID, recording.Hash(sealed))
	}
	if err != nil {
		return fmt.Errorf("file in the catalogue and the log: %w", err)
	}
	s.letGo(r)
	if s.cfg.Filed != nil {
		s.cfg.Filed(m)
	}
	return nil
}

// letGo forgets a recording that is filed. The word of it goes into the journal with the next group; a file of
// the journal is only removed once a group stored after this one says so.
func (s *Store) letGo(r *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unfiled, r.id)
	s.order = slices.DeleteFunc(s.order, func(o *entry) bool { return o == r })
	s.done = append(s.done, r.id)
	s.status.Filed++
	s.cfg.Journal.Release(r.opens...)
	if r.closeAt != (journal.Position{}) {
		s.cfg.Journal.Release(r.closeAt)
	}
	r.meta.Wipe()
}

// errUnmoved stops a manifest that would leave stored sound out.
var errUnmoved = errors.New("segments are not moved yet")

// manifest says what the recording is made of.
func (s *Store) manifest(r *entry) (recording.Manifest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := recording.Manifest{ID: r.id, Opening: r.opening, Closing: *r.closing, Recovered: r.cut, Wrap: r.wrap}
	for _, t := range r.tracks {
		if len(t.pending) > 0 {
			return m, errUnmoved
		}
		track := recording.Track{Party: t.party, Gaps: t.gaps, Lost: t.lost, Parts: slices.Clone(t.parts)}
		if hole := r.closing.Length - t.end; hole > 0 { // its last groups failed
			track.Gaps++
			track.Lost += hole
		}
		m.Tracks = append(m.Tracks, track)
	}
	return m, nil
}
