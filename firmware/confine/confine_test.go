package confine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSwapIsFoundWhereverItIs(t *testing.T) {
	const head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"none", head, nil},
		{"a partition", head + "/dev/sda2                               partition\t2097148\t\t0\t\t-2\n", []string{"/dev/sda2"}},
		{"zram, and a file with a space", head + "/dev/zram0 partition 1 0 100\n/var/my\\040swap file 1 0 -2\n", []string{"/dev/zram0", "/var/my swap"}},
	} {
		path := filepath.Join(t.TempDir(), "swaps")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := (Process{swaps: path}).Swaps(); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	for _, text := range []string{"", "\n", "garbage\n"} {
		if _, err := parseSwaps(text); err == nil {
			t.Errorf("%q is taken for a list of swaps", text)
		}
	}
	if got, err := (Process{swaps: filepath.Join(t.TempDir(), "none")}).Swaps(); err != nil || got != nil {
		t.Errorf("a kernel without swap: %q, %v", got, err)
	}
	if _, err := (Process{swaps: t.TempDir()}).Swaps(); err == nil {
		t.Error("a folder is taken for a list of swaps")
	}
}

func TestWhatTheKernelRefusesIsTold(t *testing.T) {
	sound := kernel{noCores: func() error { return nil }, noDumps: func() error { return nil },
		dumpable: func() (bool, error) { return false, nil }, coreLimit: func() (uint64, error) { return 0, nil }}
	if p := apply(sound); p.Dumpable != nil {
		t.Errorf("all granted: %v", p.Dumpable)
	}
	for name, c := range map[string]struct {
		refuse func(k *kernel)
		says   string
	}{
		"no limit":              {func(k *kernel) { k.noCores = func() error { return syscall.EPERM } }, "operation not permitted"},
		"no word of the dumps":  {func(k *kernel) { k.dumpable = func() (bool, error) { return false, syscall.ENOSYS } }, "not implemented"},
		"told and not heeded":   {func(k *kernel) { k.dumpable = func() (bool, error) { return true, nil } }, "says that it can be dumped"},
		"a limit that is wider": {func(k *kernel) { k.coreLimit = func() (uint64, error) { return 4096, nil } }, "core files may have 4096 bytes"},
	} {
		k := sound
		c.refuse(&k)
		if p := apply(k); p.Dumpable == nil || !strings.Contains(p.Dumpable.Error(), c.says) {
			t.Errorf("%s: %v", name, p.Dumpable)
		}
	}
}

// crashing names the environment variable under which the test binary is a program that crashes.
const crashing = "LINEKEEP_TEST_CRASH"

func TestMain(m *testing.M) {
	switch os.Getenv(crashing) {
	case "confined":
		if p := Apply(); p.Dumpable != nil {
			os.Exit(3)
		}
		crash()
	case "free":
		crash()
	}
	os.Exit(m.Run())
}

// crash ends the process as the kernel ends one that it dumps. Not by the Go runtime's handler, which would end it first.
func crash() {
	if err := unix.Kill(os.Getpid(), unix.SIGQUIT); err != nil {
		os.Exit(4)
	}
	select {}
}

func TestAConfinedProcessLeavesNoCore(t *testing.T) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	dumps := func(how string) bool {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "ulimit -S -c unlimited 2>/dev/null; exec \"$0\"", os.Args[0])
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), crashing+"="+how, "GOTRACEBACK=crash")
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("%s: %v", how, err)
		}
		status, ok := exit.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() { //nolint:misspell // the name is the library's
			t.Fatalf("%s: it ended otherwise: %v", how, err)
		}
		return status.CoreDump()
	}
	if !dumps("free") {
		t.Logf("no control here: also a free process leaves no core (core_pattern %q)", strings.TrimSpace(string(pattern)))
	}
	if dumps("confined") {
		t.Error("it was dumped")
	}
}
