package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/audio/call"
	"linekeep/audio/rule"
	"linekeep/vault/catalog/number"
	"linekeep/vault/retention"
)

const example = "linekeep.example.toml"

func TestTheExampleSaysWhatItSays(t *testing.T) {
	got, err := Load(example)
	if err != nil {
		t.Fatalf("the example: %v", err)
	}
	want := Config{
		Site:    Site{Name: "Hartley & Rowe", Box: "LK-7F3A", Numbers: number.Rules{Country: "GB", Area: "01632"}},
		Data:    Data{Folder: "/var/lib/linekeep", Classes: []string{"standard", "financial"}, Keep: map[string]retention.Months{"standard": 6, "financial": 60}},
		TPM:     TPM{Device: "/dev/tpmrm0", Policy: "/etc/linekeep/policy.json"},
		Console: Console{Address: ":8443"},
		Control: Control{Socket: "/run/linekeep/control.sock"},
		Lines: []Line{
			{ID: "reception", Label: "Reception", Number: "01632 960 100", Driver: ALSA, Device: "hw:CARD=Tap,DEV=0",
				Channels: []int{1}, Signals: "none", Class: "standard", Call: call.Defaults(), PauseFor: 10 * time.Minute, CardGuard: true, Lookback: 2 * time.Second},
			{ID: "orders", Label: "Orders", Driver: ALSA, Device: "hw:CARD=Tap,DEV=1",
				Channels: []int{1, 2}, Signals: "none", Class: "standard", Call: call.Defaults(), PauseFor: 10 * time.Minute},
			{ID: "trunk-1", Label: "Trunk 1", Driver: DAHDI, Device: "span 3+4", Channels: []int{1}, Signals: "isdn", Class: "standard", Call: call.Defaults(), PauseFor: 10 * time.Minute},
			{ID: "fax", Label: "Fax", Driver: DAHDI, Device: "channel 141+149", Channels: []int{1}, Signals: "loop", Class: "standard", Call: call.Defaults(), PauseFor: 10 * time.Minute},
			{ID: "isdn-1", Label: "ISDN 1", Driver: MISDN, Device: "hfc-pci.1+hfc-pci.2", Channels: []int{1}, Signals: "isdn", Class: "standard", Call: call.Defaults(), PauseFor: 10 * time.Minute},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the example, want -, got +:\n%s", d)
	}
}

// TestTheExampleNamesEverySetting also holds it to its promise of a comment for each.
func TestTheExampleNamesEverySetting(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	at := places(string(text))
	rows := strings.Split(string(text), "\n")
	for _, key := range settings(reflect.TypeFor[file](), "") {
		row, ok := at[key]
		if !ok {
			t.Errorf("%s is not in the example", key)
			continue
		}
		if !strings.Contains(rows[row-1], "# ") {
			t.Errorf("line %d, %s: no comment says what it is", row, key)
		}
	}
}

// settings lists the paths of all settings below a type; the first [[line]] stands for all.
func settings(t reflect.Type, prefix string) []string {
	var all []string
	for f := range t.Fields() {
		key := prefix + f.Tag.Get("toml")
		switch {
		case f.Type.Kind() == reflect.Slice:
			all = append(all, settings(f.Type.Elem(), key+"[1].")...)
		case strings.HasPrefix(f.Type.Name(), "value["):
			all = append(all, key)
		default:
			all = append(all, settings(f.Type, key+".")...)
		}
	}
	return all
}

// least is a settings file with nothing in it that has a default.
const least = `[site]
name = "Office"
box = "LK-1"
[data]
folder = "data"
[tpm]
policy = "policy.json"
[[line]]
id = "a"
label = "A"
driver = "sim"
device = "a.txt"
`

// cardLines are lines of telephone cards, each wrong in one way.
var cardLines = func() string {
	var b strings.Builder
	for i, l := range [...]string{
		"dahdi|span 3+4|channels = [40]", "dahdi|channel 5|signals = \"pulse\"", "dahdi|channel 7|signals = \"isdn\"",
		"dahdi|span 3+4|channels = [2]", "dahdi|span 3+4|channels = [2]",
		"misdn|hfc.1|channels = [1]", "misdn|hfc.1+hfc.2|channels = [16]", "misdn|hfc.1+hfc.2|signals = \"loop\"", "misdn|hfc.1+hfc.2|channels = [1, 2]",
	} {
		f := strings.Split(l, "|")
		fmt.Fprintf(&b, "[[line]]\nid=\"card-%d\"\nlabel=\"x\"\ndriver=%q\ndevice=%q\n%s\n", i, f[0], f[1], f[2])
	}
	return b.String()
}()

func TestDefaultsFillWhatIsLeftOut(t *testing.T) {
	c, err := Parse(least)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	want := Line{ID: "a", Label: "A", Driver: Sim, Device: "a.txt", Channels: []int{1}, Signals: "none", Class: "standard", Call: call.Defaults(), PauseFor: 10 * time.Minute}
	if d := cmp.Diff(want, c.Lines[0]); d != "" {
		t.Errorf("line, want -, got +:\n%s", d)
	}
}

func TestP02_WhatIsRecordedOfALineIsSaidByTheSettings(t *testing.T) {
	c, err := Parse(least + "recording = \"on demand\"\nwithheld = \"never\"\npause_for = \"90s\"\n")
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if l := c.Lines[0]; l.Recording != rule.OnDemand || l.Withheld != rule.Never || l.PauseFor != 90*time.Second {
		t.Errorf("recording %v, withheld %v, pause %v", l.Recording, l.Withheld, l.PauseFor)
	}
}

func TestRelativePathsAreOfTheFilesOwnFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "linekeep.toml")
	text := strings.Replace(least, "[tpm]\n", "[tpm]\ndevice = \"tpm.sock\"\n", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	for _, x := range [][2]string{{c.Data.Folder, "data"}, {c.TPM.Device, "tpm.sock"}, {c.TPM.Policy, "policy.json"}, {c.Lines[0].Device, "a.txt"}} {
		if want := filepath.Join(dir, x[1]); x[0] != want {
			t.Errorf("got %s, want %s", x[0], want)
		}
	}
	if c.Control.Socket != "/run/linekeep/control.sock" {
		t.Errorf("an absolute path became %s", c.Control.Socket)
	}
}

