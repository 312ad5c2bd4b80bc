package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/custody/book"
	people "linekeep/vault/custody/office"
	"linekeep/vault/keys"
	"linekeep/vault/store"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// only is the one recording there is.
func only(t *testing.T, v *vaulttest.Vault) keys.ID {
	t.Helper()
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d recordings, %v", len(rows), err)
	}
	return rows[0].ID
}

func TestTheControllersSessionHearsAndNobodyElse(t *testing.T) {
	v := vaulttest.New(t, "")
	v.Record(talk.New(1, time.Now()), 4)
	id := only(t, v)
	s := v.SignIn(v.Ann)
	r, err := v.Hear(t.Context(), id, s)
	if err != nil {
		t.Fatalf("Hear: %v", err)
	}
	r.Close()
	s.End()
	if _, err := v.Hear(t.Context(), id, s); !errors.Is(err, people.ErrEnded) {
		t.Errorf("after sign-out: %v", err)
	}
	if _, err := v.HearTest(t.Context(), id); !errors.Is(err, people.ErrHandedOver) {
		t.Errorf("the box by itself: %v", err)
	}
	if st := v.Status().People; st.Commissioning || st.Holders != 1 || st.Number != 2 || st.Fingerprint != v.Status().Custody {
		t.Errorf("status %+v", st)
	}
}

// refusedWhileACallIsUp enters Ann and finds that nothing is handed over to her in mid-call.
func refusedWhileACallIsUp(t *testing.T, v *vaulttest.Vault) *vaulttest.Human {
	t.Helper()
	up := talk.New(2, time.Now())
	v.Say(up.Groups(2, true, false)...)
	office, err := v.People()
	if err != nil {
		t.Fatal(err)
	}
	ann := vaulttest.NewHuman("Ann Controller")
	if _, _, err := office.Add(t.Context(), nil, people.NewPerson{Name: ann.Name, Roles: book.Controller, Boss: "a@b.c"}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Vault.HandOver(t.Context(), ann.Claim(t, time.Now(), "")); !errors.Is(err, store.ErrBusy) {
		t.Errorf("while a call is up: %v", err)
	}
	if st := v.Status().People; !st.Commissioning {
		t.Errorf("status %+v", st)
	}
	v.Say(up.Groups(1, false, true)...)
	v.Settle()
	return ann
}

// TestAHandOverErasesTheTestCallsWithTheirKey also puts the disk from before it back.
func TestAHandOverErasesTheTestCallsWithTheirKey(t *testing.T) {
	chip := tpmtest.NewMemory()
	v := vaulttest.NewCommissioned(t, "", chip)
	v.Start()
	test := talk.New(1, time.Now())
	v.Record(test, 4)
	id := only(t, v)
	if r, err := v.HearTest(t.Context(), id); err != nil {
		t.Fatalf("a test call before hand-over: %v", err)
	} else {
		r.Close()
	}
	if _, err := v.Vault.SignIn(t.Context(), people.Attempt{Name: "Ann"}); !errors.Is(err, vault.ErrNotHandedOver) {
		t.Errorf("sign-in before hand-over: %v", err)
	}
	ann := refusedWhileACallIsUp(t, v)
	before := filepath.Join(t.TempDir(), "before")
	v.Stop()
	if err := os.CopyFS(before, os.DirFS(v.Config.Dir)); err != nil {
		t.Fatal(err)
	}
	v.Start()
	done, err := v.Vault.HandOver(t.Context(), ann.Claim(t, time.Now(), ""))
	if err != nil {
		t.Fatalf("HandOver: %v", err)
	}
	v.Code, v.Ann = done.Code, ann
	if rows, err := v.Find(t.Context(), catalog.Query{}); err != nil || len(rows) != 0 {
		t.Errorf("%d test calls are left, %v", len(rows), err)
	}
	if _, err := v.Hear(t.Context(), id, v.SignIn(ann)); !errors.Is(err, vault.ErrNotThere) {
		t.Errorf("a test call after hand-over: %v", err)
	}
	real := talk.New(3, time.Now())
	v.Record(real, 4)
	v.Plays(only(t, v), real)
	if report, err := v.Check(t.Context()); err != nil || len(report.Findings) != 0 {
		t.Errorf("check: %+v, %v", report.Findings, err)
	}
	v.Stop()
	v.Start()
	v.Plays(only(t, v), real)
	old := v.Elsewhere(t, before)
	if _, err := vault.Open(t.Context(), old.Config, chip, old.Log); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("the disk from before the hand-over: %v", err)
	}
}

