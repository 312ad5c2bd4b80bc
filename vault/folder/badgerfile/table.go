package badgerfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/dgraph-io/ristretto/v2/z"
)

// Vetter opens tables one by one on our own goroutine. Badger opens them on goroutines of its own, where a
// table that was cut short is a panic that nothing can catch.
type Vetter struct {
	registry *badger.KeyRegistry
	tables   map[string]badger.TableManifest
}

// NewVetter reads the manifest and the registry of a folder for the keys its tables are under.
func NewVetter(dir string, key []byte) (*Vetter, error) {
	tables, err := replay(filepath.Join(dir, Manifest))
	if err != nil {
		return nil, err
	}
	v := &Vetter{tables: map[string]badger.TableManifest{}}
	for id, t := range tables {
		v.tables[table.IDToFilename(id)] = t
	}
	v.registry, err = badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: dir, ReadOnly: true, EncryptionKey: key, EncryptionKeyRotationDuration: Rotation})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Registry, err)
	}
	return v, nil
}

// Table says what is wrong with a table, reading all of it.
func (v *Vetter) Table(path string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			first, _, _ := strings.Cut(fmt.Sprint(r), "\n")
			err = fmt.Errorf("badger would panic: %s", first)
		}
	}()
	entry := v.tables[filepath.Base(path)]
	key, err := v.registry.DataKey(entry.KeyID)
	if err != nil {
		return err
	}
	cache, err := ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{NumCounters: 64, MaxCost: 1 << 20, BufferItems: 64})
	if err != nil {
		return err
	}
	defer cache.Close()
	mapped, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	t, err := table.OpenTable(mapped, table.Options{
		BlockSize: 4 << 10, DataKey: key, Compression: entry.Compression, ChkMode: options.OnTableAndBlockRead, IndexCache: cache,
	})
	if err != nil {
		return err
	}
	return t.Close(-1)
}
