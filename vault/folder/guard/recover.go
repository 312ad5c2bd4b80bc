package guard

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"linekeep/vault/folder/badgerfile"
)

// keptAside is how many sets of copies from unclean opens are kept: the last, and the one before in case the
// last was made of files already spoilt.
const keptAside = 2

// recover readies a folder that was not closed: copies what Badger may spoil, puts back what the last list
// knows better, and keeps out what would make Badger panic. The memtable's logs have no list: Badger replays
// them as far as their CRCs go, and the commit counter tells whether that was far enough.
func (g *Guard) recover(ctx context.Context, listed bool) error {
	g.o.Log.WarnContext(ctx, "folder was not closed", slog.String("folder", g.o.Name))
	if err := g.copyAside(); err != nil {
		return fmt.Errorf("copying aside: %w", err)
	}
	if listed {
		if err := g.recoverRegistry(); err != nil {
			return err
		}
	} else {
		g.unlisted = fmt.Errorf("%w: %s: no list, although there is data", ErrAltered, guardDir)
	}
	if err := g.recoverManifest(); err != nil {
		return err
	}
	if err := g.recoverTables(); err != nil {
		return err
	}
	return g.recoverLogs(ctx)
}

// copyAside copies the logs of memtables, the manifest and the registry to guard/aside/<time>.
func (g *Guard) copyAside() error {
	if err := g.pruneAside(); err != nil {
		return err
	}
	dir := g.guarded(filepath.Join(asideDir, strconv.FormatInt(time.Now().UnixNano(), 10)))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	g.aside = dir
	mems, err := g.ofKind(badgerfile.KindMemLog)
	if err != nil {
		return err
	}
	for _, n := range append(mems, badgerfile.Manifest, badgerfile.Registry) {
		if err := copyData(filepath.Join(dir, n), g.at(n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return syncDir(g.guarded(asideDir))
}

// copyData copies a file up to its last byte that is not zero: logs are files of mapped size with little in them.
func copyData(to, from string) (err error) {
	end, err := badgerfile.LastData(from)
	if err != nil {
		return err
	}
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return writeFile(to, io.LimitReader(file, end))
}

func (g *Guard) pruneAside() error {
	entries, err := os.ReadDir(g.guarded(asideDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var sets []string
	for _, e := range entries {
		if e.IsDir() {
			sets = append(sets, e.Name())
		}
	}
	slices.Sort(sets) // nanoseconds since 1970: nineteen digits until 2286
	for len(sets) >= keptAside {
		if err := os.RemoveAll(g.guarded(filepath.Join(asideDir, sets[0]))); err != nil {
			return err
		}
		sets = sets[1:]
	}
	return nil
}

// recoverRegistry holds the registry to its list: it never changes.
func (g *Guard) recoverRegistry() error {
	if it, ok := g.list.find(badgerfile.Registry); ok {
		return g.mendWhole(it)
	}
	return nil
}

// recoverManifest: the manifest only grows, so it must begin with the listed copy. What came after the copy is
// taken as far as it can be read.
func (g *Guard) recoverManifest() error {
	now, err := os.ReadFile(g.at(badgerfile.Manifest))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	then, err := g.listedManifest()
	if err != nil {
		return err
	}
	good := now
	if !bytes.HasPrefix(now, then) {
		g.find(fmt.Errorf("%w: %s: does not go on from its copy; put back from it", ErrAltered, badgerfile.Manifest))
		good = append(then, now[min(len(then), len(now)):]...)
	}
	end, err := badgerfile.ManifestEnd(good)
	if err != nil {
		g.find(fmt.Errorf("%w: %s: %w", ErrAltered, badgerfile.Manifest, err))
	} else if end < len(good) {
		g.find(fmt.Errorf("%w: %s: last %d bytes are torn", ErrAltered, badgerfile.Manifest, len(good)-end))
	}
	if end == 0 || bytes.Equal(good[:end], now) {
		return nil // as good as it is; Badger makes a new one where there is none
	}
	return writeBytes(g.at(badgerfile.Manifest), good[:end])
}

// listedManifest is the manifest as it was listed, from its copy; nothing when there is none. A stop between the
// writing of the copy and that of the list leaves a copy that goes on further.
func (g *Guard) listedManifest() ([]byte, error) {
	it, ok := g.list.find(badgerfile.Manifest)
	if !ok {
		return nil, nil
	}
	b, err := os.ReadFile(g.guarded(badgerfile.Manifest))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if int64(len(b)) < it.size || sha256.Sum256(b[:it.size]) != it.hash {
		g.find(fmt.Errorf("%w: %s/%s: not the bytes that were written", ErrAltered, guardDir, badgerfile.Manifest))
		return nil, nil
	}
	return b[:it.size:it.size], nil
}

// recoverTables holds tables to the list, vets those that are too new for it, and moves away those that the
// manifest does not know: Badger would delete them, and the manifest may be what is wrong.
func (g *Guard) recoverTables() error {
	live, err := badgerfile.LiveTables(g.at(badgerfile.Manifest))
	if err != nil {
		return err
	}
	vet, err := badgerfile.NewVetter(g.path, g.o.Cloak.Bytes()[:])
	if err != nil {
		return err
	}
	for _, n := range live {
		if it, ok := g.list.find(n); ok {
			if err := g.mendWhole(it); err != nil {
				return err
			}
			continue
		}
		if err := vet.Table(g.at(n)); err != nil {
			g.find(fmt.Errorf("%w: %s: %w; its records are lost here", ErrAltered, n, err))
			if err := g.dropTable(n); err != nil {
				return err
			}
		}
	}
	there, err := g.ofKind(badgerfile.KindTable)
	if err != nil {
		return err
	}
	for _, n := range there {
		if !slices.Contains(live, n) {
			if err := g.setAside(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameBrokenMemLogs: Badger drops all after a break in a memtable's log without a word; the caller sees it by the
// commit counter and repairs it from the journal.
func (g *Guard) nameBrokenMemLogs() error {
	mems, err := g.ofKind(badgerfile.KindMemLog)
	if err != nil {
		return err
	}
	for _, n := range mems {
		at, err := badgerfile.Broken(g.at(n))
		if err != nil {
			return err
		}
		if at > 0 {
			g.find(fmt.Errorf("%w: %s: wrong from byte %d on; what was written after that is lost here", ErrAltered, n, at))
		}
	}
	return nil
}

// recoverLogs mends the heads that are listed and takes away logs too short to have one: at an empty log
// Badger's Open fails, and a power cut may leave one that was just made.
func (g *Guard) recoverLogs(ctx context.Context) error {
	names, err := g.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		k, ok := badgerfile.KindOf(n)
		if !ok || !k.IsLog() {
			continue
		}
		if it, listed := g.list.find(n); listed {
			if err := g.mendLog(it); err != nil {
				return err
			}
			continue
		}
		head, err := badgerfile.ReadHead(g.at(n))
		if err != nil {
			return err
		}
		if len(head) < badgerfile.LogHeader {
			g.o.Log.WarnContext(ctx, "empty log removed", slog.String("folder", g.o.Name), slog.String("file", n))
			if err := os.Remove(g.at(n)); err != nil {
				return err
			}
		}
	}
	if err := g.nameMissingLogs(); err != nil {
		return err
	}
	if err := g.nameBrokenMemLogs(); err != nil {
		return err
	}
	if err := g.forgetGoneMemLogs(); err != nil {
		return err
	}
	return g.trimLogs()
}

// nameMissingLogs: value logs are never removed while a folder lives. (Logs of memtables are, once in a table.)
func (g *Guard) nameMissingLogs() error {
	for _, it := range g.list.items {
		if it.kind != badgerfile.KindValueLog {
			continue
		}
		there, err := exists(g.at(it.name))
		if err != nil {
			return err
		}
		if !there && it.size > badgerfile.LogHeader {
			g.find(fmt.Errorf("%w: %s: missing", ErrAltered, it.name))
		}
	}
	return nil
}

// trimLogs cuts value logs that a stop left at their mapped size behind their last data, and where it tore what was being
// written: a value was acked only once it was whole, so nothing points there. Badger would do that only to the last, and
// up to the first wrong byte: see shieldLastLog.
func (g *Guard) trimLogs() error {
	logs, err := g.ofKind(badgerfile.KindValueLog)
	if err != nil {
		return err
	}
	for _, n := range logs {
		st, err := os.Stat(g.at(n))
		if err != nil {
			return err
		}
		if st.Size() != g.o.Mapped {
			continue
		}
		end, err := badgerfile.LastData(g.at(n))
		if err != nil {
			return err
		}
		torn, err := badgerfile.Torn(g.at(n))
		if err != nil {
			return err
		}
		if torn > 0 {
			end = torn
		}
		if err := os.Truncate(g.at(n), max(end, badgerfile.LogHeader)); err != nil {
			return err
		}
	}
	return nil
}

// shieldLastLog puts an empty value log after the last one. Badger replays the last log at Open and cuts it at
// the first wrong checksum: one flipped bit would take all later values of it along.
func (g *Guard) shieldLastLog() error {
	logs, err := g.ofKind(badgerfile.KindValueLog)
	if err != nil || len(logs) == 0 {
		return err
	}
	last, err := highest(logs, g.list)
	if err != nil {
		return err
	}
	head, err := badgerfile.ReadHead(g.at(logs[len(logs)-1]))
	if err != nil || len(head) < badgerfile.LogHeader {
		return err
	}
	shield := append(head[:8:8], make([]byte, badgerfile.LogHeader-8)...) // the same data key, an IV of its own
	if _, err := rand.Read(shield[8:]); err != nil {
		return err
	}
	return writeBytes(g.at(badgerfile.ValueLogName(last+1)), shield)
}

// highest is the highest number any value log had: it must not be given again while pointers may name it.
func highest(logs []string, l list) (uint32, error) {
	var most uint32
	for _, it := range l.items {
		if it.kind == badgerfile.KindValueLog {
			logs = append(logs, it.name)
		}
	}
	for _, n := range logs {
		k, ok := badgerfile.NumberOf(n)
		if !ok {
			return 0, fmt.Errorf("%w: %s: not a log's name", ErrAltered, n)
		}
		most = max(most, k)
	}
	return most, nil
}

// FallBack is what is tried between two attempts at opening: first nothing (Badger's own second attempt often
// works), then the copies.
func (g *Guard) FallBack(attempt int) error {
	if attempt == 0 {
		return nil
	}
	for _, n := range []string{badgerfile.Manifest, badgerfile.Registry} {
		it, ok := g.list.find(n)
		if ok && g.sameAs(g.guarded(n), it) == nil && g.sameAs(g.at(n), it) != nil {
			if err := copyFile(g.at(n), g.guarded(n)); err != nil {
				return err
			}
		}
	}
	if g.aside == "" {
		return nil
	}
	mems, err := filepath.Glob(filepath.Join(g.aside, "*.mem"))
	if err != nil {
		return err
	}
	for _, m := range mems {
		if err := copyFile(g.at(filepath.Base(m)), m); err != nil {
			return err
		}
	}
	return nil
}
