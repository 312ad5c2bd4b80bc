package journal

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
)

// Group is what is said of a group as a whole.
type Group struct {
	At       time.Time
	Opened   bool        // the vault was opened here: what stands before may end torn
	Clean    bool        // the vault was closed here
	Final    bool        // written while closing: Config.Room is not asked, for room was kept for this
	Marks    []keys.Mark // slots handed out so far
	Counters []Counter   // commits of each folder open for writing

	prev   link
	oldest uint64 // file
}

// Counter is how many commits a folder had seen. A folder that later says less has silently lost its newest writes.
type Counter struct {
	Folder  string
	Commits uint64
}

// maxNames bounds the marks and counters of a group.
const (
	maxNames = 1 << 12
)

// errGroup reports a group record whose body is authentic but not understood: written by a later version.
var errGroup = errors.New("journal: group record of an unknown form")

// size is the length of the group record's body.
func (g *Group) size() int {
	n := 8 + 4 + 8 + 8 + macSize + 8 + 2 + 8*len(g.Marks) + 2
	for i := range g.Counters {
		n += 1 + len(g.Counters[i].Folder) + 8
	}
	return n
}

// summary is what the body says beside the Group.
type summary struct {
	count uint32 // records that follow
	bytes uint64 // of them, headers included
}

func (g *Group) append(dst []byte, s summary) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(g.At.UnixNano()))
	dst = binary.BigEndian.AppendUint32(dst, s.count)
	dst = binary.BigEndian.AppendUint64(dst, s.bytes)
	dst = binary.BigEndian.AppendUint64(dst, g.prev.group)
	dst = append(dst, g.prev.mac[:]...)
	dst = binary.BigEndian.AppendUint64(dst, g.oldest)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(g.Marks)))
	for _, m := range g.Marks {
		dst = binary.BigEndian.AppendUint32(dst, m.Shard)
		dst = binary.BigEndian.AppendUint32(dst, m.Next)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(g.Counters)))
	for i := range g.Counters {
		c := &g.Counters[i]
		dst = append(dst, byte(len(c.Folder)))
		dst = append(dst, c.Folder...)
		dst = binary.BigEndian.AppendUint64(dst, c.Commits)
	}
	return dst
}

// appendGroup writes the group record and the records after it, sets their places relative to the start of dst,
// and gives the MAC that the next group names.
func (s *sealer) appendGroup(dst []byte, file, number uint64, g *Group, records []Record) ([]byte, [macSize]byte) {
	sum := summary{count: uint32(len(records))}
	for i := range records {
		sum.bytes += uint64(headerSize + len(records[i].Body))
	}
	head := Record{Kind: KindGroup, Group: number, Body: g.append(make([]byte, 0, g.size()), sum)}
	if g.Opened {
		head.Flags |= flagOpened
	}
	if g.Clean {
		head.Flags |= flagClean
	}
	dst = s.appendRecord(dst, file, &head)
	for i := range records {
		r := &records[i]
		r.Group = number
		r.Pos.Offset = int64(len(dst))
		dst = s.appendRecord(dst, file, r)
	}
	return dst, head.mac
}

// parseGroup reads a group record's body.
func parseGroup(flags uint8, body []byte) (Group, summary, error) {
	g := Group{Opened: flags&flagOpened != 0, Clean: flags&flagClean != 0}
	var sum summary
	var at uint64
	var mac []byte
	var n uint16
	b := cryptobyte.String(body)
	if !b.ReadUint64(&at) || !b.ReadUint32(&sum.count) || !b.ReadUint64(&sum.bytes) || !b.ReadUint64(&g.prev.group) ||
		!b.ReadBytes(&mac, macSize) || !b.ReadUint64(&g.oldest) || !b.ReadUint16(&n) || n > maxNames {
		return g, sum, errGroup
	}
	g.At = time.Unix(0, int64(at))
	copy(g.prev.mac[:], mac)
	for range n {
		var m keys.Mark
		if !b.ReadUint32(&m.Shard) || !b.ReadUint32(&m.Next) {
			return g, sum, errGroup
		}
		g.Marks = append(g.Marks, m)
	}
	if !b.ReadUint16(&n) || n > maxNames {
		return g, sum, errGroup
	}
	for range n {
		var c Counter
		var name cryptobyte.String
		if !b.ReadUint8LengthPrefixed(&name) || !b.ReadUint64(&c.Commits) {
			return g, sum, errGroup
		}
		c.Folder = string(name)
		g.Counters = append(g.Counters, c)
	}
	if !b.Empty() {
		return g, sum, errGroup
	}
	return g, sum, nil
}
