package degraded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"linekeep/vault/catalog"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
)

// batchBytes is how much sound goes into the main vault in one transaction: some 20 chunks of a minute.
const batchBytes = 4 << 20

// ErrDiffers reports that the main vault holds something else under the id of a recording that is to be merged.
var ErrDiffers = errors.New("degraded: the main vault holds something else there")

// Main is what a merge asks of the main vault.
type Main interface {
	// Keep puts values into a month's folder; see store.Keep.
	Keep(ctx context.Context, name string, entries ...folder.Entry) error
	// Get reads a value of a month's folder. Errors: folder.ErrMissing.
	Get(ctx context.Context, name string, key []byte) ([]byte, error)
	// File takes a recording into the catalogue, once.
	File(ctx context.Context, rows ...catalog.Row) error
	// Doom orders the recording to be erased with the next commit.
	Doom(ctx context.Context, ids ...keys.ID) error
}

// Source is the degraded vault, opened and finished: every recording in it has its manifest.
type Source struct {
	Library *library.Library
	// Excluded says whether a call is of a number that is never recorded. While the vault was locked nobody could look
	// into that list. May be nil.
	Excluded func(catalog.Row) bool
	// Closed is told of each recording's manifest before that is brought over. May be nil.
	Closed func(ctx context.Context, id keys.ID, manifest [32]byte) error
	// Merged is told of each recording that can be found in the main vault now. May be nil.
	Merged func(recording.Manifest)
}

// Report says what a merge did.
type Report struct {
	Recordings int
	Excluded   int // left out, and their slots ordered to be erased
	Bytes      int64
	Damage     []error // what could not be read, and so is not in the main vault
}

// Merge copies every recording, chunks and manifest byte for byte, and files it. It can be cut off anywhere and done again.
func Merge(ctx context.Context, src Source, main Main) (Report, error) {
	m := &merge{src: src, main: main}
	names, err := src.Library.Months.Names()
	if err != nil {
		return m.report, err
	}
	for _, name := range names {
		if err := m.month(ctx, name); err != nil {
			return m.report, fmt.Errorf("merge %s: %w", name, err)
		}
	}
	return m.report, nil
}

// merge is one run of Merge.
type merge struct {
	src    Source
	main   Main
	report Report
}

func (m *merge) month(ctx context.Context, name string) error {
	f, release, err := m.src.Library.Months.Use(ctx, name, false)
	if err != nil {
		return err
	}
	defer release()
	m.report.Damage = append(m.report.Damage, f.Findings()...)
	return m.src.Library.Manifests(f, func(man recording.Manifest, err error) error {
		if err != nil {
			m.report.Damage = append(m.report.Damage, err)
			return ctx.Err()
		}
		return errors.Join(m.recording(ctx, f, name, man), ctx.Err())
	})
}

// recording brings one over: its chunks, then wrap and manifest together, then its row.
func (m *merge) recording(ctx context.Context, f *folder.Folder, name string, man recording.Manifest) error {
	if m.src.Excluded != nil && m.src.Excluded(man.Row()) {
		m.report.Excluded++
		return m.main.Doom(ctx, man.ID)
	}
	last, err := m.read(f, recording.WrapKey(man.ID), recording.ManifestKey(man.ID))
	if err != nil {
		return err
	}
	if last == nil {
		return nil // reported
	}
	there, err := m.there(ctx, name, last)
	if err != nil {
		return fmt.Errorf("recording %s: %w", man.ID, err)
	}
	if !there {
		if err := m.chunks(ctx, f, name, man); err != nil {
			return fmt.Errorf("recording %s: %w", man.ID, err)
		}
		if m.src.Closed != nil {
			if err := m.src.Closed(ctx, man.ID, recording.Hash(last[1].Value)); err != nil {
				return fmt.Errorf("recording %s: %w", man.ID, err)
			}
		}
		if err := m.main.Keep(ctx, name, last...); err != nil {
			return fmt.Errorf("recording %s: %w", man.ID, err)
		}
	}
	if err := m.compare(ctx, f, name, man, last); err != nil {
		return fmt.Errorf("recording %s: %w", man.ID, err)
	}
	if err := m.main.File(ctx, man.Row()); err != nil {
		return fmt.Errorf("file recording %s: %w", man.ID, err)
	}
	m.report.Recordings++
	m.report.Bytes += man.Size()
	if m.src.Merged != nil {
		m.src.Merged(man)
	}
	return nil
}

// read takes values out of the source; nil when one of them is damaged, which is reported.
func (m *merge) read(f *folder.Folder, keys ...[]byte) ([]folder.Entry, error) {
	var entries []folder.Entry
	for _, key := range keys {
		value, err := f.Get(key)
		if errors.Is(err, folder.ErrAltered) || errors.Is(err, folder.ErrMissing) {
			m.report.Damage = append(m.report.Damage, err)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, folder.Entry{Key: key, Value: value})
	}
	return entries, nil
}

// there says whether the main vault has these values already: from a merge that was cut off.
func (m *merge) there(ctx context.Context, name string, entries []folder.Entry) (bool, error) {
	for _, e := range entries {
		got, err := m.main.Get(ctx, name, e.Key)
		if errors.Is(err, folder.ErrMissing) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !bytes.Equal(got, e.Value) {
			return false, ErrDiffers
		}
	}
	return true, nil
}

// chunks copies the sound, in transactions of a bounded size. A chunk that is damaged is reported; the manifest says what
// is lost to whoever plays the recording.
func (m *merge) chunks(ctx context.Context, f *folder.Folder, name string, man recording.Manifest) error {
	var batch []folder.Entry
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := m.main.Keep(ctx, name, batch...)
		batch, size = batch[:0], 0
		return err
	}
	for _, t := range man.Tracks {
		for _, part := range t.Parts {
			one, err := m.read(f, recording.ChunkKey(man.ID, t.Party, part.Number))
			if err != nil {
				return err
			}
			if one != nil && sha256.Sum256(one[0].Value) != part.Hash {
				m.report.Damage = append(m.report.Damage, fmt.Errorf("%w: minute %d of %s of recording %s", library.ErrAltered, part.Number, t.Party, man.ID))
				one = nil
			}
			batch = append(batch, one...)
			if size += int(part.Size); size >= batchBytes {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// compare reads everything of the recording back from the main vault: the chunks against the manifest's hashes, and the
// manifest and the wrap against what the source has. Only then may the source go.
func (m *merge) compare(ctx context.Context, f *folder.Folder, name string, man recording.Manifest, last []folder.Entry) error {
	if ok, err := m.there(ctx, name, last); err != nil || !ok {
		return errors.Join(fmt.Errorf("%w: its manifest did not come over", ErrDiffers), err)
	}
	for _, t := range man.Tracks {
		for _, part := range t.Parts {
			key := recording.ChunkKey(man.ID, t.Party, part.Number)
			got, err := m.main.Get(ctx, name, key)
			if err == nil && sha256.Sum256(got) == part.Hash {
				continue
			}
			if mine, merr := f.Get(key); merr != nil || sha256.Sum256(mine) != part.Hash {
				continue // damaged before it could be copied, and reported
			}
			return errors.Join(fmt.Errorf("%w: minute %d of %s", ErrDiffers, part.Number, t.Party), err)
		}
	}
	return nil
}
