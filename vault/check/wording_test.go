package check_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/vault/audit"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/block"
	"linekeep/vault/check"
	"linekeep/vault/folder"
	"linekeep/vault/hearing"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/vaulttest"
)

const golden = "testdata/wording.txt"

// rare are findings that no test of this package can bring about with a real vault, each with why.
func rare() map[string]string {
	return map[string]string{
		"Its manifest is altered: it cannot be proved whole, and not be played.":    "the folder's own seal: a bit of its log, as the table of flipped bits has it",
		"Its folder cannot be listed: %v.":                                          "root may list everything",
		"It cannot be read: %v. %s":                                                 "root may read everything",
		"The folder cannot be read to its end: %v.":                                 "takes a disk that fails in the middle",
		"The folder cannot be opened, so none of its recordings can be played: %v.": "a folder mends itself, or is opened without what is lost",
		"Its slot key cannot be read, so it cannot be played: %v.":                  "both copies of a shard: the table of damaged files has it",
		"It stands in the catalogue twice. %s":                                      "the catalogue does not write that",
		"Opened with the custody key, %d of the %d segments of %s are not what was recorded: the first, %v. The rest can be played.": "vault's own test of hearing has it",
	}
}

// TestTheWordingOfTheReport is a golden test of what is said of every kind of damage, and what it means for whoever keeps the
// recordings. Read testdata/wording.txt before it is renewed: LINEKEEP_UPDATE=1 go test -run Wording ./vault/check.
func TestTheWordingOfTheReport(t *testing.T) {
	v, ids := closed(t, 14)
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil {
		t.Fatal(err)
	}
	v.Stop()
	report := planted(t, v, ids, rows)
	found := append(report.Findings, told(t, v, ids)...)
	var lines []string
	numbers, hex := regexp.MustCompile(`[0-9]+`), regexp.MustCompile(`[0-9a-f]{16,}`)
	for _, f := range found {
		line := strings.ReplaceAll(f.String(), v.Config.Dir, "VAULT")
		lines = append(lines, numbers.ReplaceAllString(hex.ReplaceAllString(line, "HEX"), "N"))
	}
	slices.Sort(lines)
	got := strings.Join(slices.Compact(lines), "\n") + "\n"
	if os.Getenv("LINEKEEP_UPDATE") != "" {
		if err := errors.Join(os.MkdirAll("testdata", 0o700), os.WriteFile(golden, []byte(got), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the report says\n%s\nand not\n%s", got, want)
	}
	complete(t, got)
}

// planted is what a check of the stopped vault says of damage of every kind to what it holds.
func planted(t *testing.T, v *vaulttest.Vault, ids []keys.ID, rows []catalog.Row) check.Report {
	t.Helper()
	at := func(kind recording.PlaceKind, id keys.ID, p segment.Party, n uint32) []byte {
		return recording.Place{Kind: kind, ID: id, Party: p, Number: n}.Key()
	}
	row := func(id keys.ID) []byte { return id.Append([]byte{'r'}) }
	bad := []byte("not what was written")
	entries := []folder.Entry{
		{Key: at(recording.AtChunk, ids[0], segment.Caller, 0)},
		{Key: at(recording.AtChunk, ids[1], segment.Office, 7), Value: bad},
		{Key: at(recording.AtChunk, ids[2], segment.Office, 0), Value: bad},
		{Key: at(recording.AtManifest, ids[3], 0, 0)},
		{Key: at(recording.AtWrap, ids[4], 0, 0)},
		{Key: at(recording.AtManifest, ids[6], 0, 0), Value: bad},
		{Key: at(recording.AtWrap, ids[7], 0, 0), Value: bad},
		{Key: at(recording.AtRewrap, ids[8], 0, 0), Value: bad},
		forged(t, v, ids[9]),
		{Key: []byte("stranger"), Value: []byte("x")}}
	plant(t, v, month(), false, slices.Concat(entries, all(ids[10]), all(ids[12]))...)
	plant(t, v, library.FolderName("other", keys.MonthOf(time.Now())), false, folder.Entry{Key: at(recording.AtManifest, ids[13], 0, 0), Value: bad})
	plant(t, v, "catalog", true, folder.Entry{Key: row(ids[5])}, folder.Entry{Key: row(ids[10])}, folder.Entry{Key: row(ids[11]), Value: otherRow(t, v, ids[11], rows)})
	for name, data := range map[string]string{"notes.txt": "x", "journal/notes.txt": "x", "ballast": "x", "retention/copy/clock": "x", "retention/once": "x"} {
		if err := os.WriteFile(filepath.Join(v.Config.Dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return stopped(t, v, v.Config)
}

// otherRow is a row that says something else than its recording's manifest.
func otherRow(t *testing.T, v *vaulttest.Vault, id keys.ID, rows []catalog.Row) []byte {
	t.Helper()
	k, err := keys.Open(t.Context(), keys.Config{Dir: filepath.Join(v.Config.Dir, "keys"), Clock: time.Now}, v.Chip)
	if err != nil {
		t.Fatal(err)
	}
	slot, err := k.Slot(id)
	if err != nil {
		t.Fatal(err)
	}
	r := rows[slices.IndexFunc(rows, func(r catalog.Row) bool { return r.ID == id })]
	r.Extension = "99"
	sealed, err := block.SealRow(slot.Meta(), r)
	if err = errors.Join(err, k.Close()); err != nil {
		t.Fatal(err)
	}
	return sealed
}

// told is what is said when each part of a vault says something of itself, the log has nothing of a recording, and one does not open.
func told(t *testing.T, v *vaulttest.Vault, ids []keys.ID) (found []check.Finding) {
	t.Helper()
	some := func(what string) func(context.Context) []error {
		return func(context.Context) []error {
			return []error{fmt.Errorf("%s: altered", what), fmt.Errorf("%s: %w", what, fs.ErrNotExist)}
		}
	}
	same := func(what string) func() []error { return func() []error { return some(what)(t.Context()) } }
	k, err := keys.Open(t.Context(), keys.Config{Dir: filepath.Join(v.Config.Dir, "keys"), Clock: time.Now}, v.Chip)
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.Read(t.Context(), audit.Config{Dir: filepath.Join(v.Config.Dir, "audit"), Keys: k, Clock: time.Now, Log: v.Log})
	if err != nil {
		t.Fatal(err)
	}
	months := library.NewMonths(library.MonthsConfig{Dir: v.Config.Dir, Key: k.Folder, ReadOnly: true, Clock: time.Now, Log: v.Log})
	for _, torn := range []bool{false, true} {
		in := &check.Vault{Dir: v.Config.Dir, Library: &library.Library{Keys: k, Months: months}, Keys: some("keys/shard.7"), Custody: same("keys/custody"), Erased: same("erasures"),
			Settings: same("settings/console.key"), Audit: some("audit/log.0"), Rows: some("row 7-7"), Found: some("keys/root.1.1")(t.Context()),
			Journal: func() ([]*journal.Damage, error) {
				return []*journal.Damage{{File: "1.lkj", What: "a group is altered", Bytes: 7}, {File: "2.lkj", What: "gone", ID: ids[0]}}, errors.New("cannot be listed")
			},
			Log: func(ctx context.Context, from uint64, visit func(audit.Stored, error) error) error {
				err := l.Walk(ctx, from, func(s audit.Stored, err error) error {
					if slices.Contains(s.About, ids[0]) {
						s.About = nil
					}
					return visit(s, err)
				})
				if torn {
					err = errors.Join(err, errors.New("the disk does not answer"))
				}
				return err
			},
			Hear: func(context.Context, keys.ID) (*hearing.Recording, error) {
				return nil, errors.New("it is sealed to another key")
			}}
		report, err := check.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, report.Findings...)
	}
	if err := errors.Join(months.Close(), l.Close(), k.Close()); err != nil {
		t.Fatal(err)
	}
	return found
}

// complete asks that each finding that the package can make stands in the golden text, or is rare.
func complete(t *testing.T, text string) {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	verbs := regexp.MustCompile(`%[a-z]`)
	formats := 0
	for _, name := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 3 {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			lit, isText := call.Args[2].(*ast.BasicLit)
			if !ok || sel.Sel.Name != "find" || !isText {
				return true
			}
			format, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			formats++
			parts := verbs.Split(regexp.MustCompile(`[0-9]+`).ReplaceAllString(format, "N"), -1)
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			_, seldom := rare()[format]
			if there := regexp.MustCompile(`(?m): ` + strings.Join(parts, ".*") + `$`).MatchString(text); !there && !seldom {
				t.Errorf("%s: the golden text has nothing that says %q", name, format)
			}
			return true
		})
	}
	if formats < 25 {
		t.Errorf("only %d kinds of findings were looked for", formats)
	}
}
