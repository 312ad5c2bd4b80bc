// Package coredump looks for secrets in the memory of a process, as gdb's gcore writes it out.
//
//	In:    a test that is also a program (Program in its TestMain, or Child in the test); and secrets that the process should or should not hold
//	Out:   which of them a core holds, byte for byte
//	Owner: Start ends the process it started when its test ends
//	Full:  a core takes 1 to 2 GB in the test's folder for a few seconds, and some 10 MB of memory
//
// Secrets pass between test and program in hex, and only there: a test that handed the program a key as bytes would find
// its own copy.
package coredump

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// variable tells the test binary that it is the program.
const variable = "LINEKEEP_TEST_COREDUMP"

// Program runs main instead of the tests, in the process that Start made. It is the first thing in TestMain.
func Program(main func(p *Side) error) {
	side, ok := Child()
	if !ok {
		return
	}
	if err := main(side); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Child says whether this process is one that StartTest made, and gives its end of the line.
func Child() (*Side, bool) {
	if os.Getenv(variable) == "" {
		return nil, false
	}
	// Where only a parent may trace (Yama), gdb is none.
	_ = unix.Prctl(unix.PR_SET_PTRACER, uintptr(unix.PR_SET_PTRACER_ANY), 0, 0, 0) // refused without Yama, and not needed then
	return &Side{in: os.Stdin, out: os.Stdout}, true
}

// Side is the program's end of the line to its test. It reads byte by byte, and so leaves nothing in buffers.
type Side struct {
	in  io.Reader
	out io.Writer
}

// Say tells the test a stage, with the secrets that came up in it, in hex.
func (s *Side) Say(stage string, secrets ...string) error {
	_, err := fmt.Fprintln(s.out, strings.Join(append([]string{stage}, secrets...), " "))
	return err
}

// Ask says a stage and waits for what the test answers.
func (s *Side) Ask(stage string, secrets ...string) (string, error) {
	if err := s.Say(stage, secrets...); err != nil {
		return "", err
	}
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(s.in, b); err != nil {
			return "", fmt.Errorf("wait for the test: %w", err)
		}
		if b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[0])
	}
}

// Process is a program that a test looks into.
type Process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	dir string
}

// Start starts the test binary as its Program.
func Start(t testing.TB) *Process { t.Helper(); return start(t) }

// StartTest starts the test binary with this test alone, which asks Child what it is.
func StartTest(t testing.TB) *Process {
	t.Helper()
	return start(t, "-test.run=^"+t.Name()+"$", "-test.count=1")
}

func start(t testing.TB, args ...string) *Process {
	t.Helper()
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Fatalf("gdb is missing; make setup installs it: %v", err)
	}
	p := &Process{cmd: exec.CommandContext(t.Context(), os.Args[0], args...), dir: t.TempDir()}
	p.cmd.Env = append(os.Environ(), variable+"=1")
	p.cmd.Stderr = os.Stderr
	in, errIn := p.cmd.StdinPipe()
	out, errOut := p.cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, p.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	t.Cleanup(func() {
		_ = p.in.Close()
		_ = p.cmd.Wait() // a test that ended early ends it by its context
	})
	return p
}

// Await waits until the program says that stage, and gives the secrets said with it.
func (p *Process) Await(t testing.TB, stage string) (secrets [][]byte) {
	t.Helper()
	line, err := p.out.ReadString('\n')
	said := strings.Fields(line)
	if err != nil || len(said) == 0 || said[0] != stage {
		t.Fatalf("wait for %q: got %q, %v", stage, line, err)
	}
	for _, s := range said[1:] {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatalf("stage %s: %v", stage, err)
		}
		secrets = append(secrets, b)
	}
	return secrets
}

// Answer lets the program go on from Ask.
func (p *Process) Answer(t testing.TB, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		t.Fatal(err)
	}
}

// Core is a copy of a process's memory: the pieces of it between pages that are all zeros, of which Go reserves a gigabyte.
type Core struct {
	pieces [][]byte
	size   int64
}

// Full is all of the process's memory, as root can copy it (gcore -a).
func (p *Process) Full(t testing.TB) Core { t.Helper(); return p.core(t, "on") }

// Usual is what a core dump has: without mappings that asked to be left out.
func (p *Process) Usual(t testing.TB) Core { t.Helper(); return p.core(t, "off") }

func (p *Process) core(t testing.TB, excluded string) Core {
	t.Helper()
	path := filepath.Join(p.dir, "core")
	cmd := exec.CommandContext(t.Context(), "gdb", "-p", strconv.Itoa(p.cmd.Process.Pid), "-nx", "-batch", "-iex", "set auto-solib-add off",
		"-iex", "set debuginfod enabled off", "-ex", "set dump-excluded-mappings "+excluded, "-ex", "gcore "+path)
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("gcore: %v\n%s", err, said)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatalf("gcore made no core: %v\n%s", err, said)
	}
	core, err := read(f)
	if err := errors.Join(err, f.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	return core
}

// read keeps what is not zero.
func read(r io.Reader) (c Core, err error) {
	page, zeros := make([]byte, 4096), make([]byte, 4096)
	in, gap := bufio.NewReaderSize(r, 1<<20), true
	for {
		n, err := io.ReadFull(in, page)
		c.size += int64(n)
		switch {
		case bytes.Equal(page[:n], zeros[:n]):
			gap = true
		case gap:
			c.pieces, gap = append(c.pieces, bytes.Clone(page[:n])), false
		default:
			last := len(c.pieces) - 1
			c.pieces[last] = append(c.pieces[last], page[:n]...)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return c, nil
		}
		if err != nil {
			return c, fmt.Errorf("read core: %w", err)
		}
	}
}

// run is the shortest piece of a secret that is looked for: so long that none is found by chance.
const run = 8

// Holds says in how many places the core has a piece of a secret: any 15 bytes of it that stand together are found. The
// secret must have at least 16 bytes, and none that could stand there for another reason.
func (c Core) Holds(secret []byte) int {
	n := 0
	for _, piece := range c.pieces {
		places := map[int]bool{}
		for at := 0; at+run <= len(secret); at += run {
			for from := 0; ; {
				i := bytes.Index(piece[from:], secret[at:at+run])
				if i < 0 {
					break
				}
				places[from+i-at] = true // runs that belong together are one place
				from += i + 1
			}
		}
		n += len(places)
	}
	return n
}

// Len is how many bytes were looked at, zeros too.
func (c Core) Len() int64 { return c.size }
