package folder

import (
	"context"
	"fmt"
)

// Verify re-hashes fragile files and their copies, follows every log to its end and re-reads every value, and
// names all that is altered. It may run beside reads and writes, which wait while a log still written to is read.
func (f *Folder) Verify(ctx context.Context) []error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	var found []error
	for _, err := range f.guard.Verify(ctx) {
		found = append(found, fmt.Errorf("folder %s: %w", f.o.Name, err))
	}
	f.mu.Unlock()
	err := f.iterateAll(ctx, func(err error) { found = append(found, err) })
	if err != nil {
		found = append(found, err)
	}
	return found
}

func (f *Folder) iterateAll(ctx context.Context, name func(error)) error {
	return f.Walk(nil, func(_, _ []byte, err error) error {
		if err != nil {
			name(fmt.Errorf("folder %s: %w", f.o.Name, err))
		}
		return ctx.Err()
	})
}
