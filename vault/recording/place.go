package recording

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/audio/segment"
	"linekeep/vault/keys"
)

// Place is what a key of a month's folder stands for. Nothing in a key is personal.
type Place struct {
	Kind   PlaceKind
	ID     keys.ID
	Party  segment.Party // of a chunk
	Number uint32        // of a chunk
}

// WrapKey is where the opening of a recording stands.
func WrapKey(id keys.ID) []byte { return id.Append([]byte{byte(AtWrap)}) }

// RewrapKey is where its wrap for a later custody key stands.
func RewrapKey(id keys.ID) []byte { return id.Append([]byte{byte(AtRewrap)}) }

// ManifestKey is where its manifest stands.
func ManifestKey(id keys.ID) []byte { return id.Append([]byte{byte(AtManifest)}) }

// ChunksKey begins the keys of all its chunks.
func ChunksKey(id keys.ID) []byte { return id.Append([]byte{byte(AtChunk)}) }

// ChunkKey is where one chunk stands.
func ChunkKey(id keys.ID, p segment.Party, number uint32) []byte {
	return binary.BigEndian.AppendUint32(append(ChunksKey(id), byte(p)), number)
}

// PlaceKind is what stands under a key.
type PlaceKind byte

// What a month's folder holds.
const (
	AtWrap     PlaceKind = 'w'
	AtChunk    PlaceKind = 'c'
	AtManifest PlaceKind = 'm'
	AtRewrap   PlaceKind = 'x'
)

// ParseKey reads a key of a month's folder. False = the store has written no such key.
func ParseKey(key []byte) (Place, bool) {
	s := cryptobyte.String(key)
	var kind, party uint8
	var p Place
	if !s.ReadUint8(&kind) || !readID(&s, &p.ID) {
		return Place{}, false
	}
	p.Kind = PlaceKind(kind)
	switch p.Kind {
	case AtWrap, AtManifest, AtRewrap:
		return p, s.Empty()
	case AtChunk:
		ok := s.ReadUint8(&party) && s.ReadUint32(&p.Number) && s.Empty()
		p.Party = segment.Party(party)
		return p, ok
	}
	return Place{}, false
}

// Key is the place's key.
func (p Place) Key() []byte {
	if p.Kind == AtChunk {
		return ChunkKey(p.ID, p.Party, p.Number)
	}
	return p.ID.Append([]byte{byte(p.Kind)})
}
