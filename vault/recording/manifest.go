// Package recording is the form of a recording on disk: its opening, its closing, its chunks of sealed sound and the
// manifest over all of them (vault/FORMAT.md, sections 9 to 11).
//
// Stage: line -> call -> encode -> seal -> [store] -> search -> release.
//
//	In:    plain values, or the bytes that were once made of them
//	Out:   the same values; each has exactly one form, and what has another is refused
//	Owner: plain values; no goroutine
//	Full:  every count in bytes from a disk is bounded by the bytes that follow it
package recording

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/keys"
)

// The layout is in vault/FORMAT.md, section 11.
const manifestMagic = "LKmnft"

// Manifest closes a recording: all that is known of it, and the hash of every byte that belongs to it. It is over
// ciphertext, so that it can be made, and checked, without the data key.
type Manifest struct {
	ID        keys.ID
	Opening   Opening
	Closing   Closing
	Recovered bool     // closed at the next start, after a power cut or crash
	Wrap      [32]byte // SHA-256 of the opening's body
	Tracks    []Track
}

// Track is one party's sound.
type Track struct {
	Party segment.Party
	Gaps  uint32       // places where sound is missing: marked gaps, and holes between segments
	Lost  line.Samples // how much; of a recovered recording only the holes, for the marks are sealed with the sound
	Parts []Part
}

// Gaps counts the places of all tracks where sound is missing, and how much.
func (m *Manifest) Gaps() (places int, lost line.Samples) {
	for i := range m.Tracks {
		places += int(m.Tracks[i].Gaps)
		lost += m.Tracks[i].Lost
	}
	return places, lost
}

// Part is one chunk of a track.
type Part struct {
	Number   uint32
	Size     uint32
	Segments uint32
	FirstSeq uint32
	LastSeq  uint32
	Start    line.Samples
	End      line.Samples
	Last     bool // its last segment ends the track
	Gaps     bool // sound is missing in one of its segments
	Hash     [32]byte
}

// Seal gives the manifest's bytes: boxed under K_meta.
func (m *Manifest) Seal(f Forms) []byte { return f.box(labelManifest, m.append(nil)) }

func (m *Manifest) append(b []byte) []byte {
	b = append(b, manifestMagic...)
	var flags byte
	if m.Recovered {
		flags |= flagRecovered
	}
	b = binary.BigEndian.AppendUint16(b, formVersion)
	b = m.ID.Append(b)
	b = append(b, flags, byte(m.Opening.Trigger), byte(m.Opening.Direction))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Opening.Start.UnixNano()))
	b = m.Opening.Continues.Append(b)
	b = appendString(b, m.Opening.Line)
	b = appendString(b, m.Opening.Class)
	b = m.Closing.append(b)
	b = append(b, m.Wrap[:]...)
	b = append(b, byte(len(m.Tracks)))
	for i := range m.Tracks {
		t := &m.Tracks[i]
		b = append(b, byte(t.Party))
		b = binary.BigEndian.AppendUint32(b, t.Gaps)
		b = binary.BigEndian.AppendUint64(b, uint64(t.Lost))
		b = binary.BigEndian.AppendUint32(b, uint32(len(t.Parts)))
		for j := range t.Parts {
			b = t.Parts[j].append(b)
		}
	}
	return b
}

func (p *Part) append(b []byte) []byte {
	var flags byte
	if p.Last {
		flags |= entryLast
	}
	if p.Gaps {
		flags |= entryGap
	}
	b = append(b, flags)
	for _, v := range [...]uint32{p.Number, p.Size, p.Segments, p.FirstSeq, p.LastSeq} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(p.Start))
	b = binary.BigEndian.AppendUint64(b, uint64(p.End))
	return append(b, p.Hash[:]...)
}

