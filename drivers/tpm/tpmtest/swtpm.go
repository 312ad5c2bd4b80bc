package tpmtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmdemo"
	"linekeep/drivers/tpm/tpmdev"
)

// startTime is how long a software TPM may take until it answers: 10 ms on an idle machine.
const startTime = 20 * time.Second

// Chip is a private software TPM, and the power switch, the soldering iron and the rubbish bin that go with it.
type Chip struct {
	Socket  string        // for tpmdev.Open; it stays the same for as long as the test runs
	Demo    tpmdev.Policy // signed for its state at the start, ref linekeep-demo
	Release tpmdev.Policy // the same with ref linekeep-release, by the same vendor key
	Vendor  *ecdsa.PrivateKey

	program string
	state   string // folder of what the chip has inside
	stop    func()
}

// Start runs a new swtpm until the test ends. It fails the test when swtpm is not installed. Each call is a
// chip of its own.
func Start(t testing.TB) *Chip {
	t.Helper()
	program, err := exec.LookPath("swtpm")
	if err != nil {
		t.Fatalf("swtpm is missing (Debian package swtpm; make setup installs it): %v", err)
	}
	dir, err := os.MkdirTemp("", "tpm") // not t.TempDir: a socket's path has 107 characters at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a leftover in the temporary folder harms nobody
	c := &Chip{Socket: filepath.Join(dir, "socket"), program: program, state: filepath.Join(dir, "state"), stop: func() {}}
	if err := os.Mkdir(c.state, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop() })
	c.Restart(t)
	if c.Vendor, err = tpmdemo.NewVendor(); err != nil {
		t.Fatal(err)
	}
	c.Demo, c.Release = c.Sign(t, tpmdev.RefDemo), c.Sign(t, tpmdev.RefRelease)
	return c
}

// Restart gives power to a chip that has none: it starts with the state it had. Running, it is stopped first.
func (c *Chip) Restart(t testing.TB) {
	t.Helper()
	c.Stop()
	_ = os.Remove(c.Socket) // what a killed one left; a socket that stays makes the start fail
	var said bytes.Buffer
	process := exec.CommandContext(context.Background(), c.program, // not t.Context: cleanups may still need the chip
		"socket", "--tpm2", "--tpmstate", "dir="+c.state,
		"--server", "type=unixio,path="+c.Socket, "--flags", "not-need-init,startup-clear")
	process.Stdout, process.Stderr = &said, &said
	if err := process.Start(); err != nil {
		t.Fatalf("start swtpm: %v", err)
	}
	c.stop = sync.OnceFunc(func() {
		_ = process.Process.Kill() // gone already is as good
		_ = process.Wait()         // says that it was killed
	})
	if err := answers(context.WithoutCancel(t.Context()), c.Socket); err != nil {
		c.stop()
		t.Fatalf("swtpm does not answer: %v; it said %q", err, said.String())
	}
}

// answers polls the socket until somebody listens.
func answers(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// Stop kills the chip at once, as a chip dies, or loses its power.
func (c *Chip) Stop() { c.stop() }

// PowerCut takes the power away in the middle of whatever it does, and gives it back.
func (c *Chip) PowerCut(t testing.TB) {
	t.Helper()
	c.Restart(t)
}

// Wipe makes another chip of it, as from the factory, and starts that: what was sealed to the old one is lost, and so is its counter.
func (c *Chip) Wipe(t testing.TB) {
	t.Helper()
	c.Restore(t, t.TempDir())
}

// Snapshot copies what the chip has inside. That nobody can do to a real one is what a test with it takes for granted, or
// takes away for its positive control.
func (c *Chip) Snapshot(t testing.TB) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(dir, os.DirFS(c.state)); err != nil {
		t.Fatalf("copy the chip's state: %v", err)
	}
	return dir
}

// Restore puts a snapshot back, and starts the chip with it.
func (c *Chip) Restore(t testing.TB, dir string) {
	t.Helper()
	c.Stop()
	if err := os.RemoveAll(c.state); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(c.state, os.DirFS(dir)); err != nil {
		t.Fatalf("put the chip's state back: %v", err)
	}
	c.Restart(t)
}

// Sign signs for what the chip has measured by now.
func (c *Chip) Sign(t testing.TB, ref string) tpmdev.Policy {
	t.Helper()
	approved, err := tpmdev.ReadPCRs(t.Context(), c.Socket, tpmdemo.PCRs())
	if err != nil {
		t.Fatalf("ReadPCRs: %v", err)
	}
	policy, err := tpmdemo.Sign(c.Vendor, ref, tpmdemo.PCRs(), approved)
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return policy
}

// Open opens the chip under its demonstration policy until the test ends.
func (c *Chip) Open(t testing.TB) *tpmdev.Device {
	t.Helper()
	return c.OpenWith(t, c.Demo)
}

// OpenWith opens the chip under another policy until the test ends.
func (c *Chip) OpenWith(t testing.TB, policy tpmdev.Policy) *tpmdev.Device {
	t.Helper()
	return c.OpenAt(t, c.Socket, policy)
}

// OpenAt opens the chip at another socket, where a tap stands before it, until the test ends.
func (c *Chip) OpenAt(t testing.TB, socket string, policy tpmdev.Policy) *tpmdev.Device {
	t.Helper()
	d, err := tpmdev.Open(t.Context(), socket, policy, policy.Ref)
	if err != nil {
		t.Fatalf("tpmdev.Open: %v", err)
	}
	t.Cleanup(func() { _ = d.Close() }) // gives no error
	return d
}
