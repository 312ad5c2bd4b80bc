package retention

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
	"linekeep/vault/retention/note"
)

const (
	gracesName    = "graces"
	gracesVersion = 1
	maxGraces     = 1 << 22
)

var errGraces = errors.New("retention: not a list of graces")

// graces remembers which recordings were held or frozen, and since when they are no more, on the retention clock: zero
// while something keeps them. The Keeper's turn guards it.
type graces struct {
	note     *note.Note
	freed    map[keys.ID]time.Time
	lost     bool // it cannot be read which there were
	findings []error
}

func openGraces(cfg note.Config) (*graces, error) {
	n, found, err := note.Open(cfg, gracesName)
	if err != nil {
		return nil, fmt.Errorf("open the graces: %w", err)
	}
	g := &graces{note: n, freed: map[keys.ID]time.Time{}, findings: found.Findings, lost: found.Lost}
	if found.Body != nil {
		if g.freed, err = parseGraces(found.Body); err != nil {
			g.findings, g.freed, g.lost = append(g.findings, err), map[keys.ID]time.Time{}, true
		}
	}
	return g, nil
}

// guard notes that something keeps ids.
func (g *graces) guard(ids []keys.ID) error { return g.set(ids, time.Time{}) }

// free notes that ids are kept by something less. Where something else keeps them, the next pass notes that again.
func (g *graces) free(ids []keys.ID, now time.Time) error { return g.set(ids, now) }

func (g *graces) set(ids []keys.ID, at time.Time) error {
	next := maps.Clone(g.freed)
	for _, id := range ids {
		next[id] = at
	}
	return g.write(next)
}

// regard notes what is kept now, and what is kept no more. Over is what needs no note: it is gone, or its grace is.
func (g *graces) regard(kept map[keys.ID]bool, now time.Time, gone func(keys.ID) bool) error {
	next := make(map[keys.ID]time.Time, len(g.freed))
	for id, freed := range g.freed {
		switch {
		case kept[id] || gone(id):
		case freed.IsZero():
			next[id] = now
		case now.Sub(freed) < Grace:
			next[id] = freed
		}
	}
	for id := range kept {
		next[id] = time.Time{}
	}
	return g.write(next)
}

// shift moves all that is freed, with the clock.
func (g *graces) shift(by time.Duration) error {
	next := maps.Clone(g.freed)
	for id, freed := range next {
		if !freed.IsZero() {
			next[id] = freed.Add(by)
		}
	}
	return g.write(next)
}

// write puts next in the place of what there is, on the disk first.
func (g *graces) write(next map[keys.ID]time.Time) error {
	if maps.Equal(next, g.freed) {
		return nil
	}
	if err := g.note.Write(gracesBytes(next)); err != nil {
		return err
	}
	g.freed = next
	return nil
}

func gracesBytes(all map[keys.ID]time.Time) []byte {
	ids := slices.SortedFunc(maps.Keys(all), compareIDs)
	b := cryptobyte.NewBuilder(make([]byte, 0, 5+16*len(ids)))
	b.AddUint8(gracesVersion)
	b.AddUint32(uint32(len(ids)))
	for _, id := range ids {
		b.AddBytes(id.Append(nil))
		ns := uint64(0)
		if !all[id].IsZero() {
			ns = uint64(all[id].UnixNano())
		}
		b.AddUint64(ns)
	}
	return b.BytesOrPanic() // fixed lengths
}

func compareIDs(a, b keys.ID) int {
	return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Slot, b.Slot))
}

// parseGraces reads what gracesBytes wrote, and nothing else.
func parseGraces(data []byte) (map[keys.ID]time.Time, error) {
	s := cryptobyte.String(data)
	var version uint8
	var n uint32
	if !s.ReadUint8(&version) || version != gracesVersion || !s.ReadUint32(&n) || n > maxGraces || uint64(n)*(keys.IDSize+8) != uint64(len(s)) {
		return nil, fmt.Errorf("%w: its head", errGraces)
	}
	all := make(map[keys.ID]time.Time, n)
	var before keys.ID
	for range n {
		var b []byte
		var ns uint64
		s.ReadBytes(&b, keys.IDSize) // the length was looked at
		s.ReadUint64(&ns)
		id, err := keys.IDFrom(b)
		if err != nil || compareIDs(before, id) >= 0 {
			return nil, fmt.Errorf("%w: ids out of order", errGraces)
		}
		before = id
		if all[id] = (time.Time{}); ns != 0 {
			all[id] = time.Unix(0, int64(ns)).UTC()
		}
	}
	return all, nil
}
