package folder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/dgraph-io/ristretto/v2/z"
	"google.golang.org/protobuf/proto"
)

func tableName(id uint64) string { return table.IDToFilename(id) }

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }

// vetter opens tables one by one on our own goroutine. Badger opens them on goroutines of its own, where a
// table that was cut short is a panic that nothing can catch.
type vetter struct {
	registry *badger.KeyRegistry
	tables   map[string]badger.TableManifest
}

// newVetter reads the manifest and the registry for the keys tables are under.
func (f *Folder) newVetter() (_ *vetter, err error) {
	v := &vetter{tables: map[string]badger.TableManifest{}}
	file, err := os.Open(f.at(manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	m, _, err := badger.ReplayManifestFile(file, 0, f.options())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	for id, t := range m.Tables {
		v.tables[tableName(id)] = t
	}
	v.registry, err = badger.OpenKeyRegistry(badger.KeyRegistryOptions{
		Dir: f.path, ReadOnly: true, EncryptionKey: f.keys.cloak.Bytes()[:], EncryptionKeyRotationDuration: rotation,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", registryName, err)
	}
	return v, nil
}

// table says what is wrong with a table, reading all of it.
func (v *vetter) table(path string) (err error) {
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

// dropTable takes a table that is lost out of the manifest, so that the others open, and sets its file aside.
func (f *Folder) dropTable(name string) error {
	id, ok := table.ParseFileID(name)
	if !ok {
		return fmt.Errorf("%w: %s: not a table's name", ErrAltered, name)
	}
	body, err := proto.Marshal(&pb.ManifestChangeSet{Changes: []*pb.ManifestChange{{Id: id, Op: pb.ManifestChange_DELETE}}})
	if err != nil {
		return err
	}
	now, err := os.ReadFile(f.at(manifestName))
	if err != nil {
		return err
	}
	now = binary.BigEndian.AppendUint32(now, uint32(len(body)))
	now = binary.BigEndian.AppendUint32(now, crcOf(body))
	if err := writeBytes(f.at(manifestName), append(now, body...)); err != nil {
		return err
	}
	if there, err := exists(f.at(name)); err != nil || !there {
		return err
	}
	return f.setAside(name)
}
