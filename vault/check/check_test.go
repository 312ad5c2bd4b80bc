package check_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/check"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// record makes a vault with some calls in it.
func record(t *testing.T, calls int) (*vaulttest.Vault, map[keys.ID]*talk.Talk) {
	t.Helper()
	v := vaulttest.New(t, "")
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	said := make(map[time.Time]*talk.Talk)
	for i := range calls {
		k := talk.New(segment.Call(i+1), start.Add(time.Duration(i)*time.Minute).UTC())
		k.Payload = talk.Opus
		v.Say(k.Groups(130, true, true)...)
		said[k.Start] = k
	}
	v.Settle()
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != calls {
		t.Fatalf("Find: %d rows, %v", len(rows), err)
	}
	byID := make(map[keys.ID]*talk.Talk)
	for _, r := range rows {
		byID[r.ID] = said[r.Start]
	}
	return v, byID
}

func stopped(t *testing.T, v *vaulttest.Vault, cfg vault.Config) check.Report {
	t.Helper()
	report, err := vault.CheckStopped(t.Context(), cfg, v.Chip, v.Log)
	if err != nil {
		t.Fatalf("CheckStopped: %v", err)
	}
	return report
}

func TestAWholeVaultHasNoFindingsRunningOrStopped(t *testing.T) {
	v, said := record(t, 2)
	up := talk.New(99, time.Now())
	v.Say(up.Groups(130, true, false)...)
	report, err := v.Check(t.Context())
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("running: %v %v", report.Findings, err)
	}
	if report.Calls != len(said) || report.Chunks < 4*len(said) || report.Bytes == 0 {
		t.Errorf("running: %+v", report)
	}
	v.Say(up.Groups(2, false, true)...)
	v.Settle()
	v.Stop()
	if report := stopped(t, v, v.Config); len(report.Findings) > 0 || report.Calls != len(said)+1 {
		t.Errorf("stopped: %+v", report)
	}
}

