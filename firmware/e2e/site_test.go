package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/firmware/config"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/custody"
)

// number is a caller's number that must never be read anywhere (Ofcom keeps it for drama).
const number = "02079460018"

// site is a box on simulated lines: two of them in a call that never ends, two in short ones.
type site struct {
	t      *testing.T
	dir    string
	socket string
	chip   *tpmtest.Chip
	log    logbook // what all its processes logged
}

// logbook takes what several write at once: a process on its standard error, and a vault opened beside it.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// box is a running process of a site.
type box struct {
	*site
	cmd   *exec.Cmd
	ended chan struct{}

	mu    sync.Mutex
	ready bool
	filed []string // ids told on its standard output
}

// programs builds what the box consists of, once for a test.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-tags", "nolibopusfile", "-buildvcs=false", "-o", dir+"/", "linekeep/firmware/cmd/...").CombinedOutput()
	if err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	return dir
}

// newSite prepares a site in dir; the first start makes its vault.
func newSite(t *testing.T, dir string) *site {
	t.Helper()
	chip := tpmtest.Start(t)
	s := &site{t: t, dir: dir, socket: chip.Socket, chip: chip}
	demo := filepath.Join(dir, "scripts")
	if err := os.MkdirAll(demo, 0o700); err != nil {
		t.Fatal(err)
	}
	long := "line \"Long\" channels=2 law=alaw signals=digital noise=-66\ncall in number=" + number + " extension=21\nanswer\n" +
		strings.Repeat("say office vm-options\nsay remote privacy-prompt\n", 40) + "hangup\nidle 5s\nloop\n"
	short := "line \"Short\" channels=2 signals=digital noise=-66\nidle 100ms..400ms\ncall in number=" + number +
		"\nanswer\nsay office hello\nsay remote goodbye\nhangup\nloop\n"
	for i, script := range []string{long, long, short, short} {
		name := filepath.Join(demo, fmt.Sprintf("%d-line%d.txt", i+1, i+1))
		if err := os.WriteFile(name, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the box logged:\n%s", tail(s.log.String(), 6000))
		}
	})
	return s
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// start runs the box and waits until it is ready to record.
func (s *site) start(bin string) *box {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "linekeepd-sim"), "--site", s.dir, "--tpm", s.socket, "--address", "127.0.0.1:0",
		"--demo", filepath.Join(s.dir, "scripts"), "--log-level", "info")
	b := &box{site: s, cmd: cmd, ended: make(chan struct{})}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stderr = &s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(b.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			b.hear(lines.Text())
		}
	}()
	s.t.Cleanup(b.kill)
	b.eventually(60*time.Second, "the box to be ready", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.ready })
	return b
}

func (b *box) hear(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = b.ready || strings.HasPrefix(text, "Console")
	if _, after, ok := strings.Cut(text, "play --call "); ok {
		id, _, _ := strings.Cut(after, " ")
		b.filed = append(b.filed, id)
	}
}

// told are the calls that the box has said can be played.
func (b *box) told() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.filed...)
}

func (b *box) eventually(within time.Duration, what string, ok func() bool) {
	b.t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			b.t.Fatalf("waited %v for %s", within, what)
		case <-b.ended:
			b.t.Fatalf("the box ended while we waited for %s", what)
		case <-tick.C:
		}
	}
}

// goOn lets the box record for a time drawn between the two.
func (b *box) goOn(least, most time.Duration) {
	b.t.Helper()
	end := time.Now().Add(least + rand.N(most-least))
	b.eventually(most+time.Minute, "time to pass", func() bool { return time.Now().After(end) })
}

// kill ends the box as a crash does.
func (b *box) kill() {
	if b.cmd.ProcessState != nil {
		return
	}
	_ = b.cmd.Process.Kill() // it may be gone already
	<-b.ended
	_ = b.cmd.Wait() // it says "killed", as it should
}

// stop ends it in good order.
func (b *box) stop() {
	b.t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.t.Fatal(err)
	}
	<-b.ended
	if err := b.cmd.Wait(); err != nil {
		b.t.Fatalf("the box did not stop well: %v", err)
	}
}

// config is the site's vault, or what a copy of the site in another folder has of it.
func (s *site) config(dir string) vault.Config {
	s.t.Helper()
	cfg, err := config.Load(filepath.Join(s.dir, "linekeep.toml"))
	if err != nil {
		s.t.Fatal(err)
	}
	v := cfg.Vault()
	rel, err := filepath.Rel(s.dir, v.Dir)
	if err != nil {
		s.t.Fatal(err)
	}
	v.Dir = filepath.Join(dir, rel)
	return v
}

func (s *site) open() tpm.Chip {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "demo", "policy.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	policy, err := tpmdev.ParsePolicy(data)
	if err != nil {
		s.t.Fatal(err)
	}
	chip, err := tpmdev.Open(s.t.Context(), s.socket, policy, tpmdev.RefDemo)
	if err != nil {
		s.t.Fatal(err)
	}
	return chip
}

func (s *site) code() custody.Code {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "recovery-code.txt"))
	if err != nil {
		s.t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")
	code, err := custody.ParseCode(rows[len(rows)-1])
	if err != nil {
		s.t.Fatal(err)
	}
	return code
}

// inspect opens the vault in dir as the next start would, lets it finish what was cut, and hands it over.
func (s *site) inspect(dir string, look func(v *vault.Vault, rows map[string]catalog.Row)) {
	s.t.Helper()
	chip := s.open()
	defer func() {
		if err := chip.Close(); err != nil {
			s.t.Errorf("close the chip: %v", err)
		}
	}()
	v, err := vault.Open(s.t.Context(), s.config(dir), chip, slog.New(slog.NewTextHandler(&s.log, nil)))
	if err != nil {
		s.t.Fatalf("open the vault: %v", err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	ran := make(chan error, 1) // one: Run returns once
	go func() { ran <- v.Run(ctx) }()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(v.Unfiled()) > 0 && time.Now().Before(deadline) {
		<-tick.C
	}
	rows, err := v.Find(s.t.Context(), catalog.Query{})
	if err != nil {
		s.t.Errorf("find: %v", err)
	}
	byID := map[string]catalog.Row{}
	for _, r := range rows {
		byID[r.ID.String()] = r
	}
	look(v, byID)
	report, err := v.Check(s.t.Context())
	if err != nil || len(report.Findings) > 0 {
		s.t.Errorf("check: %v, %v", err, report.Findings)
	}
	cancel()
	if err := <-ran; err != nil {
		s.t.Errorf("run the vault: %v", err)
	}
	if err := v.Close(s.t.Context()); err != nil {
		s.t.Errorf("close the vault: %v", err)
	}
}

// plays reads a recording to its end: every packet opens, and sound and gaps are its length. Where the end of a call was
// never stored, no segment can say so: the catalogue's row does.
func (s *site) plays(v *vault.Vault, row catalog.Row) {
	s.t.Helper()
	id := row.ID
	rec, err := v.Play(s.t.Context(), id, s.code())
	if err != nil {
		s.t.Errorf("play %s: %v", id, err)
		return
	}
	defer rec.Close()
	for _, p := range rec.Parties {
		end := rec.Length * 0
		for seg, err := range rec.Track(p) {
			if err != nil {
				s.t.Errorf("play %s, %v: %v", id, p, err)
				return
			}
			end = seg.Start + seg.Len
		}
		if end > rec.Length || end < rec.Length && row.Gaps == 0 {
			s.t.Errorf("play %s, %v: ends at %v of %v", id, p, end.Duration(), rec.Length.Duration())
		}
	}
}
