package check_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

// means is what a finding about a part of the vault must say of what it means, any of them.
func means() map[string][]string {
	sound := []string{"mended from copies", "will not be played", "nobody can hear it", "the rest can be played", "not be played", "can be found, and not played", "does no harm", "nothing of it is here"}
	return map[string][]string{
		"keys":      {"second copy"},
		"custody":   {"second copy"},
		"journal":   {"what was not yet moved"},
		"calls":     sound,
		"catalog":   {"The recordings are not touched"},
		"audit":     {"Who did what"},
		"register":  {"Who did what"},
		"erasures":  {"What was erased stays erased"},
		"settings":  {"no recording needs it"},
		"retention": {"the other serves", "The other serves", "The whole one serves"},
		"ballast":   {"holds no data"},
	}
}

// months makes a vault with calls in three months.
func months(t *testing.T) (*vaulttest.Vault, []catalog.Row) {
	t.Helper()
	v := vaulttest.New(t, "")
	for i := range 9 {
		start := time.Now().AddDate(0, -(i % 3), 0).Add(-time.Hour + time.Duration(i)*time.Minute).Truncate(time.Second).UTC()
		v.Say(talk.New(segment.Call(i+1), start).Groups(130, true, true)...)
	}
	v.Settle()
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 9 {
		t.Fatalf("Find: %d rows, %v", len(rows), err)
	}
	v.Stop()
	return v, rows
}

// TestOneThingDamagedAtRandomIsFoundAndMeansWhatItSays: in a vault of some months, a file or a value, drawn from a seed. LONG has more.
// LINEKEEP_CHECK_SEED draws as before.
func TestOneThingDamagedAtRandomIsFoundAndMeansWhatItSays(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("LINEKEEP_CHECK_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("LINEKEEP_CHECK_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	v, rows := months(t)
	files, _ := filesOf(t, v.Config.Dir)
	runs := 36
	if os.Getenv("LONG") != "" {
		runs = 600
	}
	for i := range runs {
		cfg := v.Config
		cfg.Dir = filepath.Join(t.TempDir(), "vault")
		if err := os.CopyFS(cfg.Dir, os.DirFS(v.Config.Dir)); err != nil {
			t.Fatal(err)
		}
		var what string
		var wants func(check.Report) bool
		if random.IntN(3) > 0 {
			what, wants = harmFile(t, cfg.Dir, files[random.IntN(len(files))], random)
		} else {
			what, wants = harmValue(t, v.Elsewhere(t, cfg.Dir), rows[random.IntN(len(rows))], random)
		}
		report, err := vault.CheckStopped(t.Context(), cfg, v.Chip, v.Log)
		if err != nil {
			t.Errorf("%d: %s: the check cannot go on: %v", i, what, err)
		} else if !wants(report) {
			t.Errorf("%d: %s: %v", i, what, report.Findings)
		}
	}
}

// harmFile flips a bit of a file, cuts it, empties it or removes it.
func harmFile(t *testing.T, dir, file string, random *rand.Rand) (what string, wants func(check.Report) bool) {
	t.Helper()
	path := filepath.Join(dir, file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch random.IntN(4) {
	case 0:
		at := random.IntN(len(data))
		data[at] ^= 1 << random.IntN(8)
		what, err = fmt.Sprintf("byte %d of %s is flipped", at, file), os.WriteFile(path, data, 0o600)
	case 1:
		n := random.IntN(len(data))
		what, err = fmt.Sprintf("%s is cut from %d bytes to %d", file, len(data), n), os.Truncate(path, int64(n))
	case 2:
		what, err = file+" is empty", os.Truncate(path, 0)
	default:
		what, err = file+" is gone", os.Remove(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return what, func(r check.Report) bool {
		if file == "ballast" && !strings.Contains(what, "flipped") {
			return true // a full disk takes it, and the next start makes it
		}
		if part(file) == "journal" && strings.Contains(what, "is cut") && len(r.Findings) == 0 {
			return true // what a power cut leaves; all that stood there may have been filed, and then nothing is lost
		}
		return slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
			return slices.ContainsFunc(means()[part(file)], func(s string) bool { return strings.Contains(f.Text, s) })
		})
	}
}

// harmValue takes away or alters what is kept of a recording, as whoever has the vault's keys could.
func harmValue(t *testing.T, v *vaulttest.Vault, row catalog.Row, random *rand.Rand) (what string, wants func(check.Report) bool) {
	t.Helper()
	party := []segment.Party{segment.Office, segment.Caller}[random.IntN(2)]
	minute := uint32(random.IntN(2))
	month := library.FolderName("standard", keys.MonthOf(row.Start))
	at := func(kind recording.PlaceKind, p segment.Party, n uint32) []byte {
		return recording.Place{Kind: kind, ID: row.ID, Party: p, Number: n}.Key()
	}
	type harm struct {
		name  string
		key   []byte
		value []byte
		kind  check.Kind
		says  string
	}
	bad := []byte("not what was written")
	sound := fmt.Sprintf("The sound of %s from %v to ", party, time.Duration(minute)*time.Minute)
	h := []harm{
		{"a minute is gone", at(recording.AtChunk, party, minute), nil, check.Missing, sound},
		{"a minute is altered", at(recording.AtChunk, party, minute), bad, check.Altered, sound},
		{"a minute is added", at(recording.AtChunk, party, 9), bad, check.Extra, "It is not played."},
		{"the manifest is gone", at(recording.AtManifest, 0, 0), nil, check.Missing, "not be played"},
		{"the manifest is altered", at(recording.AtManifest, 0, 0), bad, check.Altered, "not be played"},
		{"the wrap is gone", at(recording.AtWrap, 0, 0), nil, check.Missing, "nobody can hear it any more"},
		{"the wrap is altered", at(recording.AtWrap, 0, 0), bad, check.Altered, "nobody can hear it any more"},
		{"the row is gone", row.ID.Append([]byte{'r'}), nil, check.Missing, "it can be played, and not be found"},
	}[random.IntN(8)]
	if strings.HasPrefix(h.name, "the row") {
		plant(t, v, "catalog", true, folder.Entry{Key: h.key})
	} else {
		plant(t, v, month, false, folder.Entry{Key: h.key, Value: h.value})
	}
	what = fmt.Sprintf("of recording %s in %s, %s %d, %s", row.ID, month, party, minute, h.name)
	return what, func(r check.Report) bool {
		others := slices.ContainsFunc(r.Findings, func(f check.Finding) bool { return f.What != "recording "+row.ID.String() })
		return !others && slices.ContainsFunc(r.Findings, func(f check.Finding) bool { return f.Kind == h.kind && strings.Contains(f.Text, h.says) })
	}
}

// part is the part of a vault that a file is of: its folder, as a finding names it.
func part(file string) string {
	first, _, _ := strings.Cut(filepath.ToSlash(file), "/")
	return first
}
