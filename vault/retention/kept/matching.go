package kept

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"linekeep/vault/catalog"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/retention/hold"
)

// Matching are the recordings that meet criteria now, those that are restricted included and those ordered to be erased left out. Rows
// that cannot be read are an error: a hold must not be on fewer than somebody thinks. Errors: hold.ErrBad for criteria that ask
// for nothing, catalog.ErrQuery.
func Matching(ctx context.Context, c *catalog.Catalog, l *library.Library, q catalog.Query) (ids []keys.ID, err error) {
	if q.Limit != 0 || q.Before != nil || reflect.ValueOf(q).IsZero() {
		return nil, fmt.Errorf("%w: a hold by criteria needs one at least, and no limit", hold.ErrBad)
	}
	for range rowsAgain {
		var errs []error
		ids = nil
		for row, err := range c.Find(ctx, q) {
			if err != nil {
				errs = append(errs, err)
			} else if !l.Gone(row.ID) {
				ids = append(ids, row.ID)
			}
		}
		if err = errors.Join(errs...); !errors.Is(err, catalog.ErrChanged) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find what is to be held: %w", err)
	}
	return ids, nil
}
