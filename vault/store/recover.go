package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"linekeep/drivers/line"
	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
)

// at is the wall clock time of a place in a recording.
func at(start time.Time, s line.Samples) time.Time { return start.Add(s.Duration()) }

// ErrTailLost reports that a folder has silently lost its newest writes: it counts fewer commits than the journal
// saw. What the journal still holds is written to it again.
var ErrTailLost = errors.New("store: folder lost its newest writes")

// ErrJournalOld reports that a folder has seen more commits than the journal of a vault that was closed: the journal
// lost its newest groups, or an old one was put back.
var ErrJournalOld = errors.New("store: the journal is older than the folder")

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
		return err // not released: when its key file is put back, the sound is still here
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
func (s *Store) recordingOf(id keys.ID) (*entry, error) {
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
	r := &entry{id: id, meta: slot.Meta(), folder: library.FolderName(shard.Class, shard.Month)}
	s.unfiled[id] = r
	s.order = append(s.order, r)
	return r, nil
}

// describe reads the opening and the closing of an adopted recording from the journal. One that has no closing was
// cut; whoever calls on its line soon is taken to go on from it.
func (s *Store) describe(r *entry) error {
	r.said = true // whatever comes, nobody will say more
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
		s.cut = append(s.cut, Cut{Line: r.opening.Line, End: at(r.opening.Start, r.end()), ID: r.id})
	}
	return nil
}

// announce makes the tracks that the opening names, also those nothing was heard on.
func (r *entry) announce() {
	for _, p := range r.opening.Parties {
		r.track(p)
	}
}

func (r *entry) end() (end line.Samples) {
	for _, t := range r.tracks {
		end = max(end, t.end)
	}
	return end
}

// settle compares the folders with what the journal says of them, once each, before anything is moved there. One
// that cannot be opened is tried again, and holds up nothing but what belongs into it.
func (s *Store) settle(ctx context.Context) error {
	s.mu.Lock()
	waiting := maps.Clone(s.uncompared)
	s.mu.Unlock()
	if waiting == nil {
		return nil
	}
	var errs []error
	for name, n := range waiting {
		if err := s.compare(ctx, name, n); err != nil {
			errs = append(errs, fmt.Errorf("compare %s with the journal: %w", name, err))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.uncompared) > 0 {
		return errors.Join(errs...)
	}
	for i := range s.grace { // of folders the journal says nothing of
		if s.grace[i].Kind != journal.KindFiled {
			s.cfg.Journal.Release(s.grace[i].Pos)
		}
	}
	s.grace, s.uncompared = nil, nil
	return nil
}

// compare opens a folder and says whether it has lost its newest writes, or the journal its newest groups.
func (s *Store) compare(ctx context.Context, name string, commits uint64) error {
	f, release, err := s.months.Use(ctx, name, true)
	if err != nil {
		return err
	}
	defer release()
	for _, err := range f.Findings() {
		s.find(ctx, err)
	}
	have := f.Commits()
	lost := have < commits
	if lost {
		s.find(ctx, fmt.Errorf("%w: %s has %d commits of %d; what the journal still holds is written again", ErrTailLost, name, have, commits))
	}
	if have > commits && s.clean {
		s.find(ctx, fmt.Errorf("%w: %s has %d commits, the journal knows of %d", ErrJournalOld, name, have, commits))
	}
	if !s.clean || lost {
		if err := s.orphans(f); err != nil {
			return err
		}
	}
	s.regard(ctx, name, lost)
	s.mu.Lock()
	s.counters[name] = have // where nothing is written any more, the journal must not go on with what it knew before the power cut
	delete(s.uncompared, name)
	s.mu.Unlock()
	return nil
}

// regard looks at what the journal holds of recordings that were filed into the folder before the start: it is
// needed again only where the folder lost what was moved there.
func (s *Store) regard(ctx context.Context, name string, lost bool) {
	s.mu.Lock()
	grace := s.grace
	s.grace = nil
	s.mu.Unlock()
	var others []journal.Record
	for i := range grace {
		rec := &grace[i]
		shard, err := s.cfg.Keys.Shard(rec.ID.Shard)
		switch {
		case err == nil && library.FolderName(shard.Class, shard.Month) != name:
			others = append(others, *rec)
		case rec.Kind == journal.KindFiled:
		case err != nil || !lost:
			s.cfg.Journal.Release(rec.Pos)
		default:
			s.adoptAgain(ctx, rec)
		}
	}
	s.mu.Lock()
	s.grace = others
	s.mu.Unlock()
}

// adoptAgain takes back a record of a recording that was filed, and so was not cut just now.
func (s *Store) adoptAgain(ctx context.Context, rec *journal.Record) {
	s.mu.Lock()
	err := s.adoptRecord(rec)
	r := s.unfiled[rec.ID]
	if err == nil && r != nil && (rec.Kind == journal.KindOpen || rec.Kind == journal.KindClose) {
		n := len(s.cut)
		r.cut = false
		err = s.describe(r)
		s.cut = s.cut[:n]
	}
	s.mu.Unlock()
	if err != nil {
		s.find(ctx, err)
	}
}

// orphans adopts recordings that the folder holds the wrap of, but neither it nor the journal an end.
func (s *Store) orphans(f *folder.Folder) error {
	closed := make(map[string]bool)
	if err := f.Keys([]byte{byte(recording.AtManifest)}, func(key []byte) error {
		closed[string(key[1:])] = true
		return nil
	}); err != nil {
		return err
	}
	return f.Keys([]byte{byte(recording.AtWrap)}, func(key []byte) error {
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
