package folder

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// keptAside is how many sets of copies from unclean opens are kept: the last, and the one before in case the
// last was made of files already spoilt.
const keptAside = 2

// recover readies a folder that was not closed: copies what Badger may spoil, puts back what the last list
// knows better, and keeps out what would make Badger panic. The memtable's logs have no list: Badger replays
// them as far as their CRCs go, and the commit counter tells whether that was far enough.
func (f *Folder) recover(ctx context.Context, listed bool) error {
	f.o.Log.WarnContext(ctx, "folder was not closed", slog.String("folder", f.o.Name))
	if err := f.copyAside(); err != nil {
		return fmt.Errorf("copying aside: %w", err)
	}
	if listed {
		if err := f.recoverRegistry(); err != nil {
			return err
		}
	} else {
		f.find(fmt.Errorf("%w: %s: no list, although there is data", ErrAltered, guardDir))
	}
	if err := f.recoverManifest(); err != nil {
		return err
	}
	if err := f.recoverTables(); err != nil {
		return err
	}
	return f.recoverLogs(ctx)
}

// copyAside copies the logs of memtables, the manifest and the registry to guard/aside/<time>.
func (f *Folder) copyAside() error {
	if err := f.pruneAside(); err != nil {
		return err
	}
	dir := f.guarded(filepath.Join(asideDir, strconv.FormatInt(time.Now().UnixNano(), 10)))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f.aside = dir
	mems, err := f.ofKind(memLog)
	if err != nil {
		return err
	}
	for _, n := range append(mems, manifestName, registryName) {
		if err := copyData(filepath.Join(dir, n), f.at(n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return syncDir(f.guarded(asideDir))
}

// copyData copies a file up to its last byte that is not zero: logs are files of mapped size with little in them.
func copyData(to, from string) (err error) {
	end, err := lastData(from)
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

func (f *Folder) pruneAside() error {
	entries, err := os.ReadDir(f.guarded(asideDir))
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
		if err := os.RemoveAll(f.guarded(filepath.Join(asideDir, sets[0]))); err != nil {
			return err
		}
		sets = sets[1:]
	}
	return nil
}

// recoverRegistry holds the registry to its list: it never changes.
func (f *Folder) recoverRegistry() error {
	if it, ok := f.list.find(registryName); ok {
		return f.mendWhole(it)
	}
	return nil
}

// recoverManifest: the manifest only grows, so it must begin with the listed copy. What came after the copy is
// taken as far as it can be read.
func (f *Folder) recoverManifest() error {
	now, err := os.ReadFile(f.at(manifestName))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	it, ok := f.list.find(manifestName)
	good := now
	if ok && f.sameAs(f.guarded(manifestName), it) == nil {
		then, err := os.ReadFile(f.guarded(manifestName))
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(now, then) {
			f.find(fmt.Errorf("%w: %s: does not go on from its copy; put back from it", ErrAltered, manifestName))
			good = append(then, now[min(len(then), len(now)):]...)
		}
	}
	end, err := manifestEnd(good)
	if err != nil {
		f.find(fmt.Errorf("%w: %s: %w", ErrAltered, manifestName, err))
	} else if end < len(good) {
		f.find(fmt.Errorf("%w: %s: last %d bytes are torn", ErrAltered, manifestName, len(good)-end))
	}
	if end == 0 || bytes.Equal(good[:end], now) {
		return nil // as good as it is; Badger makes a new one where there is none
	}
	return writeBytes(f.at(manifestName), good[:end])
}

// manifestEnd is how far a manifest can be read: a head of 8 bytes, then records of length, CRC-32C and body.
func manifestEnd(b []byte) (int, error) {
	const head, record = 8, 8
	if len(b) < head || string(b[:4]) != "Bdgr" {
		return 0, errors.New("no manifest")
	}
	end := head
	for len(b)-end >= record {
		n := int(binary.BigEndian.Uint32(b[end:]))
		if n > len(b)-end-record {
			return end, nil
		}
		if crcOf(b[end+record:end+record+n]) != binary.BigEndian.Uint32(b[end+4:]) {
			return end, fmt.Errorf("wrong checksum at %d", end)
		}
		end += record + n
	}
	return end, nil
}

// recoverTables holds tables to the list, vets those that are too new for it, and moves away those that the
// manifest does not know: Badger would delete them, and the manifest may be what is wrong.
func (f *Folder) recoverTables() error {
	live, err := f.liveTables()
	if err != nil {
		return err
	}
	vet, err := f.newVetter()
	if err != nil {
		return err
	}
	for _, n := range live {
		if it, ok := f.list.find(n); ok {
			if err := f.mendWhole(it); err != nil {
				return err
			}
			continue
		}
		if err := vet.table(f.at(n)); err != nil {
			f.find(fmt.Errorf("%w: %s: %w; its records are lost here", ErrAltered, n, err))
			if err := f.dropTable(n); err != nil {
				return err
			}
		}
	}
	there, err := f.ofKind(tableFile)
	if err != nil {
		return err
	}
	for _, n := range there {
		if !slices.Contains(live, n) {
			if err := f.setAside(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// liveTables are the tables that the manifest names.
func (f *Folder) liveTables() (names []string, err error) {
	file, err := os.Open(f.at(manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	m, _, err := badger.ReplayManifestFile(file, 0, f.options())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	for id := range m.Tables {
		names = append(names, tableName(id))
	}
	slices.Sort(names)
	return names, nil
}

// recoverLogs mends the heads that are listed and takes away logs too short to have one: at an empty log
// Badger's Open fails, and a power cut may leave one that was just made.
func (f *Folder) recoverLogs(ctx context.Context) error {
	names, err := f.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		k, ok := kindOf(n)
		if !ok || !k.isLog() {
			continue
		}
		if it, listed := f.list.find(n); listed {
			if err := f.mendLog(it); err != nil {
				return err
			}
			continue
		}
		head, err := readHead(f.at(n))
		if err != nil {
			return err
		}
		if len(head) < logHeader {
			f.o.Log.WarnContext(ctx, "empty log removed", slog.String("folder", f.o.Name), slog.String("file", n))
			if err := os.Remove(f.at(n)); err != nil {
				return err
			}
		}
	}
	if err := f.nameMissingLogs(); err != nil {
		return err
	}
	if err := f.nameBrokenMemLogs(); err != nil {
		return err
	}
	return f.trimLogs()
}

// nameMissingLogs: value logs are never removed while a folder lives. (Logs of memtables are, once in a table.)
func (f *Folder) nameMissingLogs() error {
	for _, it := range f.list.items {
		if it.kind != valueLog {
			continue
		}
		there, err := exists(f.at(it.name))
		if err != nil {
			return err
		}
		if !there && it.size > logHeader {
			f.find(fmt.Errorf("%w: %s: missing", ErrAltered, it.name))
		}
	}
	return nil
}

// trimLogs cuts value logs that a stop left at their mapped size behind their last data. Badger would do that
// only to the last, and only up to the first wrong byte: see shieldLastLog.
func (f *Folder) trimLogs() error {
	logs, err := f.ofKind(valueLog)
	if err != nil {
		return err
	}
	for _, n := range logs {
		st, err := os.Stat(f.at(n))
		if err != nil {
			return err
		}
		if st.Size() != 2*f.options().ValueLogFileSize {
			continue
		}
		end, err := lastData(f.at(n))
		if err != nil {
			return err
		}
		if err := os.Truncate(f.at(n), max(end, logHeader)); err != nil {
			return err
		}
	}
	return nil
}

// shieldLastLog puts an empty value log after the last one. Badger replays the last log at Open and cuts it at
// the first wrong checksum: one flipped bit would take all later values of it along.
func (f *Folder) shieldLastLog() error {
	logs, err := f.ofKind(valueLog)
	if err != nil || len(logs) == 0 {
		return err
	}
	last, err := highest(logs, f.list)
	if err != nil {
		return err
	}
	head, err := readHead(f.at(logs[len(logs)-1]))
	if err != nil || len(head) < logHeader {
		return err
	}
	shield := append(head[:8:8], make([]byte, logHeader-8)...) // the same data key, an IV of its own
	if _, err := rand.Read(shield[8:]); err != nil {
		return err
	}
	return writeBytes(f.at(logName(last+1, ".vlog")), shield)
}

// highest is the highest number any value log had: it must not be given again while pointers may name it.
func highest(logs []string, l list) (uint32, error) {
	var most uint32
	for _, it := range l.items {
		if it.kind == valueLog {
			logs = append(logs, it.name)
		}
	}
	for _, n := range logs {
		k, ok := numberOf(n)
		if !ok {
			return 0, fmt.Errorf("%w: %s: not a log's name", ErrAltered, n)
		}
		most = max(most, k)
	}
	return most, nil
}

// fallBack is what is tried between two attempts at opening: first nothing (Badger's own second attempt often
// works), then the copies.
func (f *Folder) fallBack(attempt int) error {
	if attempt == 0 {
		return nil
	}
	for _, n := range []string{manifestName, registryName} {
		it, ok := f.list.find(n)
		if ok && f.sameAs(f.guarded(n), it) == nil && f.sameAs(f.at(n), it) != nil {
			if err := copyFile(f.at(n), f.guarded(n)); err != nil {
				return err
			}
		}
	}
	if f.aside == "" {
		return nil
	}
	mems, err := filepath.Glob(filepath.Join(f.aside, "*.mem"))
	if err != nil {
		return err
	}
	for _, m := range mems {
		if err := copyFile(f.at(filepath.Base(m)), m); err != nil {
			return err
		}
	}
	return nil
}
