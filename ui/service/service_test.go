package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/ui/api"
	"linekeep/vault/audit/entry"
	"linekeep/vault/check"
	"linekeep/vault/custody"
	"linekeep/vault/scrub"
	"linekeep/vault/secret"
)

// typed is what a person typed.
func typed(text string) secret.Password {
	p, err := secret.PasswordFrom([]byte(text))
	if err != nil {
		panic(err)
	}
	return p
}

type always struct{}

func (always) PressedWithin(time.Duration) bool { return true }

type fakeVault struct {
	limit int
	hold  chan struct{}
	// denied are the refusals that were written down.
	denied []string
	why    []string // of those of a locked vault
}

func (f *fakeVault) Find(_ context.Context, q Query) (List, error) {
	f.limit = q.Limit
	return List{}, nil
}

func (f *fakeVault) Play(ctx context.Context, w io.Writer, _ Playing) error {
	if f.hold != nil {
		<-f.hold
	}
	_, err := io.WriteString(w, "sound")
	return err
}

func (f *fakeVault) Scrub(_ context.Context, o Scrubbing) (Scrubbed, error) {
	return Scrubbed{Status: scrub.Status{Month: o.Do}}, nil
}

func (f *fakeVault) Keys(context.Context) (Keys, error) { return Keys{Epoch: 5}, nil }

func (f *fakeVault) People(_ context.Context, o PeopleOrder) (PeopleDone, error) {
	return PeopleDone{Slip: o.Name}, nil
}

func (f *fakeVault) Retention(context.Context, RetentionOrder) (Retention, error) {
	return Retention{}, nil
}

func (f *fakeVault) Erase(_ context.Context, e Erasure) (Erased, error) {
	return Erased{Calls: e.Calls}, nil
}

func (f *fakeVault) Check(context.Context) (check.Report, error) { return check.Report{}, nil }

func TestP04_EveryActStandsInTheTable(t *testing.T) {
	v := &fakeVault{}
	s := New(func(context.Context) api.Status { return api.Status{} }, v)
	try := map[Act]func(Caller) error{
		ActStatus: func(c Caller) error { _, err := s.Status(t.Context(), c); return err },
		ActLines:  func(c Caller) error { _, err := s.Lines(t.Context(), c); return err },
		ActCalls:  func(c Caller) error { _, err := s.Calls(t.Context(), c, Query{}); return err },
		ActSearch: func(c Caller) error { _, err := s.Search(t.Context(), c, Query{}); return err },
		ActAudit:  func(c Caller) error { _, err := s.Audit(t.Context(), c, AuditQuestion{Do: "verify"}); return err },
		ActKeys:   func(c Caller) error { _, err := s.Keys(t.Context(), c); return err },
		ActPeople: func(c Caller) error {
			_, err := s.People(t.Context(), c, PeopleOrder{Do: "list"})
			return err
		},
		ActRetention: func(c Caller) error {
			_, err := s.Retention(t.Context(), c, RetentionOrder{Do: "list"})
			return err
		},
		ActErase: func(c Caller) error {
			_, err := s.Erase(t.Context(), c, Erasure{Calls: []string{"7-42"}})
			return err
		},
		ActCheck: func(c Caller) error { _, err := s.Check(t.Context(), c); return err },
		ActScrub: func(c Caller) error { _, err := s.Scrub(t.Context(), c, Scrubbing{Do: ScrubDeep}); return err },
		ActPlay: func(c Caller) error {
			return s.Play(t.Context(), c, io.Discard, Playing{Format: Ogg})
		},
		ActRecover: func(c Caller) error {
			return NewRescue(always{}, func(context.Context, custody.Code) error { return nil }, time.Now, v).Recover(t.Context(), c, typed(custody.NewCode().Reveal()))
		},
		ActPress: func(c Caller) error { return s.WithButton(func() {}).Press(t.Context(), c) },
	}
	for _, act := range Acts() {
		if len(callers(act)) == 0 {
			t.Errorf("%s is nobody's", act)
		}
		if try[act] == nil {
			t.Fatalf("%s is not tried here", act)
		}
	}
	for _, c := range []struct {
		act  Act
		who  Caller
		want bool
	}{
		{ActStatus, Visitor, true}, {ActStatus, Machine, true}, {ActStatus, "", false},
		{ActLines, Visitor, true}, {ActLines, Machine, true}, {ActLines, "installer", false},
		{ActRecover, Visitor, true}, {ActRecover, Machine, true}, {ActRecover, "installer", false},
		{ActPress, Machine, true}, {ActPress, Visitor, false},
		{ActCalls, Visitor, false}, {ActCalls, Machine, true},
		{ActSearch, Visitor, false}, {ActSearch, Machine, true}, {ActSearch, "staff", false},
		{ActCheck, Visitor, false}, {ActCheck, Machine, true},
		{ActScrub, Visitor, false}, {ActScrub, Machine, true}, {ActScrub, "", false},
		{ActKeys, Visitor, false}, {ActKeys, Machine, true},
		{ActPeople, Visitor, false}, {ActPeople, Machine, true}, {ActPeople, "", false},
		{ActRetention, Visitor, false}, {ActRetention, Machine, true}, {ActRetention, "", false},
		{ActErase, Visitor, false}, {ActErase, Machine, true}, {ActErase, "", false},
		{ActPlay, Visitor, false}, {ActPlay, Machine, true}, {ActPlay, "", false},
	} {
		v.denied = nil
		err := try[c.act](c.who)
		if got := !errors.Is(err, ErrNotAllowed); got != c.want {
			t.Errorf("%s by %q: allowed %v, want %v", c.act, c.who, got, c.want)
		}
		caller := string(c.who)
		if c.act == ActRecover && c.who != Machine {
			caller = string(Visitor) // whoever the table does not know
		}
		if wrote := slices.Contains(v.denied, caller+" "+string(c.act)); wrote == c.want {
			t.Errorf("%s by %q: a refusal in the audit log: %v", c.act, c.who, wrote)
		}
	}
}

