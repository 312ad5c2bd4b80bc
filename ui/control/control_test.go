package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"linekeep/ui/api"
	"linekeep/ui/service"
	"linekeep/vault/check"
	"linekeep/vault/scrub"
	"linekeep/vault/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeVault answers as a vault with one call under the code "right".
type fakeVault struct {
	asked service.Query
	sound []byte
	after error // what happens after the sound
}

func (f *fakeVault) Find(_ context.Context, q service.Query) (service.List, error) {
	f.asked = q
	return service.List{Calls: []service.Call{{ID: "7-42", Line: "reception", Length: time.Minute}}}, nil
}

func (f *fakeVault) Check(context.Context) (check.Report, error) {
	return check.Report{Calls: 3, Findings: []check.Finding{{Kind: "altered", What: "7-42"}}}, nil
}

func (f *fakeVault) Scrub(_ context.Context, o service.Scrubbing) (service.Scrubbed, error) {
	words := ""
	if !o.Password.IsZero() {
		o.Password.Use(func(b []byte) { words = string(b) })
	}
	return service.Scrubbed{Status: scrub.Status{Month: o.Do, Trouble: o.As + words + o.Code}}, nil
}

func (f *fakeVault) Keys(context.Context) (service.Keys, error) {
	return service.Keys{Vault: "a0a1", Epoch: 5, Classes: []service.Class{{Name: "standard", Shards: 1, Used: 3, Slots: 16384}}, Backup: service.Backup{State: "off"}}, nil
}

// People knows one password and gives a slip for whoever has it.
func (f *fakeVault) People(_ context.Context, o service.PeopleOrder) (service.PeopleDone, error) {
	if !says(o.Password, "open sesame") || !says(o.Factor, "00ff") || !o.Recovery.IsZero() {
		return service.PeopleDone{}, fmt.Errorf("%w: %s", service.ErrSignIn, o.As)
	}
	return service.PeopleDone{Slip: "slip of " + o.Name}, nil
}

func (f *fakeVault) Retention(_ context.Context, o service.RetentionOrder) (service.Retention, error) {
	if o.Do != "list" && (!says(o.Password, "right") || o.Code != "123 456") {
		return service.Retention{}, service.ErrSignIn
	}
	return service.Retention{Set: o.Reason}, nil
}

func (f *fakeVault) Erase(_ context.Context, e service.Erasure) (service.Erased, error) {
	if e.As != "" && (!says(e.Password, "right") || e.Code != "123 456") {
		return service.Erased{}, service.ErrSignIn
	}
	if e.Calls[0] != "7-42" {
		return service.Erased{}, fmt.Errorf("%w: %s", service.ErrNoCall, e.Calls[0])
	}
	return service.Erased{Calls: e.Calls, Certificates: []string{e.Why}}, nil
}

func (f *fakeVault) Play(_ context.Context, w io.Writer, p service.Playing) error {
	switch {
	case p.Call != "7-42":
		return service.ErrNoCall
	case !says(p.Code, "right"):
		return service.ErrWrongCode
	}
	if _, err := w.Write(f.sound); err != nil {
		return err
	}
	return f.after
}

// typed is what a person typed.
func typed(text string) secret.Password {
	p, err := secret.PasswordFrom([]byte(text))
	if err != nil {
		panic(err)
	}
	return p
}

func says(p secret.Password, text string) (same bool) {
	if p.IsZero() {
		return text == ""
	}
	p.Use(func(b []byte) { same = string(b) == text })
	return same
}

