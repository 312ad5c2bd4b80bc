package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"linekeep/vault/keys"
)

// Replay is what the journal holds, in the order it was written.
type Replay struct {
	Records []Record // whole and stored; without their bodies, which Read gives
	Last    Group    // the newest group: marks and counters as they stood then
	Clean   bool     // the vault was closed, not cut off
	Empty   bool     // no group at all: a new vault
	// Damages are what is altered or missing. A write that a power cut tore is no damage.
	Damages []*Damage
	// Torn are bytes at the very end that a cut-off write left.
	Torn int64

	files []*scanned
}

// CutOff is how many recordings the journal has no end of: a power cut or a crash ended them, and recovery closes them.
func (r *Replay) CutOff() int {
	ended, all := make(map[keys.ID]bool), make(map[keys.ID]bool)
	for i := range r.Records {
		rec := &r.Records[i]
		all[rec.ID] = true
		if rec.Kind == KindClose || rec.Kind == KindFiled {
			ended[rec.ID] = true
		}
	}
	return len(all) - len(ended)
}

// load reads all files. complete says that the end cannot be torn, because whoever wrote it says where it ends.
func load(cfg Config, s *sealer, numbers []uint64, limit func(uint64) int64, complete bool) (*Replay, error) {
	r := &Replay{}
	var data []byte
	for _, n := range numbers {
		var err error
		data, err = readInto(data[:0], filepath.Join(cfg.Dir, fileName(n)), limit(n))
		if errors.Is(err, os.ErrNotExist) {
			continue // let go between listing and reading
		}
		if err != nil {
			return nil, fmt.Errorf("read the journal: %w", err)
		}
		r.files = append(r.files, scan(s, data, cfg.VaultID, n))
	}
	r.resolve(complete)
	return r, nil
}

// resolve follows the chain of groups from the newest back. Each group names the one before it that counted: what
// the chain steps over was refused to its writer (its write or its sync failed) and is not read as stored, and
// what it names but is not there is missing.
func (r *Replay) resolve(complete bool) {
	var groups []*groupAt
	byNumber := make(map[uint64]*groupAt)
	seen := make(map[uint64]bool) // some record of the group is there
	for _, f := range r.files {
		for i := range f.groups {
			g := &f.groups[i]
			groups = append(groups, g)
			byNumber[g.number] = g
		}
		for i := range f.records {
			seen[f.records[i].Group] = true
		}
		for n := range f.broken {
			seen[n] = true
		}
	}
	r.Empty = len(groups) == 0 && len(seen) == 0
	if len(groups) == 0 {
		r.collect(nil, 0, complete)
		return
	}
	slices.SortFunc(groups, func(a, b *groupAt) int { return int(int64(a.number) - int64(b.number)) })
	last := groups[len(groups)-1]
	r.Last, r.Clean = last.Group, last.Clean
	counted := r.chain(groups, byNumber, seen)
	r.dropReleased(last.oldest)
	r.complete(groups, counted, complete)
	r.collect(counted, last.number, complete)
}

// chain gives the numbers of the groups that count.
func (r *Replay) chain(groups []*groupAt, byNumber map[uint64]*groupAt, seen map[uint64]bool) map[uint64]bool {
	counted := make(map[uint64]bool)
	i := len(groups) - 1
	for i >= 0 { // each step is to an older group
		g := groups[i]
		counted[g.number] = true
		prev := g.prev.group
		if prev == 0 {
			break // the first group of all
		}
		counted[prev] = true
		before := byNumber[prev]
		if before == nil && i > 0 && !seen[prev] {
			r.missing(g, fmt.Sprintf("group %d, written before this one, is missing", prev))
		}
		if before != nil && before.mac != g.prev.mac {
			r.missing(g, fmt.Sprintf("group %d, written before this one, is not the one that was written", prev))
		}
		i--
		for i >= 0 && groups[i].number > prev {
			i-- // stepped over: refused to its writer
		}
	}
	return counted
}

func (r *Replay) missing(g *groupAt, what string) {
	r.Damages = append(r.Damages, &Damage{File: fileName(g.pos.File), Offset: g.pos.Offset, What: what})
}

// dropReleased forgets files the newest group says are needed no longer (a removal that a power cut undid), and
// finds out whether the oldest that is needed is there.
func (r *Replay) dropReleased(oldest uint64) {
	i := 0
	for i < len(r.files) && r.files[i].number < oldest {
		i++
	}
	r.files = r.files[i:]
	if len(r.files) == 0 || r.files[0].number != oldest {
		r.Damages = append(r.Damages, &Damage{File: fileName(oldest), What: "the file is missing"})
	}
}

// complete finds groups that lack records. The last before a start that followed a power cut may.
func (r *Replay) complete(groups []*groupAt, counted map[uint64]bool, complete bool) {
	for i, g := range groups {
		if !counted[g.number] || g.records == int(g.count) {
			continue
		}
		if i == len(groups)-1 && !complete && !g.Clean {
			continue
		}
		if i+1 < len(groups) && groups[i+1].Opened {
			continue
		}
		r.missing(g, fmt.Sprintf("group %d has %d of its %d records", g.number, g.records, g.count))
	}
}

// collect gathers the records that count and the damages that are no torn end.
func (r *Replay) collect(counted map[uint64]bool, last uint64, complete bool) {
	for i, f := range r.files {
		for _, rec := range f.records {
			if counted[rec.Group] || rec.Group > last {
				r.Records = append(r.Records, rec)
			}
		}
		newest := i == len(r.files)-1
		for _, d := range f.damages {
			atEnd := d.Offset >= f.end
			switch {
			case newest && !complete && !r.Clean && (atEnd || d.zeros) && (d.zeros || !d.entire):
				r.Torn += d.Bytes
			case !newest && atEnd && f.whole(counted):
				// a write that failed, and its writer was told so: nothing stored is in it
			default:
				r.Damages = append(r.Damages, d)
			}
		}
	}
}

// whole says whether the last group of the file that counts has all its records, so that what follows it at the
// end of the file can only be a write that failed. That the next file goes on from it, the chain has shown.
func (f *scanned) whole(counted map[uint64]bool) bool {
	for i := len(f.groups) - 1; i >= 0; i-- {
		if g := &f.groups[i]; counted[g.number] {
			return g.records == int(g.count) && !f.broken[g.number]
		}
	}
	return false
}

// Marks are the marks of the newest group, raised by every id a record names: the newest group may be lost.
func (r *Replay) Marks() []keys.Mark {
	marks := slices.Clone(r.Last.Marks)
	for i := range r.Records {
		id := r.Records[i].ID
		if r.Records[i].Kind != KindOpen {
			continue
		}
		j := slices.IndexFunc(marks, func(m keys.Mark) bool { return m.Shard == id.Shard })
		switch {
		case j < 0:
			marks = append(marks, keys.Mark{Shard: id.Shard, Next: id.Slot + 1})
		case marks[j].Next <= id.Slot:
			marks[j].Next = id.Slot + 1
		}
	}
	return marks
}

// Unfiled are the recordings that the journal says nothing final of.
func (r *Replay) Unfiled() []keys.ID {
	filed := make(map[keys.ID]bool)
	var ids []keys.ID
	for i := range r.Records {
		if r.Records[i].Kind == KindFiled {
			filed[r.Records[i].ID] = true
		}
	}
	for i := range r.Records {
		if id := r.Records[i].ID; !filed[id] {
			filed[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}
