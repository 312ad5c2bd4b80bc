package firmware

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

const readmeFile = "../README.md"

func readme(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shell gives the command lines of the README's shell blocks, without what is said about them.
func shell(text string) []string {
	var lines []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for row := range strings.Lines(block[1]) {
			command, _, _ := strings.Cut(row, "#")
			if command = strings.TrimSpace(command); command != "" {
				lines = append(lines, command)
			}
		}
	}
	return lines
}

func TestTheReadmeIsShortAndItsLinksLeadSomewhere(t *testing.T) {
	text := readme(t)
	if n := strings.Count(text, "\n"); n >= 150 {
		t.Errorf("%d lines; under 150, it is read", n)
	}
	links := regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1)
	if len(links) == 0 {
		t.Error("there are no links")
	}
	for _, l := range links {
		if _, err := os.Stat(filepath.Join("..", l[1])); err != nil {
			t.Errorf("a link leads nowhere: %v", err)
		}
	}
}

// TestTheReadmesMakeTargetsExist; make run and make test themselves take minutes, and are what CI and people run.
func TestTheReadmesMakeTargetsExist(t *testing.T) {
	tried := 0
	for _, command := range regexp.MustCompile("make [a-z]+( LINES=alsa)?").FindAllString(readme(t), -1) {
		words := strings.Fields(command)
		cmd := exec.CommandContext(t.Context(), "make", append([]string{"-n"}, words[1:]...)...)
		cmd.Dir = ".."
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		for _, script := range strings.Fields(string(out)) {
			if strings.HasPrefix(script, "scripts/") {
				tried++
				if _, err := exec.LookPath(filepath.Join("..", script)); err != nil {
					t.Errorf("%s runs %s: %v", command, script, err)
				}
			}
		}
	}
	if tried < 4 {
		t.Errorf("only %d commands were tried", tried)
	}
}

// readmeCommands runs each linekeepctl line of the README, word for word, against the story's box.
func readmeCommands(ts *testscript.TestScript, _ bool, _ []string) {
	text, err := os.ReadFile(ts.Getenv("README"))
	ts.Check(err)
	ran := 0
	for _, line := range shell(string(text)) {
		words := strings.Fields(line)
		if words[0] != "build/linekeepctl" {
			continue
		}
		ran++
		for i := range words {
			words[i] = strings.Replace(words[i], "run/control.sock", ts.Getenv("CTL"), 1)
		}
		out, err := command(ts, append([]string{"linekeepctl"}, words[1:]...)).CombinedOutput()
		ts.Logf("%s\n%s", line, out)
		ts.Check(err)
	}
	if ran == 0 {
		ts.Fatalf("the README has no linekeepctl command")
	}
}
