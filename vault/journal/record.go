package journal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/keys"
)

// The layout is in vault/FORMAT.md, section 9.
const (
	fileMagic   = "LKjrnl"
	recordMagic = "LKre"
	version     = 1 // of the file, and so of all records in it
	macSize     = 16
	fileHeader  = 48
	headerSize  = 92
	macAt       = headerSize - macSize
	hashAt      = macAt - 32
	sizeAt      = hashAt - 4
	// maxBody bounds what a header may claim: a segment of segment.MaxPackets packets of segment.MaxPacket bytes
	// is 255 KB, and nothing else comes near.
	maxBody = 1 << 20
)

// Kind says what a record holds. The numbers are written to disk.
type Kind uint8

// The kinds of records.
const (
	KindGroup   Kind = 1 // first of each group: what is said of the group as a whole
	KindOpen    Kind = 2 // a recording begins: its wrap, and its opening boxed under K_meta
	KindSegment Kind = 3 // a sealed segment
	KindClose   Kind = 4 // a recording ends: its closing boxed under K_meta
	KindFiled   Kind = 5 // the recording is in its month's folder and in the catalogue: nothing here is needed
)

func (k Kind) String() string {
	switch k {
	case KindGroup:
		return "group"
	case KindOpen:
		return "opening"
	case KindSegment:
		return "segment"
	case KindClose:
		return "closing"
	case KindFiled:
		return "filed"
	}
	return "unknown"
}

// kept says whether somebody must release records of this kind before their file may go.
func (k Kind) kept() bool { return k == KindOpen || k == KindSegment || k == KindClose }

// Flags of a record.
const (
	FlagLast   uint8 = 1 << 0 // segment: the last of its track
	flagOpened uint8 = 1 << 1 // group
	flagClean  uint8 = 1 << 2 // group
)

// Record is one entry of the journal. Its header is in clear and authenticated, so that a cut call can be closed
// without the key of its sound.
type Record struct {
	Kind  Kind
	Party segment.Party
	Flags uint8
	Group uint64 // set by the journal
	ID    keys.ID
	Seq   uint32
	Start line.Samples
	Len   line.Samples
	Body  []byte // on replay nil: Read gives it
	Size  int    // of the body
	Hash  [32]byte
	Pos   Position // set by the journal

	mac [macSize]byte
}

func (r *Record) matches(body []byte) bool { return sha256.Sum256(body) == r.Hash }

// sealer makes and checks headers. It is for one goroutine at a time.
type sealer struct {
	file   hash.Hash // HMAC-SHA256 for file headers
	record hash.Hash // and for records
	sum    []byte
	prefix [8]byte
}

func newSealer(k keys.Key) *sealer {
	file, record := k.Derive("file"), k.Derive("record")
	defer file.Wipe()
	defer record.Wipe()
	return &sealer{
		file:   file.HMAC(),
		record: record.HMAC(),
		sum:    make([]byte, 0, sha256.Size),
	}
}

// headerMAC authenticates a record's header in the file with that number.
func (s *sealer) headerMAC(file uint64, header []byte) []byte {
	binary.BigEndian.PutUint64(s.prefix[:], file)
	s.record.Reset()
	s.record.Write(s.prefix[:])
	s.record.Write(header[:macAt])
	s.sum = s.record.Sum(s.sum[:0])
	return s.sum[:macSize]
}

func (s *sealer) fileMAC(header []byte) []byte {
	s.file.Reset()
	s.file.Write(header[:fileHeader-macSize])
	s.sum = s.file.Sum(s.sum[:0])
	return s.sum[:macSize]
}

func (s *sealer) appendFileHeader(dst []byte, vaultID [16]byte, number uint64) []byte {
	start := len(dst)
	dst = append(dst, fileMagic...)
	dst = binary.BigEndian.AppendUint16(dst, version)
	dst = append(dst, vaultID[:]...)
	dst = binary.BigEndian.AppendUint64(dst, number)
	return append(dst, s.fileMAC(dst[start:])...)
}

func (s *sealer) checkFileHeader(b []byte, vaultID [16]byte, number uint64) bool {
	if len(b) < fileHeader {
		return false
	}
	return bytes.Equal(b[:fileHeader], s.appendFileHeader(nil, vaultID, number))
}

// appendRecord writes r's header and body, and sets what the journal sets but the position.
func (s *sealer) appendRecord(dst []byte, file uint64, r *Record) []byte {
	r.Hash, r.Size = sha256.Sum256(r.Body), len(r.Body)
	start := len(dst)
	dst = append(dst, recordMagic...)
	dst = append(dst, byte(r.Kind), byte(r.Party), r.Flags, 0)
	dst = binary.BigEndian.AppendUint64(dst, r.Group)
	dst = r.ID.Append(dst)
	dst = binary.BigEndian.AppendUint32(dst, r.Seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Start))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Len))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Size))
	dst = append(dst, r.Hash[:]...)
	copy(r.mac[:], s.headerMAC(file, dst[start:]))
	dst = append(dst, r.mac[:]...)
	return append(dst, r.Body...)
}

// header reads and authenticates a header. False = these bytes are no header of this file.
func (s *sealer) header(b []byte, file uint64) (Record, bool) {
	if len(b) < headerSize || string(b[:len(recordMagic)]) != recordMagic {
		return Record{}, false
	}
	if !hmac.Equal(s.headerMAC(file, b), b[macAt:headerSize]) {
		return Record{}, false
	}
	r := Record{Kind: Kind(b[4]), Party: segment.Party(b[5]), Flags: b[6]}
	rest := cryptobyte.String(b[8:headerSize])
	var id, hash, mac []byte
	var start uint64
	var length, size uint32
	if !rest.ReadUint64(&r.Group) || !rest.ReadBytes(&id, 8) || !rest.ReadUint32(&r.Seq) || !rest.ReadUint64(&start) ||
		!rest.ReadUint32(&length) || !rest.ReadUint32(&size) || !rest.ReadBytes(&hash, 32) || !rest.ReadBytes(&mac, macSize) {
		return Record{}, false
	}
	known := r.Kind >= KindGroup && r.Kind <= KindFiled
	if !known || size > maxBody || b[7] != 0 {
		return Record{}, false
	}
	r.ID = keys.ID{Shard: binary.BigEndian.Uint32(id), Slot: binary.BigEndian.Uint32(id[4:])}
	r.Start, r.Len, r.Size = line.Samples(start), line.Samples(length), int(size)
	copy(r.Hash[:], hash)
	copy(r.mac[:], mac)
	return r, true
}
