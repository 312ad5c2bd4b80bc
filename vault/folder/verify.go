package folder

import (
	"context"
	"fmt"
)

// Verify is VerifyFiles, and re-reads every value; it names all that is altered. It may run beside reads and writes.
func (f *Folder) Verify(ctx context.Context) []error {
	found := f.VerifyFiles(ctx, func(context.Context) error { return nil })
	err := f.Walk(nil, func(_, _ []byte, err error) error {
		if err != nil {
			found = append(found, fmt.Errorf("folder %s: %w", f.o.Name, err))
		}
		return ctx.Err()
	})
	if err != nil {
		found = append(found, err)
	}
	return found
}

// VerifyFiles re-hashes fragile files and their copies and follows every log to its end, and names all that is altered. It may
// run beside reads and writes, which wait while one file is read. Between two files it asks next; an error of that ends it
// and comes as the last finding.
func (f *Folder) VerifyFiles(ctx context.Context, next func(ctx context.Context) error) []error {
	var found []error
	stop := error(nil)
	told := f.guard.Verify(ctx, func(look func()) bool {
		if stop = next(ctx); stop != nil {
			return false
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.closed {
			return false
		}
		look()
		return true
	})
	for _, err := range told {
		found = append(found, fmt.Errorf("folder %s: %w", f.o.Name, err))
	}
	if stop != nil {
		found = append(found, stop)
	}
	return found
}
