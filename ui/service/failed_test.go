package service

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/custody"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// trying is a handed-over vault, with a call in it, that acts are tried on.
type trying struct {
	v    *vaulttest.Vault
	s    *Service
	t    *testing.T
	call string
	chip *silent
}

// silent is a chip that stops certifying when it is told to.
type silent struct {
	tpm.Chip
	yes atomic.Bool
}

func (s *silent) Certify(ctx context.Context, qualifying [32]byte) (tpm.Certificate, error) {
	if s.yes.Load() {
		return tpm.Certificate{}, tpm.ErrUnavailable
	}
	return s.Chip.Certify(ctx, qualifying)
}

func try(t *testing.T) *trying {
	y := &trying{t: t, chip: &silent{Chip: tpmtest.Start(t).Open(t)}}
	y.v = vaulttest.NewOn(t, "", y.chip)
	y.v.Start()
	y.s = New(nil, Of(y.v.Vault, nil))
	y.v.Record(talk.New(1, time.Now().Add(-time.Hour).UTC()), 4)
	list, err := y.s.Calls(t.Context(), Machine, Query{})
	if err != nil || len(list.Calls) != 1 {
		t.Fatalf("Calls: %v, %v", list, err)
	}
	y.call = list.Calls[0].ID
	return y
}

func (y *trying) retention(o RetentionOrder) error {
	o.As, o.Password, o.Code = y.v.Ann.Name, y.v.Ann.Password(y.t), y.v.Ann.Code(y.t)
	if o.Reason == "" {
		o.Reason = "for the test"
	}
	_, err := y.s.Retention(y.t.Context(), Machine, o)
	return err
}

func (y *trying) erase(call string) error {
	_, err := y.s.Erase(y.t.Context(), Machine, Erasure{Calls: []string{call}, As: y.v.Ann.Name, Password: y.v.Ann.Password(y.t), Code: y.v.Ann.Code(y.t)})
	return err
}

// without does something while a folder of the vault is not to be had.
func (y *trying) without(folder string, do func() error) error {
	dir := filepath.Join(y.v.Config.Dir, folder)
	if err := os.Rename(dir, dir+".away"); err != nil {
		y.t.Fatal(err)
	}
	err := do()
	if err := errors.Join(os.RemoveAll(dir), os.Rename(dir+".away", dir)); err != nil {
		y.t.Fatal(err)
	}
	return err
}

// begun is a context that is over as soon as the log has so many entries: whoever asked goes away in the middle of what they asked for.
type begun struct {
	context.Context
	log  *audit.Log
	size uint64
}

func (b begun) Err() error {
	if b.log.Size() >= b.size {
		return context.Canceled
	}
	return b.Context.Err()
}

func (y *trying) begun(entries uint64) context.Context {
	return begun{y.t.Context(), y.v.Audit(), y.v.Audit().Size() + entries}
}

// failure is an act that cannot be done, and what the log is to say of it.
type failure struct {
	name  string
	act   Act
	ask   func() error
	what  entry.Action
	ends  entry.Outcome
	never bool // it was refused before it was about to be done: there is only the one entry
}

func (y *trying) failing() []failure {
	log := func(ctx context.Context, q AuditQuestion) error { _, err := y.s.Audit(ctx, Machine, q); return err }
	ctx := y.t.Context()
	return []failure{
		{"a list of whoever went away", ActCalls, func() error { _, err := y.s.Calls(y.begun(1), Machine, Query{}); return err }, entry.Search, entry.Failed, false},
		{"a search of whoever went away", ActSearch, func() error { _, err := y.s.Search(y.begun(1), Machine, Query{Name: "zoe"}); return err }, entry.Search, entry.Failed, false},
		{"a check of whoever went away", ActCheck, func() error { _, err := y.s.Check(y.begun(1), Machine); return err }, entry.Check, entry.Failed, false},
		{"a deep scrub of whoever went away", ActScrub, func() error {
			_, err := y.s.Scrub(y.begun(2), Machine, Scrubbing{Do: ScrubDeep, As: y.v.Ann.Name, Password: y.v.Ann.Password(y.t), Code: y.v.Ann.Code(y.t)})
			return err
		}, entry.Check, entry.Failed, false},
		{"playing a call that is not there", ActPlay, func() error {
			return y.s.Play(ctx, Machine, io.Discard, Playing{Call: "7-42", Format: Ogg, Code: typed(y.v.Code.Reveal())})
		}, entry.BreakIn, entry.Refused, false},
		{"playing with another box's code", ActPlay, func() error {
			return y.s.Play(ctx, Machine, io.Discard, Playing{Call: y.call, Format: Ogg, Code: typed(custody.NewCode().Reveal())})
		}, entry.BreakIn, entry.Refused, false},
		{"erasing a call that is not there", ActErase, func() error { return y.erase("7-42") }, entry.EraseOrder, entry.Refused, false},
		{"erasing with no room for the order", ActErase, func() error { return y.without("erasures", func() error { return y.erase(y.call) }) }, entry.EraseOrder, entry.Failed, false},
		{"a hold on a call that is not there", ActRetention, func() error { return y.retention(RetentionOrder{Do: "set", Calls: []string{"7-42"}}) }, entry.HoldSet, entry.Refused, true},
		{"a hold with no room for it", ActRetention, func() error {
			return y.without("retention", func() error { return y.retention(RetentionOrder{Do: "set", Calls: []string{y.call}}) })
		}, entry.HoldSet, entry.Failed, false},
		{"a restriction with no room for it", ActRetention, func() error {
			return y.without("retention", func() error { return y.retention(RetentionOrder{Do: "set", Calls: []string{y.call}, Restrict: true}) })
		}, entry.Restrict, entry.Failed, false},
		{"ending a hold that is none", ActRetention, func() error { return y.retention(RetentionOrder{Do: "end", Hold: "7-42"}) }, entry.HoldEnd, entry.Refused, true},
		{"consent to what nobody asked for", ActRetention, func() error { return y.retention(RetentionOrder{Do: "consent", Token: "x"}) }, entry.Consent, entry.Refused, true},
		{"vouching for a clock that is right", ActRetention, func() error { return y.retention(RetentionOrder{Do: "trust-clock"}) }, entry.SettingChange, entry.Refused, true},
		{"entering somebody without signing in", ActPeople, func() error {
			_, err := y.s.People(ctx, Machine, PeopleOrder{Do: "add", Name: "Zoe", Role: "staff"})
			return err
		}, entry.PersonAdd, entry.Refused, false},
		{"verifying against what is no checkpoint", ActAudit, func() error { return log(ctx, AuditQuestion{Do: "verify", Earlier: "x"}) }, entry.LogRead, entry.Failed, false},
		{"verifying of whoever went away", ActAudit, func() error { return log(y.begun(1), AuditQuestion{Do: "verify"}) }, entry.LogRead, entry.Failed, false},
		{"proving an entry that is not there", ActAudit, func() error { return log(ctx, AuditQuestion{Do: "prove", Entry: 1e9}) }, entry.LogRead, entry.Refused, false},
		{"a checkpoint of a chip that says nothing", ActAudit, func() error {
			y.chip.yes.Store(true)
			defer y.chip.yes.Store(false)
			return log(ctx, AuditQuestion{Do: "checkpoint"})
		}, entry.Checkpoint, entry.Failed, false},
	}
}

