package exclusion

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/line"
)

// errForm reports bytes that are no list of this version. It says nothing of what is in them.
var errForm = errors.New("exclusion: not a list of this version")

const version = 1

const (
	kindWhole = 0
	kindStart = 1
)

func encode(entries []Entry) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(version)
	b.AddUint16(uint16(len(entries)))
	for _, e := range entries {
		kind := uint8(kindWhole)
		if e.Start {
			kind = kindStart
		}
		b.AddUint8(kind)
		b.AddUint64(uint64(e.Since.Unix()))
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(e.Number.Reveal())) })
	}
	return b.BytesOrPanic() // each was bounded when it was taken in
}

// decode reads what encode wrote, and nothing else.
func decode(data []byte) ([]Entry, error) {
	s := cryptobyte.String(data)
	var v uint8
	var n uint16
	if !s.ReadUint8(&v) || v != version || !s.ReadUint16(&n) || n > MaxEntries {
		return nil, errForm
	}
	entries := make([]Entry, 0, n)
	for range n {
		var kind uint8
		var since uint64
		var text cryptobyte.String
		if !s.ReadUint8(&kind) || kind > kindStart || !s.ReadUint64(&since) || since > 1<<40 || !s.ReadUint8LengthPrefixed(&text) {
			return nil, errForm
		}
		e := Entry{Number: line.Number(text), Start: kind == kindStart, Since: time.Unix(int64(since), 0).UTC()}
		if err := e.valid(); err != nil {
			return nil, fmt.Errorf("%w: %w", errForm, err)
		}
		entries = append(entries, e)
	}
	if !s.Empty() {
		return nil, errForm
	}
	return entries, nil
}
