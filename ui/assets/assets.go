// Package assets holds what a browser loads beside the pages: one style sheet, one script module, one icon.
//
// They are built from src by scripts/assets into dist, which is not committed. The Go build works without them; Load
// then reports ErrMissing, and the console goes on with pages that have no style and no live part, and say so.
//
//	In:    GET or HEAD for a name that Load made from the file's content
//	Out:   the file, to be kept by the browser for ever, because other content has another name
//	Owner: an immutable set in the program's own memory; no goroutine
//	Full:  some 20 KB in all
package assets

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// ErrMissing reports that the program was built without its assets. Running scripts/assets and building again mends it.
var ErrMissing = errors.New("assets: not built; run scripts/assets and build again")

// Prefix is where the assets stand on the console.
const Prefix = "/assets/"

// Set is the assets of this build.
type Set struct {
	Style, Script, Icon string // addresses; empty when missing
	files               map[string][]byte
}

// Load reads the assets of this build. With ErrMissing the set is still good to use: it serves what there is.
func Load() (*Set, error) { return load(dist) }

func load(from fs.FS) (*Set, error) {
	s := &Set{files: make(map[string][]byte)}
	var missing []string
	for _, f := range []struct {
		name string
		to   *string
	}{{"console.css", &s.Style}, {"console.js", &s.Script}, {"icon.svg", &s.Icon}} {
		b, err := fs.ReadFile(from, path.Join("dist", f.name))
		if err != nil || len(b) == 0 {
			missing = append(missing, f.name)
			continue
		}
		*f.to = Prefix + s.add(f.name, b)
	}
	if len(missing) > 0 {
		return s, fmt.Errorf("%w (%s)", ErrMissing, strings.Join(missing, ", "))
	}
	return s, nil
}

// add names a file by its content: 64 bits of its hash tell one build's file from another's.
func (s *Set) add(name string, b []byte) string {
	sum := sha256.Sum256(b)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:8]) + ext
	s.files[hashed] = b
	return hashed
}

// Serve answers a request for one asset and reports whether there is one of this name.
func (s *Set) Serve(w http.ResponseWriter, r *http.Request) bool {
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	b, ok := s.files[name]
	if !ok {
		return false
	}
	h := w.Header()
	switch path.Ext(name) {
	case ".css":
		h.Set("Content-Type", "text/css; charset=utf-8")
	case ".js":
		h.Set("Content-Type", "text/javascript; charset=utf-8")
	case ".svg":
		h.Set("Content-Type", "image/svg+xml")
	}
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	return true
}