// since are the entries from one on, without those of signing in and out.
func (y *trying) since(from uint64) (all []audit.Stored) {
	y.t.Helper()
	err := y.v.Audit().Walk(y.t.Context(), from, func(s audit.Stored, err error) error {
		if s.Action != entry.SignIn && s.Action != entry.SignOut {
			all = append(all, s)
		}
		return err
	})
	if err != nil {
		y.t.Fatal(err)
	}
	return all
}

// TestP17_AnActThatFailsIsSaidToHaveFailed goes over all acts on a real vault, has each fail or be refused after it was begun, and
// looks for the second entry that says so.
func TestP17_AnActThatFailsIsSaidToHaveFailed(t *testing.T) {
	y := try(t)
	tried := map[Act]bool{ActKeys: true} // reads what is in memory: it cannot fail once it is written down
	for _, c := range y.failing() {
		tried[c.act] = true
		before := y.v.Audit().Size()
		if err := c.ask(); err == nil {
			t.Errorf("%s: it was done", c.name)
			continue
		}
		all := y.since(before)
		if c.never && len(all) == 1 {
			all = append([]audit.Stored{all[0]}, all...)
			all[0].Outcome, all[0].Seq = entry.Begun, ^uint64(0) // its Of is 0: it never began
		}
		if len(all) != 2 || all[0].Action != c.what || all[0].Outcome != entry.Begun || all[1].Action != c.what || all[1].Outcome != c.ends ||
			all[1].Of != all[0].Seq+1 || all[1].Actor != all[0].Actor {
			t.Errorf("%s: the log says %v", c.name, told(all))
			continue
		}
		if d, err := y.v.Audit().Details(all[1]); err != nil || d.Of("why") == "" {
			t.Errorf("%s: the log does not say why: %v, %v", c.name, d, err)
		}
	}
	for _, act := range Acts() {
		if !tried[act] && unwritten()[act] == "" {
			t.Errorf("%s is not tried here", act)
		}
	}
}

func told(all []audit.Stored) (lines []string) {
	for _, s := range all {
		lines = append(lines, s.Actor.String()+" "+s.Action.String()+" "+s.Outcome.String())
	}
	return lines
}

// TestP17_AnActOfRetentionIsOneEntryOfWhoeverOrderedIt: not one of theirs and another of the box.
func TestP17_AnActOfRetentionIsOneEntryOfWhoeverOrderedIt(t *testing.T) {
	y := try(t)
	session := y.v.SignIn(y.v.Ann)
	ann := entry.Somebody(session.Person).String()
	session.End()
	for _, c := range []struct {
		name string
		do   RetentionOrder
		want []string
	}{
		{"a hold", RetentionOrder{Do: "set", Calls: []string{y.call}}, []string{ann + " hold.set begun"}},
		{"its end", RetentionOrder{Do: "end"}, []string{ann + " hold.end begun"}},
		{"a restriction", RetentionOrder{Do: "set", Calls: []string{y.call}, Restrict: true}, []string{ann + " restriction.set begun"}},
		{"its end", RetentionOrder{Do: "end"}, []string{ann + " restriction.end begun"}},
		{"a consent", RetentionOrder{Do: "consent"}, []string{ann + " retention.consent refused"}},
	} {
		for _, h := range y.v.Retention().Holds() {
			c.do.Hold = h.ID.String()
		}
		before := y.v.Audit().Size()
		if err := y.retention(c.do); err != nil && c.do.Do != "consent" {
			t.Fatalf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, told(y.since(before))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
