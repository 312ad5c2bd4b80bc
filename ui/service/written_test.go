package service

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/ui/api"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/vaulttest"
)

// asking are all acts, each asked in every way that needs nobody to sign in.
func asking(s *Service) map[Act][]func(context.Context, Caller) error {
	type ask = func(context.Context, Caller) error
	find := Query{Numbers: []string{"01632 960018"}, Name: "zoe smith"}
	retention := func(do string) ask {
		return func(ctx context.Context, c Caller) error {
			_, err := s.Retention(ctx, c, RetentionOrder{Do: do, Calls: []string{"7-42"}, Hold: "7-42", Reason: "for the test", Token: "none"})
			return err
		}
	}
	scrub := func(do string) ask {
		return func(ctx context.Context, c Caller) error { _, err := s.Scrub(ctx, c, Scrubbing{Do: do}); return err }
	}
	log := func(do string) ask {
		return func(ctx context.Context, c Caller) error {
			_, err := s.Audit(ctx, c, AuditQuestion{Do: do})
			return err
		}
	}
	return map[Act][]ask{
		ActStatus: {func(ctx context.Context, c Caller) error { _, err := s.Status(ctx, c); return err }},
		ActLines:  {func(ctx context.Context, c Caller) error { _, err := s.Lines(ctx, c); return err }},
		ActPress:  {func(ctx context.Context, c Caller) error { return s.Press(ctx, c) }},
		ActCalls: {func(ctx context.Context, c Caller) error {
			_, err := s.Calls(ctx, c, Query{Line: "line 1"})
			return err
		}},
		ActSearch: {func(ctx context.Context, c Caller) error { _, err := s.Search(ctx, c, find); return err }},
		ActCheck:  {func(ctx context.Context, c Caller) error { _, err := s.Check(ctx, c); return err }},
		ActScrub:  {scrub(ScrubNow)},
		ActPlay: {func(ctx context.Context, c Caller) error {
			return s.Play(ctx, c, io.Discard, Playing{Call: "7-42", Format: Ogg, Code: typed("no code")})
		}},
		ActKeys: {func(ctx context.Context, c Caller) error { _, err := s.Keys(ctx, c); return err }},
		ActErase: {func(ctx context.Context, c Caller) error {
			_, err := s.Erase(ctx, c, Erasure{Calls: []string{"7-42"}})
			return err
		}},
		ActRetention: {retention("list"), retention("set"), retention("end"), retention("consent"), retention("trust-clock")},
		ActPeople: {func(ctx context.Context, c Caller) error {
			_, err := s.People(ctx, c, PeopleOrder{Do: "list"})
			return err
		}},
		ActAudit: {log("verify"), log("list"), log("checkpoint"), log("prove")},
	}
}

// newest is the newest entry of the log, with its details.
func newest(t *testing.T, log *audit.Log, from uint64) (first audit.Stored, d audit.Details) {
	t.Helper()
	got := false
	err := log.Walk(t.Context(), from, func(s audit.Stored, err error) error {
		if err != nil || got {
			return err
		}
		first, got = s, true
		d, err = log.Details(s)
		return err
	})
	if err != nil || !got {
		t.Fatalf("the entry at %d: %v, %v", from, got, err)
	}
	return first, d
}

// TestP17_EveryActIsWrittenBeforeItIsDone goes over all acts on a real vault: each leaves an entry, is refused in writing to whoever
// may not do it, and is not done once the log takes no more. What leaves none stands in a list, with the reason.
func TestP17_EveryActIsWrittenBeforeItIsDone(t *testing.T) {
	v := vaulttest.NewCommissioned(t, "", tpmtest.Start(t).Open(t))
	v.Open()
	defer func() {
		if err := v.Close(context.Background()); !errors.Is(err, audit.ErrNotWritten) {
			t.Errorf("Close without a log: %v", err)
		}
	}()
	log := v.Audit()
	s := New(func(context.Context) api.Status { return api.Status{} }, Of(v.Vault, nil)).WithButton(func() {})
	all := asking(s)
	for _, act := range Acts() {
		for i, ask := range all[act] {
			before := log.Size()
			err := ask(t.Context(), Machine)
			if wrote := log.Size() > before; wrote == (unwritten()[act] != "") {
				t.Errorf("%s, asked in way %d: an entry was written: %v (%v)", act, i, wrote, err)
			}
			if unwritten()[act] != "" {
				continue
			}
			before = log.Size()
			if err := ask(t.Context(), Visitor); !errors.Is(err, ErrNotAllowed) {
				t.Errorf("%s by a visitor: %v", act, err)
			}
			e, d := newest(t, log, before)
			if e.Action != entry.Denied || e.Outcome != entry.Refused || e.Actor.Kind != entry.Visitor || len(d) != 1 || d[0].Value != string(act) {
				t.Errorf("%s refused to a visitor: the log says %s %s by %s: %v", act, e.Action, e.Outcome, e.Actor, d)
			}
		}
		if len(all[act]) == 0 && unwritten()[act] == "" {
			t.Errorf("%s is not tried here, and stands in no list of acts that need no entry", act)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for _, act := range Acts() {
		for i, ask := range all[act] {
			if err := ask(t.Context(), Machine); errors.Is(err, audit.ErrNotWritten) == (unwritten()[act] != "") {
				t.Errorf("%s, asked in way %d of a box whose log takes nothing: %v", act, i, err)
			}
		}
	}
}

// TestP17_TermsOfASearchStandUnderSealAlone looks for them in everything of the log that is not sealed.
func TestP17_TermsOfASearchStandUnderSealAlone(t *testing.T) {
	v := vaulttest.NewCommissioned(t, "", tpmtest.Start(t).Open(t))
	v.Start()
	log := v.Audit()
	s := New(nil, Of(v.Vault, nil))
	for do, ask := range map[string]func(Query) (List, error){
		"calls":  func(q Query) (List, error) { return s.Calls(t.Context(), Machine, q) },
		"search": func(q Query) (List, error) { return s.Search(t.Context(), Machine, q) },
	} {
		before := log.Size()
		q := Query{Line: "zoe's line", Numbers: []string{"01632 960018"}, Name: "zoe smith", From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
		if _, err := ask(q); err != nil {
			t.Fatalf("%s: %v", do, err)
		}
		e, d := newest(t, log, before)
		if e.Action != entry.Search || len(d) != 1 || !strings.Contains(d[0].Value, "zoe's line") || !strings.Contains(d[0].Value, "2026-03-01") {
			t.Errorf("%s: the log says %s, %v", do, e.Action, d)
		}
		if do == "search" && (!strings.Contains(d[0].Value, "01632 960018") || !strings.Contains(d[0].Value, "zoe smith")) {
			t.Errorf("search: terms are missing: %v", d)
		}
		for _, term := range []string{"zoe", "01632", "960018", "smith"} {
			if strings.Contains(string(e.Core), term) || strings.Contains(string(e.Sealed), term) {
				t.Errorf("%s: %q stands in the log in clear", do, term)
			}
		}
	}
}
