// Package vaulttest makes vaults for tests, fills them with calls that never were, and reads them back.
//
//	In:    a test
//	Out:   an open vault on a chip of its own, its recovery code, and what was said in it
//	Owner: Start starts one goroutine for vault.Run; Stop, Crash and the end of the test stop it
//	Full:  the vault lies in the test's temporary folder, with a small ballast
package vaulttest

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/custody"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/office"
	"linekeep/vault/keys"
	"linekeep/vault/space"
	"linekeep/vault/vaulttest/talk"
)

// Vault is a vault under test.
type Vault struct {
	*vault.Vault
	Config vault.Config
	Chip   tpm.Chip
	Code   custody.Code // the recovery code, from the hand-over
	Ann    *Human       // the first Controller
	Log    *slog.Logger

	t      testing.TB
	cancel context.CancelFunc
	done   chan error
}

// Space is a guard that a test's disk satisfies.
func Space() space.Config {
	c := space.Defaults()
	c.StopCalls, c.StopAll, c.Ballast, c.Poll = 48*space.MiB, 24*space.MiB, space.MiB, 50*time.Millisecond
	return c
}

// New makes a vault in dir (a temporary folder if empty) on a software TPM of its own, and opens and runs it.
func New(t testing.TB, dir string) *Vault {
	t.Helper()
	v := NewOn(t, dir, tpmtest.Start(t).Open(t))
	v.Start()
	return v
}

// NewOn makes a vault on a chip, and hands it over to Ann. It does not leave it open.
func NewOn(t testing.TB, dir string, chip tpm.Chip) *Vault {
	t.Helper()
	v := NewCommissioned(t, dir, chip)
	v.HandOver()
	return v
}

// NewCommissioned makes a vault that is not handed over. It does not open it.
func NewCommissioned(t testing.TB, dir string, chip tpm.Chip) *Vault {
	t.Helper()
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "vault")
	}
	v := &Vault{Config: vault.Defaults(dir), Chip: chip, Log: slog.New(slog.DiscardHandler), t: t}
	v.Config.Space = Space()
	if err := vault.Create(t.Context(), v.Config, v.Chip); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return v
}

// HandOver opens the vault, enters Ann, hands it over to her, and closes it.
func (v *Vault) HandOver() {
	v.t.Helper()
	v.Open()
	people, err := v.People()
	if err != nil {
		v.t.Fatalf("People: %v", err)
	}
	v.Ann = NewHuman("Ann Controller")
	person := office.NewPerson{Name: v.Ann.Name, Roles: book.Controller, Boss: "boss@example.com"}
	if _, _, err := people.Add(v.t.Context(), nil, person); err != nil {
		v.t.Fatalf("enter Ann: %v", err)
	}
	done, err := v.Vault.HandOver(v.t.Context(), v.Ann.Claim(v.t, v.Config.Clock(), ""))
	if err != nil {
		v.t.Fatalf("HandOver: %v", err)
	}
	v.Code = done.Code
	if err := v.Close(context.Background()); err != nil {
		v.t.Fatalf("Close: %v", err)
	}
}

// SignIn signs somebody in.
func (v *Vault) SignIn(h *Human) *office.Session {
	v.t.Helper()
	s, err := v.Vault.SignIn(v.t.Context(), h.Attempt(v.t))
	if err != nil {
		v.t.Fatalf("%s signs in: %v", h.Name, err)
	}
	return s
}

// Open opens the vault and does not run it: nothing is moved.
func (v *Vault) Open() {
	v.t.Helper()
	var err error
	if v.Vault, err = vault.Open(v.t.Context(), v.Config, v.Chip, v.Log); err != nil {
		v.t.Fatalf("Open: %v", err)
	}
}

// Start opens the vault and runs it.
func (v *Vault) Start() {
	v.t.Helper()
	v.Open()
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel, v.done = cancel, make(chan error, 1) // one result
	go func() { v.done <- v.Run(ctx) }()
	v.t.Cleanup(v.Stop)
}

// Stop closes the vault in good order. A second Stop does nothing.
func (v *Vault) Stop() {
	v.t.Helper()
	if v.cancel == nil {
		return
	}
	v.cancel()
	v.cancel = nil
	if err := <-v.done; err != nil {
		v.t.Errorf("Run: %v", err)
	}
	if err := v.Close(context.Background()); err != nil {
		v.t.Errorf("Close: %v", err)
	}
}

// Say commits the groups.
func (v *Vault) Say(groups ...segment.Group) {
	v.t.Helper()
	for i := range groups {
		if err := v.Commit(v.t.Context(), &groups[i]); err != nil {
			v.t.Fatalf("Commit: %v", err)
		}
	}
}

// Record stores a whole call of that many ticks and waits until it is filed.
func (v *Vault) Record(k *talk.Talk, ticks int) {
	v.t.Helper()
	v.Say(k.Groups(ticks, true, true)...)
	v.Settle()
}

// settleTime is how long a test waits for the mover, which passes once a second, on a machine that does other things.
const settleTime = 60 * time.Second

// Settle waits until everything that has ended is filed.
func (v *Vault) Settle() {
	v.t.Helper()
	Eventually(v.t, settleTime, "all that ended is filed", func() bool {
		st := v.Status()
		return st.Unfiled == st.Up
	})
}

// Eventually polls until ok or the time is over.
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v it is still not so that %s", within, what)
		}
		<-tick.C
	}
}

// Plays compares what the vault plays of a recording with what was said, from its start, and says whether it is
// the same; what is lost is an error of the test.
func (v *Vault) Plays(id keys.ID, k *talk.Talk) {
	v.t.Helper()
	rec, err := v.Play(v.t.Context(), id, v.Code)
	if err != nil {
		v.t.Errorf("Play %s: %v", id, err)
		return
	}
	defer rec.Close()
	for _, p := range k.Parties {
		n := 0
		for s, err := range rec.Track(p) {
			if err != nil {
				v.t.Errorf("recording %s: %v", id, err)
				return
			}
			if n >= len(k.Said[p]) || !bytes.Equal(s.Data, k.Said[p][n].Data) {
				v.t.Errorf("recording %s: segment %d of %s is not what was said", id, n, p)
				return
			}
			n++
		}
		if n != len(k.Said[p]) {
			v.t.Errorf("recording %s: %d segments of %s, want %d", id, n, p, len(k.Said[p]))
		}
	}
}

// Elsewhere is the same vault, with the same chip and code, at another place: a copy, or a disk after a power cut.
func (v *Vault) Elsewhere(t testing.TB, dir string) *Vault {
	c := v.Config
	c.Dir = dir
	return &Vault{Config: c, Chip: v.Chip, Code: v.Code, Ann: v.Ann, Log: v.Log, t: t}
}

// At is a vault that stands in dir already, on a chip that need not open it yet.
func At(t testing.TB, dir string, chip tpm.Chip, code custody.Code) *Vault {
	v := &Vault{Config: vault.Defaults(dir), Chip: chip, Code: code, Log: slog.New(slog.DiscardHandler), t: t}
	v.Config.Space = Space()
	return v
}