// serve runs a server on a socket of its own and gives a client of it, and what was logged.
func serve(t *testing.T, v *fakeVault) (*Client, *bytes.Buffer, string) {
	t.Helper()
	var logged bytes.Buffer
	path := filepath.Join(t.TempDir(), "box", "control.sock")
	status := func(context.Context) api.Status {
		return api.Status{Sentence: "All well.", Lines: []api.Line{{ID: "a"}}}
	}
	s := NewServer(path, service.New(status, v), slog.New(slog.NewTextHandler(&logged, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	c := NewClient(path)
	t.Cleanup(func() {
		c.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	wait(t, func() bool { _, err := c.Status(t.Context()); return err == nil })
	return c, &logged, path
}

// wait asks again until it is so.
func wait(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(10 * time.Second); !so(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it never came about")
		}
	}
}

func TestWhatIsAskedIsAnswered(t *testing.T) {
	v := &fakeVault{sound: bytes.Repeat([]byte("sound"), 100_000)}
	c, _, path := serve(t, v)
	if st, err := c.Status(t.Context()); err != nil || st.Sentence != "All well." {
		t.Errorf("Status: got %q, %v", st.Sentence, err)
	}
	if lines, err := c.Lines(t.Context()); err != nil || len(lines) != 1 || lines[0].ID != "a" {
		t.Errorf("Lines: got %v, %v", lines, err)
	}
	if r, err := c.Check(t.Context()); err != nil || r.Calls != 3 || len(r.Findings) != 1 {
		t.Errorf("Check: got %+v, %v", r, err)
	}
	if k, err := c.Keys(t.Context()); err != nil || k.Epoch != 5 || k.Backup.State != "off" {
		t.Errorf("Keys: got %+v, %v", k, err)
	}
	if e, err := c.Erase(t.Context(), service.Erasure{Calls: []string{"7-42"}, Why: "objection"}); err != nil || e.Certificates[0] != "objection" {
		t.Errorf("Erase: got %+v, %v", e, err)
	}
	for word, want := range map[string]error{"right": nil, "left": service.ErrSignIn} {
		o := service.RetentionOrder{Do: "set", Reason: "invoice", As: "Ann", Password: typed(word), Code: "123 456"}
		if r, err := c.Retention(t.Context(), o); !errors.Is(err, want) || err == nil && r.Set != "invoice" {
			t.Errorf("a hold as Ann, %s: %+v, %v, want %v", word, r, err, want)
		}
		if _, err := c.Erase(t.Context(), service.Erasure{Calls: []string{"7-42"}, As: "Ann", Password: typed(word), Code: "123 456"}); !errors.Is(err, want) {
			t.Errorf("Erase as Ann, %s: %v, want %v", word, err, want)
		}
	}
	if e, err := c.Erase(t.Context(), service.Erasure{Calls: []string{"7-43"}}); !errors.Is(err, service.ErrNoCall) {
		t.Errorf("Erase of no call: got %+v, %v; want ErrNoCall", e, err)
	}
	q := service.Query{From: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
		Line: "reception", Direction: "in", Shortest: 90 * time.Second, Limit: 5}
	if l, err := c.Calls(t.Context(), q); err != nil || len(l.Calls) != 1 || l.Calls[0].ID != "7-42" {
		t.Errorf("Calls: got %v, %v", l, err)
	}
	if d := cmp.Diff(q, v.asked); d != "" {
		t.Errorf("what the vault was asked, want -, got +:\n%s", d)
	}
	yes := true
	q = service.Query{Numbers: []string{"01632 960018"}, Starts: []string{"020"}, Ends: []string{"18"}, Extensions: []string{"21"}, Name: "zoë", Person: true,
		Withheld: &yes, Tags: []string{"urgent"}, Cases: []string{"2026-1"}, Class: "standard", Longest: time.Hour, Limit: 7}
	if l, err := c.Search(t.Context(), q); err != nil || len(l.Calls) != 1 {
		t.Errorf("Search: got %v, %v", l, err)
	}
	if d := cmp.Diff(q, v.asked); d != "" {
		t.Errorf("what the vault was asked to search, want -, got +:\n%s", d)
	}
	var copied bytes.Buffer
	if err := c.Play(t.Context(), &copied, service.Playing{Call: "7-42", Code: typed("right"), Format: service.Ogg}); err != nil || !bytes.Equal(copied.Bytes(), v.sound) {
		t.Errorf("Play: %d bytes, %v; want %d", copied.Len(), err, len(v.sound))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestErrorsArriveAsThemselves(t *testing.T) {
	v := &fakeVault{sound: []byte("some"), after: errors.New("the disk went away")}
	c, logged, _ := serve(t, v)
	for _, x := range []struct {
		p    service.Playing
		want error
	}{
		{service.Playing{Call: "7-43", Format: service.Ogg}, service.ErrNoCall},
		{service.Playing{Call: "7-42", Code: typed("left"), Format: service.Ogg}, service.ErrWrongCode},
		{service.Playing{Call: "7-42", Code: typed("right"), Format: "mp3"}, service.ErrBadQuestion},
	} {
		if err := c.Play(t.Context(), io.Discard, x.p); !errors.Is(err, x.want) {
			t.Errorf("Play %+v: got %v, want %v", x.p, err, x.want)
		}
	}
	err := c.Play(t.Context(), io.Discard, service.Playing{Call: "7-42", Code: typed("right"), Format: service.WAV})
	if err == nil || !strings.Contains(err.Error(), "the disk went away") {
		t.Errorf("a copy that broke off: got %v, want why", err)
	}
	if text := logged.String(); strings.Contains(text, "left") || strings.Contains(text, "right") {
		t.Errorf("a recovery code is in the log: %s", text)
	}
}

func TestAnUnknownCriterionIsRefusedNotIgnored(t *testing.T) {
	c, _, _ := serve(t, &fakeVault{})
	var list service.List
	if err := c.ask(t.Context(), "GET", pathCalls+"?number=0163", nil, &list); !errors.Is(err, service.ErrBadQuestion) {
		t.Errorf("a criterion that does not exist: got %v, want ErrBadQuestion", err)
	}
	if err := c.ask(t.Context(), "POST", pathSearch, []byte(`{"Numbr":["0163"]}`), &list); !errors.Is(err, service.ErrBadQuestion) {
		t.Errorf("a search by what does not exist: got %v, want ErrBadQuestion", err)
	}
}

func TestASecondServerLeavesTheFirstItsSocket(t *testing.T) {
	c, _, path := serve(t, &fakeVault{})
	second := NewServer(path, service.New(nil, &fakeVault{}), slog.New(slog.DiscardHandler))
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another process answers there") {
		t.Errorf("a second server: got %v", err)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("the first one, afterwards: %v", err)
	}
}

func TestASocketLeftByAKilledProcessIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := NewClient(path)
	defer c.Close()
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("nobody there: got %v, want ErrNoDaemon", err)
	}
	s := NewServer(path, service.New(func(context.Context) api.Status { return api.Status{} }, &fakeVault{}), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	wait(t, func() bool { _, err := c.Status(t.Context()); return err == nil })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAnOrderAboutPeopleArrivesWithItsSecrets(t *testing.T) {
	client, logged, _ := serve(t, &fakeVault{})
	order := service.PeopleOrder{Do: "reset", As: "Ann", Password: typed("open sesame"), Factor: typed("00ff"), Name: "Bob"}
	if done, err := client.People(t.Context(), order); err != nil || done.Slip != "slip of Bob" {
		t.Errorf("People: got %+v, %v", done, err)
	}
	order.Password = typed("a wrong one")
	if _, err := client.People(t.Context(), order); !errors.Is(err, service.ErrSignIn) || strings.Contains(err.Error(), "wrong one") {
		t.Errorf("a wrong password: %v", err)
	}
	order.Do = "dance"
	if _, err := client.People(t.Context(), order); !errors.Is(err, service.ErrBadQuestion) {
		t.Errorf("an order there is not: %v", err)
	}
	if strings.Contains(logged.String(), "sesame") {
		t.Error("the log has a password")
	}
}

func (f *fakeVault) Audit(context.Context, service.AuditQuestion) (service.AuditAnswer, error) {
	return service.AuditAnswer{Size: 7}, nil
}

func (f *fakeVault) Denied(context.Context, service.Caller, service.Act) error { return nil }
