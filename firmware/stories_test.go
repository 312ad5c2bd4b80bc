package firmware

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
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
			address, err := freeAddress()
			if err != nil {
				return err
			}
			env.Setenv("ADDRESS", address)
			return startTPM(env)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await": await, "exits": exits, "newest": newest, "lasts": lasts, "mode": mode, "hidden": hidden, "flip": flip,
			"readme": readmeCommands, "person": person, "word": word, "tpm": tpm, "rescue": rescue,
		},
	})
}

// chip is a story's software TPM, which it can switch off, wipe, and switch on again.
type chip struct {
	dir, socket string
	stop        func()
}

// startTPM gives the story a software TPM: $TPM is its socket.
func startTPM(env *testscript.Env) error {
	dir, err := os.MkdirTemp("", "lk-tpm") // short: a socket's path has at most 107 bytes
	if err != nil {
		return err
	}
	c := &chip{dir: dir, socket: filepath.Join(dir, "sock"), stop: func() {}}
	env.Setenv("TPM", c.socket)
	env.Values["tpm"] = c
	env.Defer(func() {
		c.stop()
		os.RemoveAll(dir)
	})
	return c.start()
}

func (c *chip) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	process := exec.CommandContext(ctx, "swtpm", "socket", "--tpm2", "--tpmstate", "dir="+c.dir, "--server", "type=unixio,path="+c.socket,
		"--ctrl", "type=unixio,path="+c.socket+".ctrl", "--flags", "not-need-init,startup-clear")
	if err := process.Start(); err != nil {
		cancel()
		return err
	}
	c.stop = func() {
		cancel()
		_ = process.Wait() // it was killed, and says so
		c.stop = func() {}
	}
	return poll(func() bool { _, err := os.Stat(c.socket); return err == nil })
}

// tpm off|on|wipe switches the story's chip off, as a dead one is, or on, or makes it as from the factory.
func tpm(ts *testscript.TestScript, neg bool, args []string) {
	c := ts.Value("tpm").(*chip)
	switch {
	case neg || len(args) != 1:
		ts.Fatalf("usage: tpm off|on|wipe")
	case args[0] == "off":
		c.stop()
		ts.Check(os.RemoveAll(c.socket))
	case args[0] == "on":
		ts.Check(c.start())
	case args[0] == "wipe":
		c.stop()
		ts.Check(os.RemoveAll(c.socket))
		ts.Check(os.RemoveAll(filepath.Join(c.dir, "tpm2-00.permall")))
		ts.Check(c.start())
	}
}

// rescue STATUS CODE-FILE sends the code to the rescue page, whose certificate must be the one that status told of, and
// wants an HTTP status. What the page says is the command's output.
func rescue(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: rescue status code-file")
	}
	out, _ := command(ts, []string{"linekeepctl", "--socket", ts.Getenv("CTL"), "--json", "status"}).Output() // not all is well, and it says so
	var st struct{ Rescue string }
	ts.Check(json.Unmarshal(out, &st))
	code := ts.ReadFile(args[1])
	rows := strings.Split(strings.TrimSpace(code), "\n")
	page := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(c tls.ConnectionState) error {
			sum := sha256.Sum256(c.PeerCertificates[0].Raw)
			if got := strings.ToUpper(hex.EncodeToString(sum[:])); got != strings.ReplaceAll(st.Rescue, " ", "") {
				return fmt.Errorf("the page shows %s, the sheet says %s", got, st.Rescue)
			}
			return nil
		}}}}
	defer page.CloseIdleConnections()
	res, err := page.PostForm("https://"+consoleAddress(ts)+"/", url.Values{"code": {rows[len(rows)-1]}})
	ts.Check(err)
	body, err := io.ReadAll(res.Body)
	ts.Check(errors.Join(err, res.Body.Close()))
	if got := strconv.Itoa(res.StatusCode); got != args[0] {
		ts.Fatalf("the rescue page answers %s, want %s:\n%s", got, args[0], body)
	}
}

// consoleAddress is where the site's console answers, as its settings say.
func consoleAddress(ts *testscript.TestScript) string {
	m := regexp.MustCompile(`(?m)^address = "([^"]+)"`).FindStringSubmatch(ts.ReadFile("site/linekeep.toml"))
	if m == nil {
		ts.Fatalf("the settings name no address")
	}
	return m[1]
}

// freeAddress is one that nobody listens at now.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
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

// newest [PATTERN] sets $CALL and $SECONDS to the id and length of the newest call, or of the newest whose id matches.
func newest(ts *testscript.TestScript, neg bool, args []string) {
	out, err := command(ts, []string{"linekeepctl", "--socket", ts.Getenv("CTL"), "--json", "calls", "--limit", "100"}).Output()
	ts.Check(err)
	var list struct {
		Calls []struct {
			ID     string
			Length time.Duration
		}
	}
	ts.Check(json.Unmarshal(out, &list))
	pattern := regexp.MustCompile(strings.Join(args, ""))
	for _, c := range list.Calls {
		if !neg && pattern.MatchString(c.ID) {
			ts.Setenv("CALL", c.ID)
			ts.Setenv("SECONDS", fmt.Sprint(c.Length.Seconds()))
			return
		}
	}
	ts.Fatalf("calls: %s", out)
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

// word NAME FILE takes what a file says as a variable.
func word(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: word name file")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
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
