package badgerfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"google.golang.org/protobuf/proto"
)

// ManifestEnd is how far a manifest can be read: a head of 8 bytes, then records of length, CRC-32C and body.
func ManifestEnd(b []byte) (int, error) {
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

// replay reads a manifest; without one there are no tables.
func replay(path string) (tables map[uint64]badger.TableManifest, err error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	m, _, err := badger.ReplayManifestFile(file, 0, badger.Options{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Manifest, err)
	}
	return m.Tables, nil
}

// LiveTables are the tables that a manifest names, sorted.
func LiveTables(manifest string) (names []string, err error) {
	tables, err := replay(manifest)
	for id := range tables {
		names = append(names, table.IDToFilename(id))
	}
	slices.Sort(names)
	return names, err
}

// AppendDrop appends to a manifest that a table is no more.
func AppendDrop(manifest []byte, name string) ([]byte, error) {
	id, ok := table.ParseFileID(name)
	if !ok {
		return nil, fmt.Errorf("%s: not a table's name", name)
	}
	body, err := proto.Marshal(&pb.ManifestChangeSet{Changes: []*pb.ManifestChange{{Id: id, Op: pb.ManifestChange_DELETE}}})
	if err != nil {
		return nil, err
	}
	manifest = binary.BigEndian.AppendUint32(manifest, uint32(len(body)))
	manifest = binary.BigEndian.AppendUint32(manifest, crcOf(body))
	return append(manifest, body...), nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }
