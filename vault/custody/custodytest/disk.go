package custodytest

import (
	"errors"
	"os"
	"path/filepath"

	"linekeep/vault/keys/pair"
)

// ErrCut is what every step gives once the power is gone.
var ErrCut = errors.New("the power is cut")

// Mode is what a power cut does to the step it hits.
type Mode int

// The modes.
const (
	Before Mode = iota // nothing of the step is done
	Half               // a file is half written
	Undone             // what was renamed or removed since its folder was last synced is as it was
	Modes
)

// Disk is a real disk whose power goes after some steps.
type Disk struct {
	pair.Disk
	Left  int // steps until the cut
	Mode  Mode
	Steps int // done
	cut   bool
	undo  map[string][]func()
}

// NewDisk makes one.
func NewDisk(left int, mode Mode) *Disk {
	return &Disk{Left: left, Mode: mode, undo: make(map[string][]func())}
}

// Step is one more thing done, of any kind. Errors: ErrCut.
func (d *Disk) Step() error {
	if d != nil && !d.step() {
		return ErrCut
	}
	return nil
}

func (d *Disk) step() bool {
	if d.cut {
		return false
	}
	if d.Left == 0 {
		d.cut = true
		if d.Mode == Undone {
			for _, changes := range d.undo {
				for i := len(changes) - 1; i >= 0; i-- {
					changes[i]()
				}
			}
		}
		return false
	}
	d.Left--
	d.Steps++
	return true
}

func before(path string) func() {
	data, err := os.ReadFile(path)
	if err != nil {
		return func() { _ = os.Remove(path) } // it may never have come to be
	}
	return func() {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			panic(err)
		}
	}
}

// Create writes a file.
func (d *Disk) Create(path string, data []byte) error {
	if !d.step() {
		if d.Mode == Half {
			_ = os.WriteFile(path, data[:len(data)/2], 0o600) // the folder may be gone: as good as nothing
			d.Mode = Before
		}
		return ErrCut
	}
	return d.Disk.Create(path, data)
}

// Rename renames.
func (d *Disk) Rename(from, to string) error {
	old, now := before(from), before(to)
	if !d.step() {
		return ErrCut
	}
	dir := filepath.Dir(from)
	d.undo[dir] = append(d.undo[dir], func() { now(); old() })
	return d.Disk.Rename(from, to)
}

// Remove removes.
func (d *Disk) Remove(path string) error {
	old := before(path)
	if !d.step() {
		return ErrCut
	}
	dir := filepath.Dir(path)
	d.undo[dir] = append(d.undo[dir], old)
	return d.Disk.Remove(path)
}

// SyncDir makes what was renamed and removed in dir last.
func (d *Disk) SyncDir(dir string) error {
	if !d.step() {
		return ErrCut
	}
	d.undo[dir] = nil
	return d.Disk.SyncDir(dir)
}