// plant opens the month's folder of a stopped vault and changes it behind the vault's back.
func plant(t *testing.T, v *vaulttest.Vault, name string, rows bool, entries ...folder.Entry) {
	t.Helper()
	k, err := keys.Open(t.Context(), keys.Config{Dir: filepath.Join(v.Config.Dir, "keys"), Clock: time.Now}, v.Chip)
	if err != nil {
		t.Fatal(err)
	}
	f, err := folder.Open(t.Context(), folder.Options{Name: name, Path: filepath.Join(v.Config.Dir, name), Key: k.Folder(name), Rows: rows, Log: v.Log})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

// wants looks for a finding of that kind that says all of words.
func wants(t *testing.T, report check.Report, kind check.Kind, words ...string) {
	t.Helper()
	for _, f := range report.Findings {
		all := f.Kind == kind
		for _, w := range words {
			all = all && strings.Contains(f.String(), w)
		}
		if all {
			return
		}
	}
	t.Errorf("no finding is %s and says %q: %v", kind, words, report.Findings)
}

func TestWhatIsMissingExtraOrAlteredIsNamed(t *testing.T) {
	v, said := record(t, 6)
	month := library.FolderName("standard", keys.MonthOf(time.Now().Add(-time.Hour)))
	var ids []keys.ID
	for id := range said {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b keys.ID) int { return int(a.Slot) - int(b.Slot) })
	v.Stop()
	at := func(kind recording.PlaceKind, id keys.ID, p segment.Party, n uint32) []byte {
		return recording.Place{Kind: kind, ID: id, Party: p, Number: n}.Key()
	}
	plant(t, v, month, false,
		folder.Entry{Key: at(recording.AtChunk, ids[0], segment.Caller, 0)},
		folder.Entry{Key: at(recording.AtChunk, ids[1], segment.Office, 7), Value: []byte("not ours")},
		folder.Entry{Key: at(recording.AtChunk, ids[2], segment.Office, 0), Value: []byte("not what was written")},
		folder.Entry{Key: at(recording.AtManifest, ids[3], 0, 0)},
		folder.Entry{Key: at(recording.AtWrap, ids[4], 0, 0)},
		folder.Entry{Key: []byte("stranger"), Value: []byte("x")})
	plant(t, v, "catalog", true, folder.Entry{Key: ids[5].Append([]byte{'r'})})
	if err := os.WriteFile(filepath.Join(v.Config.Dir, "notes.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	report := stopped(t, v, v.Config)
	wants(t, report, check.Missing, "recording "+ids[0].String(), "caller from 0s to 1m0s")
	wants(t, report, check.Extra, "recording "+ids[1].String(), "Minute 7 of office")
	wants(t, report, check.Altered, "recording "+ids[2].String(), "office from 0s to 1m0s")
	wants(t, report, check.Missing, "recording "+ids[3].String(), "manifest")
	wants(t, report, check.Missing, "recording "+ids[4].String(), "wrapped key")
	wants(t, report, check.Missing, "recording "+ids[5].String(), "not in the catalogue")
	wants(t, report, check.Extra, month)
	wants(t, report, check.Extra, "notes.txt")
}

// filesOf lists the files of a vault that hold anything, and tells their kinds.
func filesOf(t *testing.T, dir string) (files []string, kinds map[string]bool) {
	t.Helper()
	kinds = make(map[string]bool)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files = append(files, rel)
		kinds[kindOf(rel)] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, kinds
}

// kindOf takes the numbers out of a name.
func kindOf(path string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, path)
}

func TestOneFlippedBitIsFoundAndNamedAndTheOtherCallsPlay(t *testing.T) {
	v, said := record(t, 3)
	v.Stop()
	files, kinds := filesOf(t, v.Config.Dir)
	random := rand.New(rand.NewPCG(7, 7))
	const places = 200
	hit := make(map[string]bool)
	for i := range places {
		file := files[i%len(files)]
		hit[kindOf(file)] = true
		t.Run(fmt.Sprintf("%03d %s", i, file), func(t *testing.T) { flip(t, v, said, file, random) })
	}
	if len(hit) != len(kinds) {
		t.Errorf("%d kinds of files were hit, of %d", len(hit), len(kinds))
	}
}

// flip copies the vault, flips one bit of the file, and looks at what is said and what still plays.
func flip(t *testing.T, v *vaulttest.Vault, said map[keys.ID]*talk.Talk, file string, random *rand.Rand) {
	cfg := v.Config
	cfg.Dir = filepath.Join(t.TempDir(), "vault")
	if err := os.CopyFS(cfg.Dir, os.DirFS(v.Config.Dir)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cfg.Dir, file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at, bit := random.IntN(len(data)), random.IntN(8)
	data[at] ^= 1 << bit
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := vault.CheckStopped(t.Context(), cfg, v.Chip, v.Log)
	if err != nil {
		t.Errorf("bit %d of byte %d: the check cannot go on: %v", bit, at, err)
	}
	if len(report.Findings) == 0 {
		t.Errorf("bit %d of byte %d of %d is flipped, and nobody noticed", bit, at, len(data))
	} else if err == nil {
		tells(t, report, file)
	}
	opened, err := vault.Open(t.Context(), cfg, v.Chip, v.Log)
	if err != nil {
		t.Fatalf("bit %d of byte %d: the vault does not open: %v", bit, at, err)
	}
	lost := 0
	for id, k := range said {
		if !plays(t, opened, v, id, k) {
			lost++
		}
	}
	if lost > 1 {
		t.Errorf("bit %d of byte %d: %d calls do not play", bit, at, lost)
	}
	if err := opened.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestAFileOfAnyKindThatIsCutEmptiedOrGoneIsFound: for every kind of file of a vault that was closed in good order. The check
// names it, the vault opens and puts it back where it has another copy, and what plays is what was said.
func TestAFileOfAnyKindThatIsCutEmptiedOrGoneIsFound(t *testing.T) {
	v, said := record(t, 2)
	v.Stop()
	files, kinds := filesOf(t, v.Config.Dir)
	harms := map[string]func(path string) error{
		"gone":  os.Remove,
		"empty": func(path string) error { return os.Truncate(path, 0) },
		"half": func(path string) error {
			st, err := os.Stat(path)
			return errors.Join(err, os.Truncate(path, st.Size()/2))
		},
	}
	for _, file := range files {
		if kind := kindOf(file); !kinds[kind] {
			continue // one of its kind was harmed
		} else {
			kinds[kind] = false
		}
		for how, harm := range harms {
			t.Run(how+" "+file, func(t *testing.T) { harmed(t, v, said, file, harm) })
		}
	}
}

// harmed copies the vault, does harm to the file, and looks at what is said and what still plays.
func harmed(t *testing.T, v *vaulttest.Vault, said map[keys.ID]*talk.Talk, file string, harm func(path string) error) {
	cfg := v.Config
	cfg.Dir = filepath.Join(t.TempDir(), "vault")
	if err := os.CopyFS(cfg.Dir, os.DirFS(v.Config.Dir)); err != nil {
		t.Fatal(err)
	}
	if err := harm(filepath.Join(cfg.Dir, file)); err != nil {
		t.Fatal(err)
	}
	report, err := vault.CheckStopped(t.Context(), cfg, v.Chip, v.Log)
	switch {
	case err != nil && !strings.Contains(err.Error(), part(file)):
		t.Errorf("the check cannot go on, and does not say what it is about: %v", err)
	case err == nil && file != "ballast": // which a full disk takes, and the next start makes
		tells(t, report, file)
	}
	opened, err := vault.Open(t.Context(), cfg, v.Chip, v.Log)
	if err != nil {
		t.Fatalf("the vault does not open: %v", err)
	}
	lost := 0
	for id, k := range said {
		if !plays(t, opened, v, id, k) {
			lost++
		}
	}
	// Only the month's own files hold sound in a single copy.
	if lost > 0 && !strings.HasPrefix(file, "calls/") {
		t.Errorf("%d calls do not play", lost)
	}
	if err := opened.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if st, err := os.Stat(filepath.Join(cfg.Dir, file)); err != nil && !strings.HasPrefix(file, "calls/") && !strings.HasSuffix(file, ".lkj") {
		t.Errorf("not put back: %v", err)
	} else if err == nil && st.Size() == 0 {
		t.Error("still empty")
	}
}

// tells asks a report that was made of one damaged file to name it: the file itself, the part that it is of, or a recording that lost
// something by it; and each finding to say more than that.
func tells(t *testing.T, report check.Report, file string) {
	t.Helper()
	named := false
	for _, f := range report.Findings {
		text := f.String()
		base := filepath.Base(file)
		named = named || strings.Contains(text, base) || strings.Contains(text, part(file)) || part(file) == library.CallsDir && strings.HasPrefix(f.What, "recording ")
		if !strings.HasSuffix(f.Text, ".") && !strings.HasSuffix(f.Text, "!") || len(strings.Fields(f.Text)) < 5 {
			t.Errorf("%s: a finding that is no sentence: %q", file, text)
		}
	}
	if !named {
		t.Errorf("%s is damaged, and no finding names it: %v", file, report.Findings)
	}
}

// plays says whether a call plays whole. Sound that is not what was said must never come out.
func plays(t *testing.T, opened *vault.Vault, v *vaulttest.Vault, id keys.ID, k *talk.Talk) bool {
	rec, err := opened.Play(t.Context(), id, v.Code)
	if err != nil {
		return false
	}
	defer rec.Close()
	whole := true
	for _, p := range k.Parties {
		bySeq := make(map[int64]segment.Segment)
		for _, s := range k.Said[p] {
			bySeq[int64(s.Start)] = s
		}
		n := 0
		for s, err := range rec.Track(p) {
			if err != nil {
				whole = false
				continue
			}
			if !bytes.Equal(s.Data, bySeq[int64(s.Start)].Data) {
				t.Errorf("recording %s plays what nobody said", id)
			}
			n++
		}
		whole = whole && n == len(k.Said[p])
	}
	return whole
}
