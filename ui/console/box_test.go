package console_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"linekeep/ui/api"
	"linekeep/ui/assets"
	"linekeep/ui/console"
)

// box is a console that runs, and says of itself what a test tells it to.
type box struct {
	*console.Console
	url    string
	status atomic.Pointer[api.Status]
	stop   func() // ends the console and waits for it
}

func (b *box) is(st api.Status) { b.status.Store(&st) }

// start runs a console on a free port of this machine, or on the address given.
func start(t *testing.T, st api.Status, change ...func(*console.Config)) *box {
	t.Helper()
	if _, err := assets.Load(); err != nil {
		t.Fatalf("the tests look at the page as people do: %v", err)
	}
	cfg := console.Defaults()
	cfg.Listen, cfg.Keep = "127.0.0.1:0", console.Folder(t.TempDir())
	for _, c := range change {
		c(&cfg)
	}
	b := &box{}
	b.is(st)
	c, err := console.New(cfg, func(context.Context) api.Status { return *b.status.Load() }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	b.Console = c
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	b.url = "https://" + ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // one answer, whether or not anybody waits for it
	go func() { done <- c.Serve(ctx, ln) }()
	var stopped atomic.Bool
	b.stop = func() {
		if stopped.Swap(true) {
			return
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(b.stop)
	return b
}

// shots is a folder for pictures; empty when nobody asked for them.
func shots() string { return os.Getenv("LINEKEEP_SHOTS") }

// waitFor waits until something listens at an address.
func waitFor(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nothing listens at %s: %v", address, err)
		}
	}
}
