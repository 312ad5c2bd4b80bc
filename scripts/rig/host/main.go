// Command host boots the rig's guest under QEMU and tells what its tests did, as `go test -json` does.
//
//	In:    a kernel and an initrd; what the guest's tests print, and what they ask of the machine around them
//	Out:   test events on standard output, the last of them whether the machine ran to its end; in the folder console.log
//	       and kept/
//	Owner: run: swtpm and QEMU are children that die with it, and every goroutine ends with its connection
//	Full:  the time limit ends the machine; nothing is kept but the lines under way
//
// Exit status: 0 when there were events to tell, whatever they say; 1 when the machine could not be started.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// self is the package that the end of the machine is told for.
const self = "linekeep/scripts/rig"

// QEMU's exit status, as isa-debug-exit makes it of what scripts/rig/init writes.
const (
	allPassed  = 0x10<<1 | 1
	someFailed = 0x11<<1 | 1
)

// options are what the command line says.
type options struct {
	dir, kernel, initrd string
	test2json           string
	packages            int // that must begin and end
	limit               time.Duration
}

func main() {
	// The children are told to die with the thread that started them: it must be the one that lives longest.
	runtime.LockOSThread()
	var o options
	flag.StringVar(&o.dir, "dir", "build/rig", "the `folder` for disks, console.log and kept/")
	flag.StringVar(&o.kernel, "kernel", "", "the guest's kernel `file`")
	flag.StringVar(&o.initrd, "initrd", "", "the guest's root `file`, a cpio")
	flag.StringVar(&o.test2json, "test2json", "build/rig/bin/test2json", "the `program` that makes events of what a test prints")
	flag.IntVar(&o.packages, "packages", 1, "how many packages of tests the guest has")
	flag.DurationVar(&o.limit, "limit", 10*time.Minute, "how long the machine may run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		os.Exit(1)
	}
}

// run boots once, and tells.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("the time limit of %v", o.limit))
	defer cancel()
	m, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.clear()) }()
	t := &teller{out: out, test2json: o.test2json}
	began := time.Now()
	if err := m.start(ctx); err != nil {
		return err
	}
	told := make(chan error, 1) // one: read returns once
	go func() {
		err := t.read(m.results)
		_, _ = io.Copy(io.Discard, m.results) // after a fault of ours: the guest must not wait for us
		told <- err
	}()
	go m.serve()
	status := m.wait()
	faults := []error{<-told}
	m.hangUp()
	if ctx.Err() != nil {
		faults = append(faults, fmt.Errorf("cut short by %w", context.Cause(ctx)))
	}
	faults = append(faults, t.judge(status, o.packages)...)
	return t.end(errors.Join(faults...), time.Since(began), filepath.Join(o.dir, "console.log"))
}

// judge says what is wrong with how the machine ended. Tests that failed are told already.
func (t *teller) judge(status, packages int) []error {
	var faults []error
	fault := func(bad bool, format string, a ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, a...))
		}
	}
	switch status {
	case allPassed:
	case someFailed:
		fault(t.failed == 0, "a test program failed and no test of it did")
	default:
		fault(true, "the machine did not run to its end: QEMU's exit status is %d", status)
	}
	fault(t.begun != packages || t.ended != packages, "%d packages of tests, %d began and %d ended", packages, t.begun, t.ended)
	fault(t.passed+t.failed == 0, "no test ran")
	return faults
}

// end tells of the machine as of a package of its own, so that no run without an end can be counted as well.
func (t *teller) end(fault error, took time.Duration, console string) error {
	action := "pass"
	if fault != nil {
		action = "fail"
		text := fmt.Sprintf("%v\nthe end of %s:\n%s", fault, console, tail(console, 30))
		if err := t.tell(event{Action: "output", Package: self, Output: text}); err != nil {
			return err
		}
	}
	return t.tell(event{Action: action, Package: self, Elapsed: took.Seconds()})
}

func (t *teller) tell(e event) error {
	if err := json.NewEncoder(t.out).Encode(e); err != nil {
		return fmt.Errorf("tell of the machine: %w", err)
	}
	return nil
}

// child is a process that does not outlive us.
func child(ctx context.Context, log io.Writer, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Stdout, cmd.Stderr = log, log
	return cmd
}
