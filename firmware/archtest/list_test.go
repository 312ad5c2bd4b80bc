package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "linekeep"

// pkg is what `go list` says of one package.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
	CgoFiles     []string
}

// rel is the package's folder below the root of the module, such as "vault/store".
func (p pkg) rel() string { return rel(p.ImportPath) }

func rel(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}

func ours(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// list asks once for all tests of this package: it takes seconds.
var list = sync.OnceValues(func() ([]pkg, error) {
	fields := "-json=ImportPath,Dir,Name,Imports,TestImports,XTestImports,Deps,CgoFiles"
	cmd := exec.Command("go", "list", "-e", "-tags", "nolibopusfile", fields, module+"/...")
	// With cgo off, go list leaves out the very files that the rule about cgo looks for.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.Join(err, errors.New(stderr.String()))
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

// packages are all packages of the module.
func packages(t *testing.T) []pkg {
	t.Helper()
	all, err := list()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages; the module has far more, so no rule was tested", len(all))
	}
	return all
}

func find(t *testing.T, rel string) (pkg, bool) {
	t.Helper()
	all := packages(t)
	i := slices.IndexFunc(all, func(p pkg) bool { return p.rel() == rel })
	if i < 0 {
		return pkg{}, false
	}
	return all[i], true
}

// within says whether a folder is a pattern's: "vault/keys" is only itself, "vault/..." is it and all below it.
func within(folder, pattern string) bool {
	base, tree := strings.CutSuffix(pattern, "/...")
	return folder == base || tree && strings.HasPrefix(folder, base+"/")
}

// sources are the Go files of a package's folder, whatever their build tags.
func sources(t *testing.T, p pkg) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
	if err != nil {
		t.Fatalf("list %s: %v", p.Dir, err)
	}
	return files
}
