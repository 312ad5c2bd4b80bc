package guard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"linekeep/vault/folder/badgerfile"
)

// Verify re-hashes fragile files and their copies and follows every log to its end. While Badger has the folder open,
// nothing may be written meanwhile.
func (g *Guard) Verify(ctx context.Context) (found []error) {
	name := func(file string, err error) {
		if err != nil {
			found = append(found, fmt.Errorf("%w: %s: %w", ErrAltered, file, err))
		}
	}
	for i, n := range listNames() {
		b, err := readBounded(g.guarded(n), maxList)
		if err == nil {
			_, err = decodeList(b, g.o.Name, g.o.List)
		}
		name(guardDir+"/"+listNames()[i], err)
	}
	for _, it := range g.list.items {
		if ctx.Err() != nil {
			return append(found, ctx.Err())
		}
		if it.kind.IsLog() {
			continue
		}
		name(guardDir+"/"+it.name, g.sameAs(g.guarded(it.name), it))
		if it.kind == badgerfile.KindManifest && !g.o.ReadOnly {
			name(it.name, g.goesOn())
			continue
		}
		if there, err := exists(g.at(it.name)); err == nil && !there && it.kind == badgerfile.KindTable && !g.o.ReadOnly {
			continue // merged since the list was made
		}
		name(it.name, g.sameAs(g.at(it.name), it))
	}
	return append(found, g.verifyLogs(ctx)...)
}

func (g *Guard) verifyLogs(ctx context.Context) (found []error) {
	for _, k := range []badgerfile.Kind{badgerfile.KindValueLog, badgerfile.KindMemLog} {
		logs, err := g.ofKind(k)
		if err != nil {
			return append(found, err)
		}
		for _, n := range logs {
			if ctx.Err() != nil {
				return append(found, ctx.Err())
			}
			it, listed := g.list.find(n)
			err := badgerfile.CheckLog(g.at(n))
			if errors.Is(err, fs.ErrNotExist) && k == badgerfile.KindMemLog {
				continue // in a table meanwhile
			}
			if listed {
				err = errors.Join(g.checkLog(it), err)
			}
			if err != nil {
				found = append(found, fmt.Errorf("%w: %s: %w", ErrAltered, n, err))
			}
		}
	}
	for _, it := range g.list.items {
		if there, err := exists(g.at(it.name)); it.kind == badgerfile.KindValueLog && err == nil && !there && it.size > badgerfile.LogHeader {
			found = append(found, fmt.Errorf("%w: folder %s: %s: missing", ErrAltered, g.o.Name, it.name))
		}
	}
	return found
}