func TestEachFaultNamesItsKeyAndLine(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{name: "a wrong kind of value", text: strings.Replace(least, `"LK-1"`, "7", 1),
			want: []string{`line 3: site.box: must be a text in quotes, not 7`}},
		{name: "a country there is not", text: strings.Replace(least, "[data]", "country = \"ZZ\"\narea = \"x\"\n[data]", 1),
			want: []string{`line 4: site.country: "ZZ" is no country with telephone numbers, such as GB`, `line 5: site.area: "x" is not an area code, such as 01632`}},
		{name: "nothing at all", text: "",
			want: []string{"site.name: is missing", "site.box: is missing", "data.folder: is missing", "tpm.policy: is missing",
				"line: there is no [[line]]; the box would record nothing"}},
		{name: "unknown settings, at each place", text: least + "colour = 1\n[[line]]\nid=\"b\"\nlabel=\"B\"\ndriver=\"sim\"\ndevice=\"b\"\ncolour=2\n[lamp]\nx=1\n",
			want: []string{"line 13: line[1].colour: there is no such setting", "line 19: line[2].colour: there is no such setting",
				"line 20: lamp: there is no such setting", "line 21: lamp.x: there is no such setting"}},
		{name: "rules there are not", text: least + "recording = \"sometimes\"\nwithheld = \"hidden\"\npause_for = \"24h\"\n",
			want: []string{`line 13: line[1].recording: "sometimes" is not one of ["always" "on demand" "never"]`,
				`line 14: line[1].withheld: "hidden" is not one of ["always" "on demand" "never"]`,
				`line 15: line[1].pause_for: 24h0m0s is not between 10s and 1h0m0s`}},
		{name: "another package's fault has its key too", text: least + "[line.vox]\nlevel = 3\nhold = \"1ms\"\npre_roll = \"x\"\n",
			want: []string{"line 14: line[1].vox.level: 3.0 is not between -90 and -6 dBFS", "line 15: line[1].vox.hold: 1ms is not between 500ms and 1m0s",
				`line 16: line[1].vox.pre_roll: must be a time such as "1.5s" or "2m", not "x"`}},
		{name: "one id twice, one input twice", text: least + "[[line]]\nid=\"a\"\nlabel=\"A\"\ndriver=\"sim\"\ndevice=\"a.txt\"\n",
			want: []string{`line[2].channels: sim a.txt channel 1 is already recorded by line[1]`, `line 14: line[2].id: "a" is also the id of line[1]`}},
		{name: "a number is not repeated where it is wrong", text: least + "number = \"ask for Bob\"\n",
			want: []string{"line 13: line[1].number: is not a telephone number or an extension: figures and blanks, + in front"}},
		{name: "classes", text: strings.Replace(least, "folder", "classes = [\"Big\", \"kept\", \"a\", \"a\"]\nfolder", 1),
			want: []string{`data.classes: "Big" is not a name`, `data.classes: "kept" is a name the vault uses itself`, `data.classes: "a" stands twice`}},
		{name: "how long", text: strings.Replace(least, "folder", "keep = [\"standard 6 weeks\", \"other 1 year\", \"standard 40 years\"]\nfolder", 1),
			want: []string{`data.keep: "standard 6 weeks" is not a class and its time`, `data.keep: "other" is not one of data.classes`, `data.keep: "standard 40 years": from 1 months to 360`}},
		{name: "channels", text: least + "channels = [1, 2, 3]\n",
			want: []string{"line 13: line[1].channels: 3 channels: one that carries both sides, or two, the office's and the caller's"}},
		{name: "telephone cards", text: strings.Replace(least, "driver = \"sim\"", "driver = \"dahdi\"", 1) + cardLines,
			want: []string{`line 12: line[1].device: "a.txt" is not such as`, `line 18: line[2].channels: 40 is not in 1 to 31`,
				`line 24: line[3].signals: "pulse" is not none, isdn, loop or e&m`, `line[4].signals: channel 7 has no D channel`,
				`line[6].device: span 3 slot 2 is line[5]'s already`, `line[6].device: span 4 slot 2 is line[5]'s already`,
				`line 47: line[7].device: "hfc.1" names one card`, `line 54: line[8].channels: 16 is no B channel`, `line 60: line[9].signals: "loop" is not none or isdn`,
				`line 66: line[10].channels: 2 channels: one time slot`}},
		{name: "signals of a sound card", text: least + "signals = \"loop\"\n", want: []string{`line 13: line[1].signals: "loop": sim has none`}},
		{name: "lookback", text: least + "card_guard = true\nlookback = \"1m\"\n",
			want: []string{"line 14: line[1].lookback: 1m0s is not between 20ms and 10s"}},
		{name: "an address without a port", text: least + "[console]\naddress = \"192.0.2.1\"\n",
			want: []string{`line 14: console.address: "192.0.2.1" is not an address such as`}},
		{name: "not TOML", text: "[site\nname",
			want: []string{"the file: cannot be read: expected"}},
		{name: "a value where a table belongs", text: "site = 3\n",
			want: []string{"site"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.text)
			faults := Faults{}
			if !errors.As(err, &faults) {
				t.Fatalf("Parse: got %v, want Faults", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not told in:\n%v", want, err)
				}
			}
			if len(faults.List) != len(c.want) {
				t.Errorf("%d faults, want %d:\n%v", len(faults.List), len(c.want), err)
			}
		})
	}
}

func TestFaultsStandInTheOrderOfTheFile(t *testing.T) {
	_, err := Parse("[console]\naddress = 4\n[site]\nbox = 3\n")
	first := strings.Index(err.Error(), "console.address")
	second := strings.Index(err.Error(), "site.box")
	last := strings.Index(err.Error(), "site.name: is missing")
	if first < 0 || first > second || second > last {
		t.Errorf("the order of faults:\n%v", err)
	}
}

func TestAHugeFileIsRefusedUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.toml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, MaxSize+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil {
		t.Error("Load of a file over MaxSize: no error")
	}
}

// FuzzParse: whatever stands in the file, there is an answer, and a Config that is given has lines and ids.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(least)
	f.Add("[[line]]\n[line.vox]\nlevel = nan\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		if len(c.Lines) == 0 || c.Lines[0].ID == "" || c.Data.Folder == "" {
			t.Errorf("a Config with nothing in it was given for %q", text)
		}
	})
}