func TestAListIsNeverWithoutEnd(t *testing.T) {
	v := &fakeVault{}
	s := New(nil, v)
	for _, limit := range []int{0, -1, 1 << 30} {
		if _, err := s.Calls(t.Context(), Machine, Query{Limit: limit}); err != nil {
			t.Fatalf("Calls: %v", err)
		}
		if v.limit != maxCalls {
			t.Errorf("limit %d: the vault was asked for %d rows, want %d", limit, v.limit, maxCalls)
		}
	}
}

func TestOneCopyAtATimeAndTheNextCanGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &fakeVault{hold: make(chan struct{})}
		s := New(nil, v)
		var first bytes.Buffer
		done := make(chan error, 1)
		go func() { done <- s.Play(t.Context(), Machine, &first, Playing{Format: WAV}) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error, 1)
		go func() { second <- s.Play(ctx, Machine, io.Discard, Playing{Format: WAV}) }()
		synctest.Wait()
		cancel()
		if err := <-second; !errors.Is(err, context.Canceled) {
			t.Errorf("the second copy: got %v, want that it gave up", err)
		}
		close(v.hold)
		if err := <-done; err != nil || first.String() != "sound" {
			t.Errorf("the first copy: got %q, %v", first.String(), err)
		}
	})
}

func TestAnUnknownFormatIsABadQuestion(t *testing.T) {
	err := New(nil, &fakeVault{}).Play(t.Context(), Machine, io.Discard, Playing{Format: "mp3"})
	if !errors.Is(err, ErrBadQuestion) {
		t.Errorf("Play as mp3: got %v, want ErrBadQuestion", err)
	}
}

func (f *fakeVault) Audit(context.Context, AuditQuestion) (AuditAnswer, error) {
	return AuditAnswer{Size: 7}, nil
}

func (f *fakeVault) Denied(_ context.Context, who Caller, a Act) error {
	f.denied = append(f.denied, string(who)+" "+string(a))
	return nil
}

// Refused is what a box with a locked vault keeps for its log.
func (f *fakeVault) Refused(_ context.Context, who entry.Kind, act, why string) {
	caller := map[entry.Kind]string{entry.Visitor: "visitor", entry.Machine: "machine"}[who]
	f.denied = append(f.denied, caller+" "+act)
	f.why = append(f.why, why)
}
