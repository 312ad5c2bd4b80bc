package check

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// known is what belongs directly into a vault's folder.
func known() []string {
	return []string{"keys", "journal", "calls", "catalog", "erasures", "retention", "settings", "custody", "degraded", "audit", "register", "ballast", "lock"}
}

// copies is where the second copy of a small file stands, below the folder of the first.
const copies = "copy"

// files looks at what no other part answers for.
func (r *run) files() {
	entries, err := os.ReadDir(r.v.Dir)
	if err != nil {
		r.find(Altered, "vault", "Its folder cannot be listed: %v.", err)
	}
	for _, e := range entries {
		if !slices.Contains(known(), e.Name()) {
			r.find(Extra, e.Name(), "It is nothing of the vault's. It does no harm.")
		}
	}
	r.journalNames()
	if r.v.Unfiled == nil { // nobody writes: in a running vault one copy is for a moment older, and both are written anew hourly
		r.pairs("retention")
	}
	r.ballast()
}

func (r *run) journalNames() {
	entries, err := os.ReadDir(filepath.Join(r.v.Dir, "journal"))
	if err != nil {
		return // the journal's own check has said so
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".lkj" {
			r.find(Extra, "journal/"+e.Name(), "It is nothing of the journal's. It does no harm.")
		}
	}
}

// pairs compares small files with their second copies.
func (r *run) pairs(dir string) {
	first := os.DirFS(filepath.Join(r.v.Dir, dir))
	names := make(map[string]bool)
	for _, d := range []string{".", copies} {
		entries, err := fs.ReadDir(first, d)
		if err != nil {
			continue // a folder that was never made
		}
		for _, e := range entries {
			if !e.IsDir() {
				names[e.Name()] = true
			}
		}
	}
	for name := range names {
		if strings.HasSuffix(name, ".tmp") {
			continue // being written, or left by a power cut: the next writing takes it away
		}
		a, errA := fs.ReadFile(first, name)
		b, errB := fs.ReadFile(first, copies+"/"+name)
		err := errors.Join(errA, errB)
		switch {
		case err != nil:
			r.find(Missing, dir+"/"+name, "One of its two copies cannot be read (%v). The other serves; it is made again when it is next saved.", err)
		case !bytes.Equal(a, b):
			r.find(Altered, dir+"/"+name, "Its two copies differ: one of them is altered. The whole one serves.")
		}
	}
}

// ballast is all zeros, as the kernel made it.
func (r *run) ballast() {
	if r.v.Ballast == "" {
		return
	}
	f, err := os.Open(r.v.Ballast)
	if err != nil {
		return // given up on a full disk; the guard says so
	}
	zero, err := zeros(f)
	if err = errors.Join(err, f.Close()); err != nil {
		r.find(Altered, "ballast", "It cannot be read: %v. %s", err, meansBallast)
		return
	}
	if !zero {
		r.find(Altered, "ballast", "It is not empty any more. %s", meansBallast)
	}
}

func zeros(r io.Reader) (bool, error) {
	buf := make([]byte, 1<<16)
	zero := make([]byte, len(buf))
	for {
		n, err := r.Read(buf)
		if !bytes.Equal(buf[:n], zero[:n]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}
