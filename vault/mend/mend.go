// Package mend completes a damaged catalogue from the recordings' manifests, beside the recording.
//
//	In:    a word that the catalogue lacks something; the months' folders
//	Out:   a row for every recording that has a manifest; an error for each manifest that cannot be read
//	Owner: Run, on its caller's goroutine; Soon may be called from several
//	Full:  one pending word is enough; what finds no room is tried again
package mend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/library"
	"linekeep/vault/recording"
)

// pause is how long Run waits before it tries again, when the disk was in the way.
const pause = 10 * time.Second

// Parts are what a mender works with.
type Parts struct {
	Catalog *catalog.Catalog
	Library *library.Library
	Months  *library.Months
	Find    func(ctx context.Context, err error) // is told of what cannot be read
	Log     *slog.Logger
}

// Mender mends a catalogue.
type Mender struct{ soon chan struct{} }

// New makes a mender that nobody has told anything yet.
func New() *Mender { return &Mender{soon: make(chan struct{}, 1)} }

// Soon has Run mend the catalogue once more.
func (m *Mender) Soon() {
	select {
	case m.soon <- struct{}{}:
	default: // one word is waiting already
	}
}

// Run mends whenever it is told to, until ctx ends.
func (m *Mender) Run(ctx context.Context, p Parts) error {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-m.soon:
		}
		again = nil
		if err := p.Mend(ctx); err != nil {
			p.Log.ErrorContext(ctx, "catalogue not mended", slog.Any("err", err))
			again = time.After(pause)
		}
	}
}

// Mend takes away what of the catalogue cannot be read, and files every recording that has a manifest and no row.
func (p Parts) Mend(ctx context.Context) error {
	dropped, err := p.Catalog.DropDamaged(ctx)
	if err != nil {
		return err
	}
	names, err := p.Months.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := p.month(ctx, name); err != nil {
			return fmt.Errorf("mend the catalogue from %s: %w", name, err)
		}
	}
	p.Log.InfoContext(ctx, "catalogue mended", slog.Int("dropped", dropped), slog.Int("months", len(names)))
	return nil
}

func (p Parts) month(ctx context.Context, name string) error {
	f, release, err := p.Months.Use(ctx, name, false)
	if err != nil {
		return err
	}
	defer release()
	return p.Library.Manifests(f, func(m recording.Manifest, err error) error {
		if err != nil {
			p.Find(ctx, err)
			return ctx.Err()
		}
		return errors.Join(p.Catalog.File(ctx, m.Row()), ctx.Err())
	})
}