func (p *Part) read(s *cryptobyte.String) bool {
	var flags uint8
	var start, end uint64
	ok := s.ReadUint8(&flags) && flags <= entryLast|entryGap && s.ReadUint32(&p.Number) && s.ReadUint32(&p.Size) && s.ReadUint32(&p.Segments) &&
		s.ReadUint32(&p.FirstSeq) && s.ReadUint32(&p.LastSeq) && s.ReadUint64(&start) && s.ReadUint64(&end) && s.CopyBytes(p.Hash[:])
	p.Last, p.Gaps = flags&entryLast != 0, flags&entryGap != 0
	p.Start, p.End = line.Samples(start), line.Samples(end)
	return ok
}

// partSize is the length of a Part on disk.
const partSize = 1 + 5*4 + 2*8 + 32

// OpenManifest reads what Seal wrote.
func OpenManifest(f Forms, boxed []byte) (Manifest, error) {
	plain, err := f.unbox(labelManifest, boxed)
	if err != nil {
		return Manifest{}, err
	}
	m, err := parseManifest(plain)
	if err == nil && m.ID != f.ID {
		err = ErrForm
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("manifest of recording %s: %w", f.ID, err)
	}
	return m, nil
}

func parseManifest(plain []byte) (Manifest, error) {
	var m Manifest
	s := cryptobyte.String(plain)
	var magic []byte
	var ver uint16
	var flags, trigger, direction, tracks uint8
	ok := s.ReadBytes(&magic, len(manifestMagic)) && string(magic) == manifestMagic && s.ReadUint16(&ver) && ver == formVersion &&
		readID(&s, &m.ID) && s.ReadUint8(&flags) && flags&^flagRecovered == 0 && s.ReadUint8(&trigger) && s.ReadUint8(&direction) &&
		readTime(&s, &m.Opening.Start) && readID(&s, &m.Opening.Continues) && readString(&s, &m.Opening.Line) &&
		readString(&s, &m.Opening.Class) && m.Closing.read(&s) && s.CopyBytes(m.Wrap[:]) && s.ReadUint8(&tracks)
	if !ok {
		return Manifest{}, ErrForm
	}
	m.Recovered = flags&flagRecovered != 0
	m.Opening.Trigger, m.Opening.Direction = segment.Trigger(trigger), line.Direction(direction)
	for range tracks {
		var t Track
		var party uint8
		var lost uint64
		var n uint32
		if !s.ReadUint8(&party) || !s.ReadUint32(&t.Gaps) || !s.ReadUint64(&lost) || !s.ReadUint32(&n) || int64(n)*partSize > int64(len(s)) {
			return Manifest{}, ErrForm
		}
		t.Party, t.Lost, t.Parts = segment.Party(party), line.Samples(lost), make([]Part, n)
		for i := range t.Parts {
			if !t.Parts[i].read(&s) {
				return Manifest{}, ErrForm
			}
		}
		m.Tracks = append(m.Tracks, t)
		m.Opening.Parties = append(m.Opening.Parties, t.Party)
	}
	if !s.Empty() {
		return Manifest{}, ErrForm
	}
	return m, nil
}

// Size is the bytes of sound of the recording, as they stand in the month's folder.
func (m *Manifest) Size() (n int64) {
	for i := range m.Tracks {
		for j := range m.Tracks[i].Parts {
			n += int64(m.Tracks[i].Parts[j].Size)
		}
	}
	return n
}

// Row is what the catalogue is told of the recording.
func (m *Manifest) Row() catalog.Row {
	gaps, lost := m.Gaps()
	o, c := &m.Opening, &m.Closing
	return catalog.Row{ID: m.ID, Line: o.Line, Class: o.Class, Start: o.Start, Duration: c.Length.Duration(), Direction: c.Direction,
		Number: c.Number, Extension: c.Extension, Answered: c.Answered, Silent: c.Silent, Trigger: o.Trigger, Reason: c.Reason,
		Gaps: gaps, GapTotal: lost.Duration(), Bytes: m.Size(), Parties: o.Parties, Continues: o.Continues, Recovered: m.Recovered}
}

// Hash is what other records call the manifest by: the SHA-256 of its sealed bytes.
func Hash(sealed []byte) [32]byte { return sha256.Sum256(sealed) }
