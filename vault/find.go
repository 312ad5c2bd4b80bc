package vault

import (
	"context"
	"errors"
	"slices"
	"time"

	"linekeep/drivers/line"
	"linekeep/vault/store"
)

// Query says which recordings. What is zero does not matter.
type Query struct {
	From, To  time.Time // of the start
	Line      string
	Direction line.Direction
	Directed  bool // Direction counts
	Shortest  time.Duration
	Longest   time.Duration
	Limit     int
}

func (q *Query) wants(m *store.Manifest) bool {
	o, c := &m.Opening, &m.Closing
	length := c.Length.Duration()
	return (q.From.IsZero() || !o.Start.Before(q.From)) && (q.To.IsZero() || o.Start.Before(q.To)) &&
		(q.Line == "" || o.Line == q.Line) && (!q.Directed || c.Direction == q.Direction) &&
		length >= q.Shortest && (q.Longest == 0 || length <= q.Longest)
}

// File takes a closed recording into the catalogue.
func (v *Vault) File(ctx context.Context, r store.Row) error { return nil }

// Find gives the filed recordings that q wants, newest first.
func (v *Vault) Find(ctx context.Context, q Query) ([]store.Manifest, error) {
	names, err := v.months.Names()
	if err != nil {
		return nil, err
	}
	var found []store.Manifest
	for _, name := range names {
		f, release, err := v.months.Use(ctx, name, false)
		if err != nil {
			return nil, err
		}
		err = v.library.Manifests(f, func(m store.Manifest, err error) error {
			if err == nil && q.wants(&m) {
				found = append(found, m)
			}
			return errors.Join(ctx.Err())
		})
		release()
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b store.Manifest) int { return b.Opening.Start.Compare(a.Opening.Start) })
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	return found, nil
}
