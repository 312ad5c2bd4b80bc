package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Verify re-hashes fragile files and their copies, follows every log to its end and re-reads every value, and
// names all that is altered. It may run beside reads and writes, which wait while a log still written to is read.
func (f *Folder) Verify(ctx context.Context) []error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	found := f.verifyFiles(ctx)
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

func (f *Folder) verifyFiles(ctx context.Context) (found []error) {
	name := func(file string, err error) {
		if err != nil {
			found = append(found, fmt.Errorf("%w: folder %s: %s: %w", ErrAltered, f.o.Name, file, err))
		}
	}
	for i, n := range listNames() {
		b, err := readBounded(f.guarded(n), maxList)
		if err == nil {
			_, err = decodeList(b, f.o.Name, f.keys.list)
		}
		name(guardDir+"/"+listNames()[i], err)
	}
	for _, it := range f.list.items {
		if ctx.Err() != nil {
			return append(found, ctx.Err())
		}
		if it.kind.isLog() {
			continue
		}
		name(guardDir+"/"+it.name, f.sameAs(f.guarded(it.name), it))
		if it.kind == manifestFile && !f.o.ReadOnly {
			name(it.name, f.goesOn())
			continue
		}
		if there, err := exists(f.at(it.name)); err == nil && !there && it.kind == tableFile && !f.o.ReadOnly {
			continue // merged since the list was made
		}
		name(it.name, f.sameAs(f.at(it.name), it))
	}
	return append(found, f.verifyLogs(ctx)...)
}

func (f *Folder) verifyLogs(ctx context.Context) (found []error) {
	for _, k := range []kind{valueLog, memLog} {
		logs, err := f.ofKind(k)
		if err != nil {
			return append(found, err)
		}
		for _, n := range logs {
			if ctx.Err() != nil {
				return append(found, ctx.Err())
			}
			it, listed := f.list.find(n)
			err := checkLogBody(f.at(n))
			if errors.Is(err, fs.ErrNotExist) && k == memLog {
				continue // in a table meanwhile
			}
			if listed {
				err = errors.Join(f.checkLog(it), err)
			}
			if err != nil {
				found = append(found, fmt.Errorf("%w: folder %s: %s: %w", ErrAltered, f.o.Name, n, err))
			}
		}
	}
	for _, it := range f.list.items {
		if there, err := exists(f.at(it.name)); it.kind == valueLog && err == nil && !there && it.size > logHeader {
			found = append(found, fmt.Errorf("%w: folder %s: %s: missing", ErrAltered, f.o.Name, it.name))
		}
	}
	return found
}
