package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	maxFileLines     = 400  // what one can hold in mind, and review, at a sitting
	maxFunctionLines = 60   // a screen
	maxPackageLines  = 1500 // of code: beyond this a package has two subjects. Reasons beside the code are not counted
)

// parsed is one source file.
type parsed struct {
	name string // below the root of the module
	test bool
	set  *token.FileSet
	file *ast.File
}

func (f parsed) lines() int { return f.set.File(f.file.Pos()).LineCount() }

func parse(t *testing.T, p pkg) []parsed {
	t.Helper()
	var all []parsed
	for _, path := range sources(t, p) {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("parse %s: %v", path, err)
			continue
		}
		if ast.IsGenerated(file) {
			continue
		}
		name := filepath.Base(path)
		all = append(all, parsed{name: p.rel() + "/" + name, test: strings.HasSuffix(name, "_test.go"), set: set, file: file})
	}
	return all
}

func TestFilesFunctionsAndPackagesStaySmall(t *testing.T) {
	for _, p := range packages(t) {
		product := 0
		for _, f := range parse(t, p) {
			if n := f.lines(); n >= maxFileLines {
				t.Errorf("%s has %d lines; under %d, one reads it at a sitting", f.name, n, maxFileLines)
			}
			if !f.test {
				product += codeLines(f.set, f.file)
			}
			checkFunctions(t, f)
		}
		if product >= maxPackageLines {
			t.Errorf("%s has %d lines of code without its tests; from %d on a package has two subjects", p.rel(), product, maxPackageLines)
		}
	}
}

func checkFunctions(t *testing.T, f parsed) {
	t.Helper()
	for _, d := range f.file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		n := span(f.set, fn)
		if f.test {
			n -= tableLines(f.set, fn) // a test's table is data, and reads better whole
		}
		if n >= maxFunctionLines {
			t.Errorf("%s: %s has %d lines; under %d, it fits a screen", f.name, fn.Name.Name, n, maxFunctionLines)
		}
		// Starting by being imported cannot be ordered, configured, stopped or tested.
		if fn.Recv == nil && fn.Name.Name == "init" {
			t.Errorf("%s has an init: what starts by being imported can be neither ordered nor stopped", f.name)
		}
	}
}

// codeLines counts the lines on which something of the syntax begins or ends: neither blank ones nor comments.
func codeLines(set *token.FileSet, file *ast.File) int {
	lines := map[int]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n.(type) {
		case nil, *ast.Comment, *ast.CommentGroup:
			return false
		}
		lines[set.Position(n.Pos()).Line] = true
		lines[set.Position(n.End()-1).Line] = true
		return true
	})
	return len(lines)
}

func span(set *token.FileSet, n ast.Node) int {
	return set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1
}

// tableLines counts the lines of the outermost composite literals in n, but one each.
func tableLines(set *token.FileSet, n ast.Node) int {
	lines := 0
	ast.Inspect(n, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if ok {
			lines += span(set, lit) - 1
		}
		return !ok
	})
	return lines
}

// TestEachPackageSaysWhatItIs asks for the form every package comment has: what comes in, what goes out, who owns the
// goroutines, what happens when full.
func TestEachPackageSaysWhatItIs(t *testing.T) {
	said := regexp.MustCompile(`(?s)^(Package|Command) \S+ .*\n\tIn: .*\n\tOut: .*\n\tOwner: .*\n\tFull: `)
	for _, p := range packages(t) {
		comment := ""
		product := false
		for _, f := range parse(t, p) {
			if f.test {
				continue
			}
			product = true
			if f.file.Doc != nil {
				comment = f.file.Doc.Text()
			}
		}
		if product && !said.MatchString(comment) {
			t.Errorf("%s: its package comment does not say In, Out, Owner and Full in the form of drivers/line", p.rel())
		}
	}
}

func TestNoPackageIsADrawerForEverything(t *testing.T) {
	drawers := []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "shared"}
	for _, p := range packages(t) {
		if slices.Contains(drawers, filepath.Base(p.rel())) {
			t.Errorf("%s: a package is named after what it does", p.rel())
		}
	}
}

// TestNothingSleeps looks for time.Sleep, in tests too: a sleep is either too short (a test that fails on a loaded
// machine) or too long (a test that wastes time), and in the product it cannot be cancelled.
func TestNothingSleeps(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range parse(t, p) {
			virtual := importsPath(f.file, "testing/synctest") // there a sleep takes no time
			ast.Inspect(f.file, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok || sel.Sel.Name != "Sleep" || virtual {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s sleeps in line %d: wait for what is awaited, or for a timer and the context", f.name, f.set.Position(n.Pos()).Line)
				}
				return true
			})
		}
	}
}

func importsPath(f *ast.File, path string) bool {
	return slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"`+path+`"` })
}

// TestKeysStayInTheArena looks for copies of keys on the ordinary heap, where they can be neither locked nor wiped:
// secret.Key.Bytes gives one. It gives a pointer to an array, so its result is sliced or read through.
func TestKeysStayInTheArena(t *testing.T) {
	libraries := []string{"vault/folder", "vault/folder/guard"} // Badger keeps its key on the heap as long as it runs
	for _, p := range packages(t) {
		if slices.Contains(libraries, p.rel()) || isSimulator(p.rel()) || p.rel() == "vault/secret" {
			continue
		}
		for _, f := range parse(t, p) {
			if f.test {
				continue
			}
			ast.Inspect(f.file, func(n ast.Node) bool {
				var x ast.Expr
				switch n := n.(type) {
				case *ast.SliceExpr:
					x = n.X
				case *ast.StarExpr:
					x = n.X
				default:
					return true
				}
				if call, ok := x.(*ast.CallExpr); ok && len(call.Args) == 0 {
					if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Bytes" {
						t.Errorf("%s copies a key to the heap in line %d: lend it with Use, or take its AEAD, XAEAD or HMAC",
							f.name, f.set.Position(n.Pos()).Line)
					}
				}
				return true
			})
		}
	}
}
