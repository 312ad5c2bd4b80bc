package firmware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// waitFor is the longest a story waits for anything: a loaded machine takes seconds to make keys and open a vault.
const waitFor = 60 * time.Second

// TestStories runs what a user does, with the real programs, each on a software TPM of its own.
func TestStories(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-tags", "nolibopusfile", "-o", bin+"/", "./cmd/linekeepd", "./cmd/linekeepd-sim", "./cmd/linekeepctl")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			example, err := filepath.Abs("config/linekeep.example.toml")
			if err != nil {
				return err
			}
			env.Setenv("EXAMPLE", example)
			env.Setenv("README", filepath.Join(filepath.Dir(example), "..", "..", "README.md"))
			env.Setenv("CTL", "site/control.sock")
			return startTPM(env)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await": await, "exits": exits, "newest": newest, "lasts": lasts, "mode": mode, "hidden": hidden, "flip": flip,
			"readme": readmeCommands, "person": person,
		},
	})
}

// startTPM gives the story a software TPM: $TPM is its socket.
func startTPM(env *testscript.Env) error {
	dir, err := os.MkdirTemp("", "lk-tpm") // short: a socket's path has at most 107 bytes
	if err != nil {
		return err
	}
	socket := filepath.Join(dir, "sock")
	env.Setenv("TPM", socket)
	ctx, cancel := context.WithCancel(context.Background())
	chip := exec.CommandContext(ctx, "swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--server", "type=unixio,path="+socket,
		"--ctrl", "type=unixio,path="+socket+".ctrl", "--flags", "not-need-init,startup-clear")
	env.Defer(func() {
		cancel()
		_ = chip.Wait() // it was killed, and says so
		os.RemoveAll(dir)
	})
	if err := chip.Start(); err != nil {
		return err
	}
	return poll(func() bool { _, err := os.Stat(socket); return err == nil })
}

// poll asks again until it is so, or waitFor is over.
func poll(so func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(waitFor); !so(); {
		select {
		case <-tick.C:
		case <-end:
			return errors.New("it never came about")
		}
	}
	return nil
}

// command is a program of the story, in its folder and with its environment.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path := filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], args[0])
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	return cmd
}

// await PATTERN command args... runs a program again and again until its output matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await pattern command args...")
	}
	pattern := regexp.MustCompile(args[0])
	var out []byte
	if err := poll(func() bool {
		out, _ = command(ts, args[1:]).CombinedOutput() // a failure is output that does not match yet
		return pattern.Match(out)
	}); err != nil {
		ts.Fatalf("%s: %v; at last:\n%s", args[0], err, out)
	}
	ts.Logf("%s", out)
}

// exits STATUS PATTERN command args... runs a program and wants its exit status and what it says.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: exits status pattern command args...")
	}
	cmd := command(ts, args[2:])
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		ts.Fatalf("run: %v", err)
	}
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[0] || !regexp.MustCompile(args[1]).Match(out) {
		ts.Fatalf("exit status %s, want %s; want %q in:\n%s", got, args[0], args[1], out)
	}
	ts.Logf("%s", out)
}

// newest sets $CALL and $SECONDS to the newest call's id and length.
func newest(ts *testscript.TestScript, neg bool, _ []string) {
	out, err := command(ts, []string{"linekeepctl", "--socket", ts.Getenv("CTL"), "--json", "calls", "--limit", "1"}).Output()
	ts.Check(err)
	var list struct {
		Calls []struct {
			ID     string
			Length time.Duration
		}
	}
	ts.Check(json.Unmarshal(out, &list))
	if neg || len(list.Calls) != 1 {
		ts.Fatalf("calls: %s", out)
	}
	ts.Setenv("CALL", list.Calls[0].ID)
	ts.Setenv("SECONDS", fmt.Sprint(list.Calls[0].Length.Seconds()))
}

// lasts FILE SECONDS CHANNELS asks ffprobe, which knows nothing of us.
func lasts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: lasts file seconds channels")
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "format=duration:stream=channels", "-of", "default=noprint_wrappers=1", ts.MkAbs(args[0])).CombinedOutput()
	ts.Check(err)
	said := map[string]string{}
	for row := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(row), "=")
		said[key] = value
	}
	got, err := strconv.ParseFloat(said["duration"], 64)
	ts.Check(err)
	want, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	// In an Ogg file ffprobe counts the 6.5 ms of pre-skip, which players drop (RFC 7845 4.2).
	if math.Abs(got-want) > 0.007 || said["channels"] != args[2] {
		ts.Fatalf("%s lasts %v s with %s channels; want %v s, %s", args[0], got, said["channels"], want, args[2])
	}
}

// person NUMBER CODE has somebody of the demo at hand: $WHO is their name, password.txt and code.txt are what they type.
func person(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: person number code")
	}
	var people []struct {
		Name, Password string
		Printed        []string
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("site/people.json")), &people))
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	code, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n >= len(people) || code >= len(people[n].Printed) {
		ts.Fatalf("the demo has %d people", len(people))
	}
	ts.Setenv("WHO", people[n].Name)
	ts.Check(os.WriteFile(ts.MkAbs("password.txt"), []byte(people[n].Password+"\n"), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("code.txt"), []byte(people[n].Printed[code]+"\n"), 0o600))
}

// mode FILE OCTAL wants a file's mode.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); neg || got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

// hidden FOLDER WORD... wants that no file below a folder, or no file of that name, has any of the words in it. A word
// that is a file stands for its last line, whole and without dashes.
func hidden(ts *testscript.TestScript, neg bool, args []string) {
	var words []string
	for _, w := range args[1:] {
		if text, err := os.ReadFile(ts.MkAbs(w)); err == nil {
			rows := strings.Split(strings.TrimSpace(string(text)), "\n")
			w = rows[len(rows)-1]
			words = append(words, strings.ReplaceAll(w, "-", ""))
		}
		words = append(words, w)
	}
	found := ""
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(string(text), w) }); i >= 0 {
			found = path + " has " + words[i]
		}
		return err
	}))
	if neg == (found == "") {
		ts.Fatalf("hidden %v: found %q", args, found)
	}
}

// flip FILE PATTERN inverts one bit in the middle of the first file below a folder whose name matches.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	pattern, done := regexp.MustCompile(args[1]), false
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || done || !d.Type().IsRegular() || !pattern.MatchString(path) {
			return err
		}
		done = true
		text, err := os.ReadFile(path)
		ts.Check(err)
		text[len(text)/2] ^= 1
		return os.WriteFile(path, text, 0o600)
	}))
	if !done {
		ts.Fatalf("there is no file %s in %s", args[1], args[0])
	}
}
