package keys

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"linekeep/vault/keys/pair"
)

var errDisk = errors.New("the disk fails")

// paperMode is what happens to the step that is hit.
type paperMode int

const (
	paperFails paperMode = iota // it gives an error, is not done, and the next ones work again
	paperCut                    // the power goes before it
	paperTorn                   // the power goes in it: a file is partly written, and what was not made to last is as it was, or not
	paperLost                   // the power goes before it, and what was not made to last is as it was, or not, each for itself
	paperModes
)

func (m paperMode) String() string { return [...]string{"fails", "cut", "torn", "lost"}[m] }

// sheet is a file on paper. Until it is synced a power cut leaves some of it.
type sheet struct {
	data   []byte
	synced bool
}

// change is something done in a folder that a power cut may undo until the folder is synced.
type change struct {
	path string
	file *sheet // nil: removed
	from string // renamed from here
}

// paper is a disk in memory whose power can be cut at any step, and which remembers all that was ever written to it.
type paper struct {
	files   map[string]*sheet   // as they are seen
	lasting map[string]*sheet   // as they are after a power cut at the least
	pending map[string][]change // by folder
	written *[]leftover         // every file ever, whole, however little of it arrived

	steps int // done so far
	hit   int // the step that fails; -1 none
	mode  paperMode
	dice  *rand.Rand
	off   bool
}

// leftover is what may lie in some corner of a flash for ever.
type leftover struct {
	data []byte
	hash [sha256.Size]byte
}

var _ pair.FS = (*paper)(nil)

func newPaper() *paper {
	return &paper{files: map[string]*sheet{}, lasting: map[string]*sheet{}, pending: map[string][]change{}, written: new([]leftover), hit: -1}
}

// copyFor is the disk as it is now, with a fault at a step to come.
func (p *paper) copyFor(hit int, mode paperMode, seed uint64) *paper {
	written := slices.Clone(*p.written)
	return &paper{files: maps.Clone(p.files), lasting: maps.Clone(p.files), pending: map[string][]change{}, written: &written,
		hit: hit, mode: mode, dice: rand.New(rand.NewPCG(seed, 1))}
}

// restart is what the disk has after the power came back. It has no fault.
func (p *paper) restart() *paper {
	q := newPaper()
	q.written, q.files, q.lasting = p.written, maps.Clone(p.files), maps.Clone(p.files)
	if p.off {
		q.files, q.lasting = maps.Clone(p.lasting), maps.Clone(p.lasting)
	}
	return q // what was not synced was torn when the power went
}

// step counts, and says whether it is done; torn says that it is half done.
func (p *paper) step() (torn bool, err error) {
	if p.off {
		return false, errCut
	}
	p.steps++
	if p.steps-1 != p.hit {
		return false, nil
	}
	if p.mode == paperFails {
		return false, errDisk
	}
	p.cut()
	return p.mode == paperTorn, errCut
}

// cut turns the power off. What was pending lasts; in modes torn and lost each change for itself, or not.
func (p *paper) cut() {
	p.off = true
	for _, dir := range slices.Sorted(maps.Keys(p.pending)) {
		for _, c := range p.pending[dir] {
			if p.mode != paperCut && p.dice.IntN(2) == 0 {
				continue
			}
			p.last(c)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(p.lasting)) {
		if f := p.lasting[path]; !f.synced {
			p.lasting[path] = &sheet{data: f.data[:p.dice.IntN(len(f.data))], synced: true}
		}
	}
}

func (p *paper) last(c change) {
	if c.from != "" {
		delete(p.lasting, c.from)
	}
	if c.file == nil {
		delete(p.lasting, c.path)
		return
	}
	p.lasting[c.path] = c.file
}

func (p *paper) do(c change) {
	if c.from != "" {
		delete(p.files, c.from)
	}
	if c.file == nil {
		delete(p.files, c.path)
	} else {
		p.files[c.path] = c.file
	}
	dir := filepath.Dir(c.path)
	p.pending[dir] = append(p.pending[dir], c)
}

func (p *paper) Create(path string, data []byte) error {
	data = bytes.Clone(data)
	if n := len(*p.written); n == 0 || !bytes.Equal((*p.written)[n-1].data, data) { // a second copy is no news
		*p.written = append(*p.written, leftover{data: data, hash: sha256.Sum256(data)})
	}
	torn, err := p.step()
	if torn {
		p.lasting[path] = &sheet{data: data[:p.dice.IntN(len(data))], synced: true}
	}
	if err == nil {
		p.do(change{path: path, file: &sheet{data: data}})
	}
	return err
}

func (p *paper) Sync(path string) error {
	f, ok := p.files[path]
	if !ok {
		return missing(path)
	}
	_, err := p.step()
	f.synced = f.synced || err == nil
	return err
}

func missing(path string) error { return fmt.Errorf("%s: %w", path, fs.ErrNotExist) }

func (p *paper) Rename(from, to string) error {
	file, ok := p.files[from]
	if !ok {
		return missing(from)
	}
	_, err := p.step()
	if err == nil {
		p.do(change{path: to, file: file, from: from})
	}
	return err
}

func (p *paper) Remove(path string) error {
	if _, ok := p.files[path]; !ok {
		return missing(path)
	}
	_, err := p.step()
	if err == nil {
		p.do(change{path: path})
	}
	return err
}

func (p *paper) SyncDir(dir string) error {
	_, err := p.step()
	if err == nil {
		for _, c := range p.pending[dir] {
			p.last(c)
		}
		delete(p.pending, dir)
	}
	return err
}

func (p *paper) Read(path string) ([]byte, error) {
	f, ok := p.files[path]
	if !ok {
		return nil, missing(path)
	}
	return f.data, nil // who reads does not write into it
}

func (p *paper) ReadBack(path string) ([]byte, bool, error) {
	if _, err := p.step(); err != nil { // a bad block is seen here
		return nil, true, err
	}
	data, err := p.Read(path)
	return data, true, err
}

func (p *paper) Size(path string) (int64, error) {
	f, ok := p.files[path]
	if !ok {
		return 0, missing(path)
	}
	return int64(len(f.data)), nil
}

func (p *paper) List(dir string) ([]string, error) {
	var names []string
	for path := range p.files {
		if filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (*paper) MkdirAll(string) error { return nil }
