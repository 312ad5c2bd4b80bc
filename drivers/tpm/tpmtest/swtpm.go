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

// Chip is a private software TPM.
type Chip struct {
	Socket  string        // for tpmdev.Open
	Demo    tpmdev.Policy // signed for its present state, ref linekeep-demo
	Release tpmdev.Policy // the same with ref linekeep-release, by the same vendor key
	Vendor  *ecdsa.PrivateKey

	stop func()
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
	c := &Chip{Socket: filepath.Join(dir, "socket")}
	var said bytes.Buffer
	process := exec.CommandContext(context.Background(), program, // not t.Context: cleanups may still need the chip
		"socket", "--tpm2", "--tpmstate", "dir="+dir,
		"--server", "type=unixio,path="+c.Socket, "--flags", "not-need-init,startup-clear")
	process.Stdout, process.Stderr = &said, &said
	if err := process.Start(); err != nil {
		t.Fatalf("start swtpm: %v", err)
	}
	c.stop = sync.OnceFunc(func() {
		_ = process.Process.Kill() // gone already is as good
		_ = process.Wait()         // says that it was killed
	})
	t.Cleanup(c.stop)
	if err := answers(t.Context(), c.Socket); err != nil {
		c.stop()
		t.Fatalf("swtpm does not answer: %v; it said %q", err, said.String())
	}
	if c.Vendor, err = tpmdemo.NewVendor(); err != nil {
		t.Fatal(err)
	}
	c.Demo, c.Release = c.Sign(t, tpmdev.RefDemo), c.Sign(t, tpmdev.RefRelease)
	return c
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
	d, err := tpmdev.Open(t.Context(), c.Socket, policy, policy.Ref)
	if err != nil {
		t.Fatalf("tpmdev.Open: %v", err)
	}
	t.Cleanup(func() { _ = d.Close() }) // gives no error
	return d
}

// Stop kills the chip at once, as a chip dies.
func (c *Chip) Stop() { c.stop() }
