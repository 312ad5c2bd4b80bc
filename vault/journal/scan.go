package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"linekeep/vault/keys"
)

// Damage is a place in the journal that is not what was written. It is an error that names itself.
type Damage struct {
	File   string
	Offset int64
	Bytes  int64 // 0 where something is missing rather than altered
	What   string
	ID     keys.ID // the recording it concerns, where the header still tells; the zero ID else
	Kind   Kind    // of the damaged record, where the header still tells

	// A write that a power cut tore ends early, or has sectors of zeros that never arrived. One that is there in
	// full and still does not authenticate was altered.
	zeros, entire bool
}

func (d *Damage) Error() string {
	if d.Bytes > 0 {
		return fmt.Sprintf("journal/%s: %d bytes at %d: %s", d.File, d.Bytes, d.Offset, d.What)
	}
	return fmt.Sprintf("journal/%s at %d: %s", d.File, d.Offset, d.What)
}

// Is makes every damage an ErrAltered.
func (d *Damage) Is(target error) bool { return target == ErrAltered }

// groupAt is a group record as found.
type groupAt struct {
	Group
	summary
	number  uint64
	mac     [macSize]byte
	pos     Position
	records int // of the group that were found whole, or with only their body altered
}

// scanned is what one file holds.
type scanned struct {
	number   uint64
	name     string
	size     int64
	records  []Record // without the group records, without those whose body is altered
	groups   []groupAt
	damages  []*Damage
	headless bool  // the file header is not right
	end      int64 // of the last record that could be read; what follows is no record
	// broken are groups some record of which has an altered body.
	broken map[uint64]bool
}

// scan reads one file. It never fails: what cannot be read is damage, after which it looks for the next header
// that authenticates, so one altered byte costs at most the record it is in.
func scan(s *sealer, data []byte, vaultID [16]byte, number uint64) *scanned {
	f := &scanned{number: number, name: fileName(number), size: int64(len(data)), broken: make(map[uint64]bool)}
	off := fileHeader
	if !s.checkFileHeader(data, vaultID, number) {
		f.headless = true
		f.damage(data, 0, min(fileHeader, len(data)), "the file's header is altered", Record{})
		if len(data) < fileHeader {
			return f
		}
	}
	f.end = int64(off)
	for off < len(data) {
		r, ok := s.header(data[off:], number)
		if !ok {
			next := f.resync(s, data, off+1)
			f.damage(data, off, next-off, "no record can be read here", Record{})
			off = next
			continue
		}
		if r.Size > len(data)-off-headerSize {
			f.damage(data, off, len(data)-off, "the "+r.Kind.String()+" record is cut short", r)
			break
		}
		body := data[off+headerSize : off+headerSize+r.Size]
		r.Pos = Position{File: number, Offset: int64(off)}
		f.record(data, r, body)
		off += headerSize + r.Size
		f.end = int64(off)
	}
	return f
}

// resync finds the next place from off on where a header authenticates.
func (f *scanned) resync(s *sealer, data []byte, off int) int {
	for {
		i := bytes.Index(data[off:], []byte(recordMagic))
		if i < 0 {
			return len(data)
		}
		off += i
		if _, ok := s.header(data[off:], f.number); ok {
			return off
		}
		off++
	}
}

func (f *scanned) record(data []byte, r Record, body []byte) {
	last := len(f.groups) - 1
	if r.Kind != KindGroup && last >= 0 && f.groups[last].number == r.Group {
		f.groups[last].records++
	}
	if !r.matches(body) {
		f.broken[r.Group] = true
		f.damage(data, int(r.Pos.Offset), headerSize+r.Size, "the "+r.Kind.String()+" record is altered", r)
		return
	}
	if r.Kind != KindGroup {
		f.records = append(f.records, r)
		return
	}
	g, sum, err := parseGroup(r.Flags, body)
	if err != nil {
		f.damage(data, int(r.Pos.Offset), headerSize+r.Size, err.Error(), r)
		return
	}
	f.groups = append(f.groups, groupAt{Group: g, summary: sum, number: r.Group, mac: r.mac, pos: r.Pos})
}

func (f *scanned) damage(data []byte, off, n int, what string, r Record) {
	f.damages = append(f.damages, &Damage{File: f.name, Offset: int64(off), Bytes: int64(n), What: what, ID: r.ID, Kind: r.Kind,
		zeros: emptySector(data, off, n), entire: entire(data[off : off+n])})
}

// sector is the least a disk writes or does not write.
const sector = 512

// emptySector says whether a whole sector of the file within these bytes is zero.
func emptySector(data []byte, off, n int) bool {
	var zero [sector]byte
	for at := (off + sector - 1) / sector * sector; at+sector <= off+n; at += sector {
		if bytes.Equal(data[at:at+sector], zero[:]) {
			return true
		}
	}
	return false
}

// entire says whether b, which does not authenticate, has the form of a record that is there to its end: what its
// header claims fits, or what follows the header is what the header's hash says.
func entire(b []byte) bool {
	if len(b) < headerSize {
		return false
	}
	like := 0
	for i := range len(recordMagic) {
		if b[i] == recordMagic[i] {
			like++
		}
	}
	if like < len(recordMagic)-1 {
		return false
	}
	if int64(binary.BigEndian.Uint32(b[sizeAt:])) <= int64(len(b)-headerSize) {
		return true
	}
	hash := sha256.Sum256(b[headerSize:])
	return bytes.Equal(hash[:], b[hashAt:macAt])
}
