package secret

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// limited names the environment variable under which the test binary is a program that may lock no memory.
const limited = "LINEKEEP_TEST_MEMLOCK"

func TestMain(m *testing.M) {
	if os.Getenv(limited) != "" {
		if err := unlocked(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// unlocked keeps keys in a process that the kernel lets lock nothing: a limit of 0, and nobody's rights, because root's are
// not limited.
func unlocked() error {
	err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{})
	if os.Geteuid() == 0 {
		const nobody = 65534
		err = errors.Join(err, syscall.Setresgid(nobody, nobody, nobody), syscall.Setresuid(nobody, nobody, nobody))
	}
	if err != nil {
		return fmt.Errorf("become nobody: %w", err)
	}
	k, b := New(), NewBuffer(100_000)
	if k.Derive("a").Equal(k) || len(k.AEAD().Seal(nil, make([]byte, 12), []byte("text"), nil)) != 20 {
		return errors.New("a key that is not locked does not work")
	}
	s := Memory()
	if s.Locked != 0 || s.Open != int64(chunkSize+(b.Len()+4095)/4096*4096) || !errors.Is(s.Reason, unix.ENOMEM) && !errors.Is(s.Reason, unix.EPERM) {
		return fmt.Errorf("status %+v", s)
	}
	b.Wipe()
	if s := Memory(); s.Open != chunkSize || s.Reason == nil {
		return fmt.Errorf("after a buffer went: %+v", s)
	}
	k.Wipe()
	return nil
}

func TestAProcessThatMayLockNothingKeepsItsKeysAndSaysSo(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), limited+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, strings.TrimSpace(string(out)))
	}
}

func TestTheArenasPagesAreLockedAndLeftOutOfDumpsAndForks(t *testing.T) {
	k := New()
	defer k.Wipe()
	var at string
	k.Use(func(b []byte) { at = fmt.Sprintf("%p", b) })
	flags, err := flagsOf(at)
	if err != nil {
		t.Fatal(err)
	}
	for flag, means := range map[string]string{"lo": "locked", "dd": "left out of dumps", "dc": "not inherited"} {
		if !strings.Contains(flags, " "+flag+" ") {
			t.Errorf("not %s: flags %s", means, flags)
		}
	}
}

// flagsOf is what /proc/self/smaps says of the mapping at an address.
func flagsOf(address string) (string, error) {
	var at uint64
	if _, err := fmt.Sscanf(address, "0x%x", &at); err != nil {
		return "", err
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return "", err
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		var from, to uint64
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 { // other lines begin with a name
			inside = from <= at && at < to
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && inside {
			return flags, nil
		}
	}
	return "", fmt.Errorf("nothing is mapped at %s", address)
}
