package guard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"linekeep/vault/folder/badgerfile"
)

// Verify re-hashes fragile files and their copies and follows every log to its end. While Badger has the folder open, nothing
// may be written while a file is read: turn is asked before each, sees to that, and calls look; false when the folder was
// closed, which ends it. An error of ctx comes as a finding.
func (g *Guard) Verify(ctx context.Context, turn func(look func()) bool) (found []error) {
	name := func(file string, err error) {
		if err != nil {
			found = append(found, fmt.Errorf("%w: %s: %w", ErrAltered, file, err))
		}
	}
	var items []item
	open := turn(func() {
		for _, n := range listNames() {
			b, err := readBounded(g.guarded(n), maxList)
			if err == nil {
				_, err = decodeList(b, g.o.Name, g.o.List)
			}
			name(guardDir+"/"+n, err)
		}
		items = g.list.items // never changed in place; a list that is made meanwhile is another
	})
	for _, it := range items {
		if !open {
			return found
		}
		if ctx.Err() != nil {
			return append(found, ctx.Err())
		}
		if !it.kind.IsLog() {
			open = turn(func() {
				if now, still := g.list.find(it.name); still {
					g.verifyWhole(now, name)
				}
			})
		}
	}
	return append(found, g.verifyLogs(ctx, turn)...)
}

// verifyWhole re-hashes a file that is no log, and its copy.
func (g *Guard) verifyWhole(it item, name func(file string, err error)) {
	name(guardDir+"/"+it.name, g.sameAs(g.guarded(it.name), it))
	if it.kind == badgerfile.KindManifest && !g.o.ReadOnly {
		name(it.name, g.goesOn())
		return
	}
	if there, err := exists(g.at(it.name)); err == nil && !there && it.kind == badgerfile.KindTable && !g.o.ReadOnly {
		return // merged since the list was made
	}
	name(it.name, g.sameAs(g.at(it.name), it))
}

func (g *Guard) verifyLogs(ctx context.Context, turn func(look func()) bool) (found []error) {
	for _, k := range []badgerfile.Kind{badgerfile.KindValueLog, badgerfile.KindMemLog} {
		logs, err := g.ofKind(k)
		if err != nil {
			return append(found, err)
		}
		for _, n := range logs {
			if ctx.Err() != nil {
				return append(found, ctx.Err())
			}
			open := turn(func() {
				if err := g.verifyLog(k, n); err != nil {
					found = append(found, fmt.Errorf("%w: %s: %w", ErrAltered, n, err))
				}
			})
			if !open {
				return found
			}
		}
	}
	turn(func() {
		for _, it := range g.list.items {
			if there, err := exists(g.at(it.name)); it.kind == badgerfile.KindValueLog && err == nil && !there && it.size > badgerfile.LogHeader {
				found = append(found, fmt.Errorf("%w: folder %s: %s: missing", ErrAltered, g.o.Name, it.name))
			}
		}
	})
	return found
}

func (g *Guard) verifyLog(k badgerfile.Kind, name string) error {
	it, listed := g.list.find(name)
	err := badgerfile.CheckLog(g.at(name))
	if errors.Is(err, fs.ErrNotExist) && k == badgerfile.KindMemLog {
		return nil // in a table meanwhile
	}
	if listed {
		err = errors.Join(g.checkLog(it), err)
	}
	return err
}