func TestAGrantIsMadeWhenTheControllerSignsIn(t *testing.T) {
	v := vaulttest.New(t, "")
	v.Record(talk.New(1, time.Now()), 4)
	id := only(t, v)
	office, err := v.People()
	if err != nil {
		t.Fatal(err)
	}
	ann := v.SignIn(v.Ann)
	stan := vaulttest.NewHuman("Stan Staff")
	who, slip, err := office.Add(t.Context(), ann, people.NewPerson{Name: stan.Name, Roles: book.Staff, Boss: "a@b.c"})
	if err == nil {
		err = office.Claim(t.Context(), stan.Claim(t, time.Now(), slip.Reveal()))
	}
	if err != nil {
		t.Fatal(err)
	}
	ask := people.Ask{Holder: who, Acts: book.Hear, Until: time.Now().Add(time.Hour), Recordings: []keys.ID{id}}
	signature, err := ann.Sign(t.Context(), v.Ann.Password(t), v.Ann.Code(t), office.Digest(ask))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := office.Grant(t.Context(), ask, ann.Person, signature); err != nil {
		t.Fatal(err)
	}
	ann.End()
	stans := v.SignIn(stan)
	if _, err := v.Hear(t.Context(), id, stans); !errors.Is(err, people.ErrNoGrant) {
		t.Errorf("before the Controller came: %v", err)
	}
	v.SignIn(v.Ann)
	r, err := v.Hear(t.Context(), id, stans)
	if err != nil {
		t.Fatalf("after it: %v", err)
	}
	r.Close()
}

func TestAVaultWhosePeopleCannotBeReadRecords(t *testing.T) {
	v := vaulttest.New(t, "")
	v.Stop()
	for _, path := range []string{"custody/office", "custody/copy/office"} {
		if err := os.WriteFile(filepath.Join(v.Config.Dir, path), []byte("no book"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v.Start()
	v.Record(talk.New(1, time.Now()), 4)
	if _, err := v.Vault.SignIn(t.Context(), v.Ann.Attempt(t)); !errors.Is(err, vault.ErrNoPeople) {
		t.Errorf("SignIn: %v", err)
	}
	if f := v.Status().Findings; len(f) == 0 || !errors.Is(f[0], vault.ErrNoPeople) {
		t.Errorf("findings %v", f)
	}
	if _, err := v.Play(context.Background(), only(t, v), v.Code); !errors.Is(err, vault.ErrNoPeople) {
		t.Errorf("Play: %v", err)
	}
}

// TestANewRecoveryCodeBringsAllCallsUnderTheNewKey also stops in mid-way, and has a Controller who goes home.
func TestANewRecoveryCodeBringsAllCallsUnderTheNewKey(t *testing.T) {
	v := vaulttest.New(t, "")
	var calls []*talk.Talk
	for n := range 3 {
		calls = append(calls, talk.New(segment.Call(n+1), time.Now().Add(time.Duration(n)*time.Minute)))
		v.Record(calls[n], 4)
	}
	office, err := v.People()
	if err != nil {
		t.Fatal(err)
	}
	s := v.SignIn(v.Ann)
	old := v.Code
	if v.Code, err = office.NewRecoveryCode(t.Context(), s, v.Ann.Password(t), v.Ann.Code(t)); err != nil {
		t.Fatal(err)
	}
	s.End() // nobody is there who could wrap anything anew
	after := talk.New(4, time.Now().Add(time.Hour))
	v.Record(after, 4)
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 4 {
		t.Fatal(rows, err)
	}
	plays := func() {
		t.Helper()
		for i, k := range append(calls[:3:3], after) {
			v.Plays(rows[len(rows)-1-i].ID, k)
		}
	}
	plays()
	if _, err := v.Play(t.Context(), rows[0].ID, old); !errors.Is(err, vault.ErrWrongCode) {
		t.Errorf("the old code: %v", err)
	}
	v.Stop()
	v.Start()
	vaulttest.Eventually(t, time.Minute, "the calls to wrap anew are counted", func() bool { return v.Status().Rewrap.Left == 3 })
	v.SignIn(v.Ann)
	vaulttest.Eventually(t, time.Minute, "nothing is under the earlier key", func() bool { return len(v.Status().People.Retired) == 0 })
	if st := v.Status().Rewrap; st.Left != 0 || st.Done != 3 || st.Error != "" {
		t.Errorf("%+v", st)
	}
	plays()
	if report, err := v.Check(t.Context()); err != nil || len(report.Findings) != 0 {
		t.Errorf("check: %+v, %v", report.Findings, err)
	}
	v.Stop()
	v.Start()
	plays()
}
