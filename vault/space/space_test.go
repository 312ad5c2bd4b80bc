package space

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"linekeep/vault/vaulttest/loopdisk"
)

// paper is a disk that is only numbers.
type paper struct {
	mu         sync.Mutex
	room, held Bytes
	err        error
}

func (p *paper) free() (free, total Bytes, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.room, 10 * GiB, p.err
}

func (p *paper) ballast() (Bytes, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held, nil
}

func (p *paper) fill(size Bytes) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room -= size - p.held
	p.held = size
	return nil
}

func (p *paper) drop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room += p.held
	p.held = 0
	return nil
}

func paperGuard(t *testing.T, room Bytes) (*Guard, *paper) {
	t.Helper()
	g, err := New(Defaults(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p := &paper{room: room}
	g.disk = p
	return g, p
}

// TestStates walks through the states: into each at its threshold, out of it only an eighth above.
func TestStates(t *testing.T) {
	g, p := paperGuard(t, 10*GiB)
	for _, step := range []struct {
		free Bytes
		want State
	}{
		{600 * MiB, OK}, {511 * MiB, Low}, {520 * MiB, Low}, {575 * MiB, Low}, {576 * MiB, OK},
		{300 * MiB, Low}, {255 * MiB, Full}, {257 * MiB, Full}, {287 * MiB, Full}, {288 * MiB, Low}, {10 * GiB, OK}, {0, Full}, {10 * GiB, OK},
	} {
		p.room = step.free
		st, err := g.look(t.Context())
		if err != nil || st.State != step.want {
			t.Errorf("at %v free: %v, %v, want %v", step.free, st.State, err, step.want)
		}
		if (st.Alarm == "") != (step.want == OK) {
			t.Errorf("at %v free: alarm %q", step.free, st.Alarm)
		}
		if err := g.Calls(); (err == nil) != (step.want == OK) || (err != nil && !errors.Is(err, ErrLow)) {
			t.Errorf("at %v free: Calls = %v", step.free, err)
		}
	}
}

// TestRoom: a write is refused when it would go below StopAll, and the error says what is lost.
func TestRoom(t *testing.T) {
	g, _ := paperGuard(t, 300*MiB)
	if err := g.Room(int64(44 * MiB)); err != nil {
		t.Errorf("Room(44 MiB) = %v", err)
	}
	err := g.Room(int64(45 * MiB))
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "what is stored already stays") {
		t.Errorf("Room(45 MiB) = %v", err)
	}
}

// TestRunComesBackByItself: the ballast is made when there is room for it, and Run keeps looking through errors.
func TestRunComesBackByItself(t *testing.T) {
	defer goleak.VerifyNone(t)
	synctest.Test(t, func(t *testing.T) {
		g, p := paperGuard(t, 100*MiB)
		p.held = 64 * MiB
		if err := g.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p.held != 0 || p.room != 164*MiB {
			t.Errorf("after Start on a full disk: ballast %v, %v free", p.held, p.room)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		tick := func(change func()) Status {
			p.mu.Lock()
			change()
			p.mu.Unlock()
			time.Sleep(time.Second) // virtual
			synctest.Wait()
			return g.Status()
		}
		if st := tick(func() {}); st.State != Full {
			t.Errorf("state %v, want full", st.State)
		}
		if st := tick(func() { p.err = errors.New("no answer") }); st.State != Full {
			t.Errorf("state %v after an error, want the last one", st.State)
		}
		st := tick(func() { p.err, p.room = nil, 5*GiB })
		if st.State != OK || st.Ballast != 64*MiB || p.held != 64*MiB {
			t.Errorf("with room again: %+v", st)
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestConfigFaultsComeTogether(t *testing.T) {
	err := Config{StopCalls: 1, StopAll: 2, Ballast: 3, Poll: 0}.Validate()
	for _, key := range []string{"space.stop_calls", "space.ballast", "space.poll"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%v does not name %s", err, key)
		}
	}
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
}

// TestRealDisk: the ballast holds blocks of a real file system, and giving it up gives them back.
func TestRealDisk(t *testing.T) {
	disk := loopdisk.New(t, 64<<20).Dir
	cfg := Config{StopCalls: 24 * MiB, StopAll: 12 * MiB, Ballast: 8 * MiB, Poll: time.Second}
	g, err := New(cfg, disk, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	before, _, err := g.disk.free()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	with, _, err := g.disk.free()
	if err != nil || before-with < cfg.Ballast || g.Status().Ballast != cfg.Ballast {
		t.Errorf("%v free before, %v with a ballast of %v; %v", before, with, g.Status().Ballast, err)
	}
	if err := os.WriteFile(filepath.Join(disk, "filler"), make([]byte, with-10*MiB), 0o600); err != nil {
		t.Fatal(err)
	}
	if st, err := g.look(t.Context()); err != nil || st.State != Full {
		t.Errorf("nearly full: %+v, %v", st, err)
	}
	if err := g.Room(1); !errors.Is(err, ErrFull) {
		t.Errorf("Room = %v", err)
	}
	again, err := New(cfg, disk, slog.New(slog.DiscardHandler)) // the next start, still full
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, _, err := again.disk.free()
	if err != nil || after < 17*MiB {
		t.Errorf("%v free after giving the ballast up, %v", after, err)
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	if err := again.Start(t.Context()); err != nil || again.Status().Ballast != cfg.Ballast || again.Status().State != OK {
		t.Errorf("with room again: %+v, %v", again.Status(), err)
	}
}
