package vault_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/catalog"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/loopdisk"
)

// acked is what a child was told is stored.
type acked struct {
	mu       sync.Mutex
	segments map[string]map[string]string // line -> party and start -> hash
	closed   map[string]line.Samples      // line -> length
	count    int
}

func newAcked() *acked {
	return &acked{segments: make(map[string]map[string]string), closed: make(map[string]line.Samples)}
}

func (a *acked) read(r io.Reader) {
	in := bufio.NewScanner(r)
	for in.Scan() {
		f := strings.Fields(in.Text())
		a.mu.Lock()
		switch {
		case len(f) == 5 && f[0] == "S":
			if a.segments[f[1]] == nil {
				a.segments[f[1]] = make(map[string]string)
			}
			a.segments[f[1]][f[2]+" "+f[3]] = f[4]
			a.count++
		case len(f) == 3 && f[0] == "C":
			var n line.Samples
			if _, err := fmt.Sscan(f[2], &n); err == nil {
				a.closed[f[1]] = n
			}
		}
		a.mu.Unlock()
	}
}

func (a *acked) stored() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}

// recorder is a child that records.
type recorder struct {
	cmd   *exec.Cmd
	acked *acked
	done  chan struct{} // closed when its output has been read to the end
}

func startRecorder(t *testing.T, o orders) *recorder {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{cmd: exec.Command(os.Args[0], "-test.run=^$"), acked: newAcked(), done: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	r.cmd.Stderr = os.Stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		r.acked.read(out)
	}()
	t.Cleanup(r.kill)
	vaulttest.Eventually(t, 30*time.Second, "the child records", func() bool { return r.acked.stored() > 0 })
	return r
}

// kill ends the child as a power switch would, and reads out what it still said.
func (r *recorder) kill() {
	if r.cmd.ProcessState != nil {
		return
	}
	_ = r.cmd.Process.Kill() // gone already is as good
	<-r.done
	_ = r.cmd.Wait() // says that it was killed
}

// holds compares the vault with what a child was told: every segment byte for byte, no closed call cut.
func (a *acked) holds(t *testing.T, v *vaulttest.Vault) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	byLine := make(map[string]catalog.Row)
	for _, r := range rows {
		byLine[r.Line] = r
	}
	for name, want := range a.segments {
		row, ok := byLine[name]
		if !ok {
			t.Errorf("call %s with %d stored segments is lost", name, len(want))
			continue
		}
		n, closed := a.closed[name]
		if closed && (row.Recovered || row.Duration != n.Duration() || row.Gaps > 0) {
			t.Errorf("call %s was closed, and is now: %+v", name, row)
		}
		compare(t, v, row, want)
	}
	report, err := v.Check(t.Context())
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("check: %v %v", report.Findings, err)
	}
	t.Logf("%d calls, %d of them closed, %d segments, all there", len(a.segments), len(a.closed), a.count)
}

func compare(t *testing.T, v *vaulttest.Vault, row catalog.Row, want map[string]string) {
	t.Helper()
	rec, err := v.Play(t.Context(), row.ID, v.Code)
	if err != nil {
		t.Errorf("Play: %v", err)
		return
	}
	defer rec.Close()
	got := make(map[string]string)
	for _, p := range []segment.Party{segment.Office, segment.Caller} {
		for s, err := range rec.Track(p) {
			if err != nil {
				t.Errorf("recording %s: %v", row.ID, err)
				continue
			}
			got[fmt.Sprintf("%d %d", s.Party, s.Start)] = fmt.Sprintf("%x", sha256.Sum256(s.Data))
		}
	}
	for place, hash := range want {
		if got[place] != hash {
			t.Errorf("recording %s: the stored segment of party and start %s is not there as it was", row.ID, place)
		}
	}
}

// long says whether the long forms are asked for.
func long() bool { return os.Getenv("LONG") != "" }

// crashVault makes a vault on a chip that children open as well.
func crashVault(t *testing.T, dir string) (*vaulttest.Vault, orders) {
	t.Helper()
	chip := tpmtest.Start(t)
	v := vaulttest.NewOn(t, dir, chip.Open(t))
	policy, err := chip.Demo.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(file, policy, 0o600); err != nil {
		t.Fatal(err)
	}
	return v, orders{Dir: v.Config.Dir, Socket: chip.Socket, Policy: file}
}

// between gives a random time in which a child does a bit of everything.
func between() time.Duration { return time.Duration(50+rand.IntN(2500)) * time.Millisecond }

func TestAKilledRecorderLosesNothingStored(t *testing.T) {
	rounds := 6
	if long() {
		rounds = 200
	}
	v, o := crashVault(t, "")
	for o.Round = range rounds {
		r := startRecorder(t, o)
		<-time.After(between())
		r.kill()
		v.Start()
		v.Settle()
		r.acked.holds(t, v)
		if f := v.Findings(); len(f) > 0 {
			t.Errorf("findings after a kill: %v", f)
		}
		v.Stop()
		if t.Failed() {
			return
		}
	}
}

func TestAPowerCutLosesNothingStored(t *testing.T) {
	rounds := 3
	if long() {
		rounds = 20
	}
	disk := loopdisk.New(t, 512<<20)
	v, o := crashVault(t, filepath.Join(disk.Dir, "vault"))
	r := startRecorder(t, o)
	for round := range rounds {
		<-time.After(between())
		signal(t, r, syscall.SIGSTOP)
		vaulttest.Eventually(t, 10*time.Second, "the child has stopped", func() bool { return state(t, r) == "T" })
		t.Run(fmt.Sprint("cut ", round), func(t *testing.T) {
			cut := disk.Cut(t)
			after := v.Elsewhere(t, filepath.Join(cut.Dir, "vault"))
			after.Start()
			after.Settle()
			r.acked.holds(t, after)
			after.Stop()
		})
		signal(t, r, syscall.SIGCONT)
		if t.Failed() {
			break
		}
	}
	r.kill()
}

func signal(t *testing.T, r *recorder, s syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// state is the child's state as the kernel says it: T is stopped.
func state(t *testing.T, r *recorder) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	return f[0]
}
