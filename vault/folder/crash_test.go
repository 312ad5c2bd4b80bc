package folder_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/loopdisk"
)

// The test binary runs itself as a writer that can be killed: with writerEnv set to a folder, TestMain writes to it
// and says each acked value on standard output.
const (
	writerEnv = "LINEKEEP_TEST_WRITER"
	floorEnv  = "LINEKEEP_TEST_FLOOR" // bytes to keep free; empty for no guard
)

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		if err := write(path); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writerOptions are the same in the test and in its child: the key is of no worth.
func writerOptions(path string) (folder.Options, error) {
	key, err := keys.KeyFrom([]byte("0123456789abcdef0123456789abcdef"))
	return folder.Options{Name: "child", Path: path, Key: key, Log: quiet()}, err
}

// write puts values until standard input ends, and then closes. After ErrFull it looks again every 5 ms.
func write(path string) error {
	o, err := writerOptions(path)
	if err != nil {
		return err
	}
	if floor, err := strconv.ParseInt(os.Getenv(floorEnv), 10, 64); err == nil {
		o.Room = func(need int64) error { return room(path, need+floor) }
	}
	ctx := context.Background()
	f, err := folder.Open(ctx, o)
	if err != nil {
		return err
	}
	fmt.Println("open", f.Commits())
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent or at its word; the error is the same to us
	}()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for i := int(f.Commits()); ; {
		select {
		case <-stop:
			if err := f.Close(); err != nil {
				fmt.Println("not closed:", err)
				return nil
			}
			fmt.Println("closed")
			return nil
		default:
		}
		err := f.Put(ctx, folder.Entry{Key: key(i), Value: large(i)})
		switch {
		case errors.Is(err, folder.ErrFull):
			fmt.Println("full")
			<-pause.C
		case err != nil:
			return err
		default:
			i++
			fmt.Println("acked", i)
		}
	}
}

// large is a chunk: 100 KB that depend on i.
func large(i int) []byte {
	b := make([]byte, 0, 100_000)
	for len(b) < 100_000 {
		b = append(b, value(i)...)
		b = strconv.AppendInt(b, int64(i), 10)
	}
	return b
}

func room(path string, need int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return err
	}
	if int64(st.Bavail)*st.Bsize < need {
		return errors.New("test: no room")
	}
	return nil
}

// child is a running writer.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
	acked int
	full  bool
	last  string
}

func startWriter(t *testing.T, path string, env ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0], "-test.run=none")}
	c.cmd.Env = append(append(os.Environ(), writerEnv+"="+path), env...)
	c.cmd.Stderr = os.Stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// follow reads what the child says until enough is true or it ends.
func (c *child) follow(enough func() bool) {
	for !enough() && c.lines.Scan() {
		c.last = c.lines.Text()
		if n, ok := strings.CutPrefix(c.last, "acked "); ok {
			c.acked, _ = strconv.Atoi(n) // our own print
		}
		c.full = c.last == "full"
	}
}

// TestKilledWriter: however often the writer is killed, every acked value is there, and at most one more.
func TestKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	kills := 5
	if os.Getenv("LONG") != "" {
		kills = 30
	}
	acked := 0
	for k := range kills {
		c := startWriter(t, path)
		c.acked = acked
		c.follow(func() bool { return c.acked >= acked+20+7*k })
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		c.follow(func() bool { return false }) // what it said before it died
		if err := c.cmd.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
		if c.acked <= acked {
			t.Fatalf("kill %d: nothing was acked: %q", k, c.last)
		}
		acked = c.acked
		acked = inspect(t, path, acked)
	}
}

// inspect opens what a writer left and compares it with what was acked. It returns what is there: a transaction
// may have been written just before its ack.
func inspect(t *testing.T, path string, acked int) int {
	t.Helper()
	o, err := writerOptions(path)
	if err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, o)
	defer mustClose(t, f)
	if len(f.Findings()) > 0 {
		t.Errorf("Findings: %v", f.Findings())
	}
	n := int(f.Commits())
	if n < acked || n > acked+1 {
		t.Errorf("%d commits, %d acked", n, acked)
	}
	for i := range n {
		if got, err := f.Get(key(i)); err != nil || string(got) != string(large(i)) {
			t.Fatalf("value %d of %d acked: %v", i, acked, err)
		}
	}
	if found := f.Verify(t.Context()); len(found) > 0 {
		t.Errorf("Verify: %v", found)
	}
	return n
}

// TestBrimfulDisk: another writer fills the disk to the last block while Puts go on. The process lives, says ErrFull,
// goes on when there is room again, and nothing acked is lost.
func TestBrimfulDisk(t *testing.T) {
	disk := loopdisk.New(t, 300<<20)
	path := filepath.Join(disk.Dir, "f")
	c := startWriter(t, path, floorEnv+"=8388608")
	c.follow(func() bool { return c.acked >= 20 })
	for round := range 2 {
		empty := disk.Fill(t)
		c.follow(func() bool { return c.full })
		if !c.full {
			t.Fatalf("round %d: the writer ended: %q", round, c.last)
		}
		empty()
		before := c.acked
		c.follow(func() bool { return c.acked > before+20 })
		if c.acked <= before+20 {
			t.Fatalf("round %d: no recovery: %q", round, c.last)
		}
	}
	// Full to the brim at the end: closing is refused, and what is acked is there once there is room again.
	empty := disk.Fill(t)
	c.follow(func() bool { return c.full })
	if err := c.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	c.follow(func() bool { return false })
	if err := c.cmd.Wait(); err != nil || !strings.HasPrefix(c.last, "not closed: ") {
		t.Fatalf("stopping on a full disk: %v, said %q", err, c.last)
	}
	o, err := writerOptions(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Open(t.Context(), o); !errors.Is(err, folder.ErrFull) {
		t.Errorf("opening on a full disk: %v, want ErrFull", err)
	}
	empty()
	inspect(t, path, c.acked)
}
