package vault_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/vault"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// childEnv holds a child's orders; with it this test binary is not a test but a recorder that will be killed.
const childEnv = "LINEKEEP_VAULT_CHILD"

type orders struct {
	Dir    string
	Socket string
	Policy string   // a file
	Round  int      // distinguishes the calls of one child from those of the next
	Erase  []string // calls to be erased, instead of recording
	Beside bool     // record beside the vault, as if it did not open
	All    *alike   // do everything at once
}

const (
	childCalls = 4
	// childTick is how often a group of half a second is committed: faster than time, so that minutes are moved
	// and calls are filed within the seconds that a child lives.
	childTick = 8 * time.Millisecond
	longest   = 400 // ticks of a call
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child opens the vault and records four calls at a time until it is killed. After each Commit that returned nil
// it writes one line for each thing stored.
func child(text string) error {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	ctx := context.Background()
	cfg := vault.Defaults(o.Dir)
	cfg.Space = vaulttest.Space()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: childLevel(o)}))
	if o.Beside {
		d, err := vault.OpenDegraded(ctx, cfg, tpm.ErrUnavailable, log)
		if err != nil {
			return err
		}
		go func() { _ = d.Run(ctx) }() // never returns: the process is killed
		return speak(ctx, d, o.Round)
	}
	data, err := os.ReadFile(o.Policy)
	if err != nil {
		return err
	}
	policy, err := tpmdev.ParsePolicy(data)
	if err != nil {
		return err
	}
	chip, err := tpmdev.Open(ctx, o.Socket, policy, policy.Ref)
	if err != nil {
		return err
	}
	if o.All != nil {
		return o.All.run(ctx, cfg, chip, log)
	}
	if len(o.Erase) > 0 {
		cfg.Clock = o.clock()
	}
	v, err := vault.Open(ctx, cfg, chip, log)
	if err != nil {
		return err
	}
	go func() { _ = v.Run(ctx) }() // never returns: the process is killed
	if len(o.Erase) > 0 {
		return o.erase(ctx, v)
	}
	return speak(ctx, v, o.Round)
}

// committer is a vault, open or beside one.
type committer interface {
	Commit(ctx context.Context, g *segment.Group) error
}

func speak(ctx context.Context, v committer, round int) error {
	start := time.Now().Truncate(time.Second)
	s := speech{round: round, longest: longest, start: func() time.Time { return start }, now: time.Now, say: func(said string) error {
		_, err := os.Stdout.WriteString(said)
		return err
	}}
	return s.speak(ctx, v)
}

// speech is what a child has calls say.
type speech struct {
	round      int
	longest    int              // ticks of a call
	start, now func() time.Time // of a call, and of a group
	say        func(said string) error
}

func (s speech) speak(ctx context.Context, v committer) error {
	var calls [childCalls]*talk.Talk
	var left [childCalls]int
	begun := 0
	tick := time.NewTicker(childTick)
	defer tick.Stop()
	for ; ; <-tick.C {
		g := segment.Group{At: s.now()}
		var said strings.Builder
		for i := range calls {
			if calls[i] == nil {
				begun++
				calls[i] = talk.New(segment.Call(begun), s.start().Add(time.Duration(begun)*time.Millisecond))
				calls[i].Line, calls[i].Forget = fmt.Sprintf("line-%d-%d", s.round, begun), true
				fmt.Fprintf(&said, "O %s %s\n", calls[i].Line, calls[i].Start.UTC().Format(time.RFC3339Nano))
				left[i] = 1 + rand.IntN(s.longest)
				g.Openings = append(g.Openings, calls[i].Opening())
			}
			left[i]--
			calls[i].Speak(&g, left[i] == 0)
			for _, s := range g.Segments[len(g.Segments)-len(calls[i].Parties):] {
				fmt.Fprintf(&said, "S %s %d %d %x\n", calls[i].Line, s.Party, s.Start, sha256.Sum256(s.Data))
			}
			if left[i] == 0 {
				g.Closings = append(g.Closings, calls[i].Closing())
				fmt.Fprintf(&said, "C %s %d\n", calls[i].Line, calls[i].At)
				calls[i] = nil
			}
		}
		if err := v.Commit(ctx, &g); err != nil {
			return err
		}
		if err := s.say(said.String()); err != nil {
			return err
		}
	}
}

// childLevel leaves out what a child beside the vault says at its start: that the vault is locked is what the test is about.
func childLevel(o orders) slog.Level {
	if o.Beside {
		return slog.LevelError + 1
	}
	return slog.LevelError
}
