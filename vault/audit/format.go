package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/audit/entry"
	"linekeep/vault/keys"
)

// The layout is in vault/FORMAT.md, section "Audit log".
const (
	fileMagic   = "LKaudt"
	fileVersion = 1
	headerSize  = 6 + 2 + 16 + 32 + 8 + 8 + 8 + 32 + 8 + 32 + 8 + 1 + sha256.Size
	recordHead  = 4 + 4
	sumSize     = 8
	maxCore     = 128 + entry.MaxAbout*(keys.IDSize+sha256.Size)
	maxSealed   = entry.MaxDetails + 256 // with the box around them
	filePrefix  = "log."
	treeName    = "tree"
	detailsBox  = "audit details"
	flagLost    = 1 << 0 // something before this file is lost for good
)

// Outer is the purpose of the key that authenticates headers: keys.Outer(Outer).
const Outer = "audit"

var errTorn = errors.New("cut short, or not as it was written")

// header begins each file of entries.
type header struct {
	chip     [32]byte // SHA-256 of the chip's attestation key, which signs the checkpoints from here on
	first    uint64   // sequence of its first entry
	prev     uint64   // sequence of the first entry of the file before it
	before   uint64   // length of the file before it, as far as that counts
	root     [32]byte // of the tree over all entries before it
	register mark     // of the register, as far as the entries before it tell
	office   keys.ID  // slot for details that concern nothing with a slot of its own
	flags    uint8
}

// mark is the newest transaction of the register that the log has a leaf for.
type mark struct {
	seq  uint64
	hash [32]byte
}

func fileName(first uint64) string { return fmt.Sprintf("%s%012d", filePrefix, first) }

func parseFileName(name string) (first uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, filePrefix)
	if !ok {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 63)
	return first, err == nil && fileName(first) == name
}

func (h *header) bytes(vaultID [16]byte, key keys.Key) []byte {
	b := append(make([]byte, 0, headerSize), fileMagic...)
	b = binary.BigEndian.AppendUint16(b, fileVersion)
	b = append(b, vaultID[:]...)
	b = append(b, h.chip[:]...)
	b = binary.BigEndian.AppendUint64(b, h.first)
	b = binary.BigEndian.AppendUint64(b, h.prev)
	b = binary.BigEndian.AppendUint64(b, h.before)
	b = append(b, h.root[:]...)
	b = binary.BigEndian.AppendUint64(b, h.register.seq)
	b = append(b, h.register.hash[:]...)
	b = h.office.Append(b)
	b = append(b, h.flags)
	mac := key.HMAC()
	mac.Write(b)
	return mac.Sum(b)
}

func parseHeader(b []byte, vaultID [16]byte, key keys.Key) (header, error) {
	var h header
	if len(b) != headerSize {
		return h, errTorn
	}
	body, sum := b[:headerSize-sha256.Size], b[headerSize-sha256.Size:]
	mac := key.HMAC()
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), sum) {
		return h, errTorn
	}
	s := cryptobyte.String(body)
	var magic, id []byte
	var version uint16
	ok := s.ReadBytes(&magic, len(fileMagic)) && string(magic) == fileMagic && s.ReadUint16(&version) && version == fileVersion &&
		s.ReadBytes(&id, 16) && bytes.Equal(id, vaultID[:]) && s.CopyBytes(h.chip[:]) && s.ReadUint64(&h.first) && s.ReadUint64(&h.prev) && s.ReadUint64(&h.before) && s.CopyBytes(h.root[:]) &&
		s.ReadUint64(&h.register.seq) && s.CopyBytes(h.register.hash[:]) && s.ReadUint32(&h.office.Shard) && s.ReadUint32(&h.office.Slot) &&
		s.ReadUint8(&h.flags) && s.Empty()
	if !ok {
		return h, errors.New("of another vault, or of another version")
	}
	return h, nil
}

// appendRecord writes an entry as it lies in the file.
func appendRecord(b, core, sealed []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(core)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(sealed)))
	b = append(b, core...)
	b = append(b, sealed...)
	sum := sha256.Sum256(b[start:])
	return append(b, sum[:sumSize]...)
}

// recordSize is how long the record at the start of b says it is; false when it cannot be.
func recordSize(b []byte) (core, sealed int, ok bool) {
	if len(b) < recordHead {
		return 0, 0, false
	}
	c, s := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	return int(c), int(s), c > 0 && c <= maxCore && s <= maxSealed
}

// Stored is an entry as it lies in the log, with its details sealed.
type Stored struct {
	entry.Entry
	Core   []byte // what is hashed
	Sealed []byte
}

// parseRecord reads the record at the start of b, and says how long it is.
func parseRecord(b []byte) (Stored, int, error) {
	var s Stored
	c, d, ok := recordSize(b)
	n := recordHead + c + d + sumSize
	if !ok || len(b) < n {
		return s, 0, errTorn
	}
	sum := sha256.Sum256(b[:n-sumSize])
	if !bytes.Equal(sum[:sumSize], b[n-sumSize:n]) {
		return s, 0, errTorn
	}
	s.Core, s.Sealed = b[recordHead:recordHead+c], b[recordHead+c:recordHead+c+d]
	var err error
	if s.Entry, err = entry.Parse(s.Core); err != nil {
		return s, 0, err
	}
	if want := sha256.Sum256(s.Sealed); (d > 0 || s.Details != [32]byte{}) && want != s.Details {
		return s, 0, errors.New("its details are not those it was written with")
	}
	return s, n, nil
}

// Detail is one thing that an entry tells under seal.
type Detail = entry.Detail

// Details are what an entry tells under seal.
type Details = entry.Details
