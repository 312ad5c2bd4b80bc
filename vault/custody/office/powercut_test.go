package office

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"linekeep/vault/custody"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/custodytest"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

// later is an office on a copy of everything, as another process would have it.
type later struct {
	*Office
	dir, ring string
	keys      *custodytest.Keys
}

// copied copies the rig's disk; what is done with the copy goes to disk.
func (r *rig) copied(t *testing.T, ringDir string, disk *custodytest.Disk) later {
	t.Helper()
	l := later{dir: filepath.Join(t.TempDir(), "custody"), ring: filepath.Join(t.TempDir(), "keys"), keys: r.keys.Copy()}
	if err := errors.Join(os.CopyFS(l.dir, os.DirFS(r.cfg.Dir)), os.CopyFS(l.ring, os.DirFS(ringDir))); err != nil {
		t.Fatal(err)
	}
	l.keys.Disk = disk
	l.Office = r.openOn(t, l, disk)
	return l
}

// openOn opens an office there; a nil disk is a sound one.
func (r *rig) openOn(t *testing.T, l later, disk *custodytest.Disk) *Office {
	t.Helper()
	cfg := r.cfg
	cfg.Dir, cfg.Keys, cfg.Commit = l.dir, l.keys, l.keys.Erase
	if disk == nil {
		disk = custodytest.NewDisk(1<<30, custodytest.Before)
	}
	cfg.Files = disk
	var err error
	if cfg.Ring, err = custody.LoadOn(disk, l.ring, r.keys.VaultID(), r.keys.Outer(custody.Outer)); err != nil {
		t.Fatal(err)
	}
	o, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return o
}

// same copies a private key, so that a test can go on with it.
func same(t *testing.T, p envelope.Private) envelope.Private {
	t.Helper()
	key, err := keys.KeyFrom(p.Secret().Bytes()[:])
	if err != nil {
		t.Fatal(err)
	}
	q, err := envelope.PrivateFrom(key)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// eachCut does a change with the power going at each of its steps, opens what is left, and has it judged. done says whether
// the change said that it was done.
func (r *rig) eachCut(t *testing.T, ringDir string, change func(l later) error, judge func(t *testing.T, o *Office, done bool)) {
	t.Helper()
	rehearsal := custodytest.NewDisk(1<<30, custodytest.Before)
	l := r.copied(t, ringDir, rehearsal)
	before := rehearsal.Steps
	if err := change(l); err != nil {
		t.Fatalf("the rehearsal: %v", err)
	}
	if rehearsal.Steps-before < 8 {
		t.Fatalf("a change of %d steps is not what is tested here", rehearsal.Steps-before)
	}
	for mode := range custodytest.Modes {
		for step := range rehearsal.Steps - before {
			t.Run(fmt.Sprintf("mode %d step %d", mode, step), func(t *testing.T) {
				disk := custodytest.NewDisk(1<<30, mode)
				l := r.copied(t, ringDir, disk)
				disk.Left = step
				err := change(l)
				l.keys.Disk = nil
				judge(t, r.openOn(t, l, nil), err == nil)
			})
		}
	}
}

// newRigWithRing tells where the ring is.
func newRigWithRing(t *testing.T) (r *rig, ringDir string) {
	t.Helper()
	r = newRig(t)
	ringDir = filepath.Join(t.TempDir(), "keys")
	ring := r.ring(ringDir)
	for _, p := range r.cfg.Ring.All() {
		if err := ring.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	return r, ringDir
}

func TestAPowerCutInAChangeOfPasswordLeavesTheOldOneOrTheNew(t *testing.T) {
	r, ringDir := newRigWithRing(t)
	s := r.ann.signIn()
	made, err := r.desk.Make(t.Context(), r.ann.id, book.Controller, r.ann.password())
	if err != nil {
		t.Fatal(err)
	}
	before := mustCredential(t, r, r.ann.id).Account.Bytes()
	oldSlots := r.slots(r.ann.id)
	news := 0
	r.eachCut(t, ringDir, func(l later) error {
		return l.change(t.Context(), true, func(tx *book.Tx) error { return l.move(tx, r.ann.id, s.account, made) })
	}, func(t *testing.T, o *Office, done bool) {
		now, ok := o.credential(r.ann.id)
		if !ok {
			t.Fatal("no credential at all")
		}
		key := s.account
		if now.Account.Bytes() != before {
			key = made.Private
			news++
			for _, id := range oldSlots {
				if _, err := o.cfg.Keys.Slot(id); err == nil && !o.cfg.Keys.Doomed(id) {
					t.Errorf("slot %s of the old password is not even ordered to be erased", id)
				}
			}
		} else if done {
			t.Error("it was said to be done, and is not")
		}
		back, err := o.begin(t.Context(), r.ann.id, "", same(t, key))
		if err != nil || !back.Holds() {
			t.Errorf("the account does not open the custody key: %v", err)
		}
	})
	if news < 3 {
		t.Errorf("only %d cuts came after the change", news)
	}
}

func TestAPowerCutInAChangeOfTheRecoveryCodeLeavesTheOldOneOrTheNew(t *testing.T) {
	r, ringDir := newRigWithRing(t)
	call := r.record()
	account := r.ann.signIn().account
	var fresh custody.Code
	r.eachCut(t, ringDir, func(l later) error {
		s, err := l.begin(t.Context(), r.ann.id, "", same(t, account))
		if err != nil {
			return err
		}
		fresh, err = l.switchKey(t.Context(), s)
		return err
	}, func(t *testing.T, o *Office, done bool) {
		now, err := o.Current()
		if err != nil {
			t.Fatal(err)
		}
		s, err := o.begin(t.Context(), r.ann.id, "", same(t, account))
		if err != nil || !s.Holds() {
			t.Fatalf("Ann does not hold the custody key: %v", err)
		}
		w := r.calls[call]
		if d, err := s.DataKey(w.slot, w.number, w.wrap); err != nil {
			t.Errorf("a call from before: %v", err)
		} else {
			d.Wipe()
		}
		if done {
			if _, err := o.Recover(fresh); err != nil {
				t.Errorf("the new code, which was shown: %v", err)
			}
		}
		if now.Number == 2 {
			if _, err := o.Recover(r.code); err != nil || done {
				t.Errorf("the old code: %v", err)
			}
		}
		if len(o.cfg.Ring.All()) > 2 {
			t.Errorf("%d custody keys", len(o.cfg.Ring.All()))
		}
		for _, h := range book.Entries[*book.Holding](o.book.Now()) {
			if h.Record.Number != now.Number {
				t.Errorf("a wrap of custody key %d is left, %d is in force", h.Record.Number, now.Number)
			}
		}
		if err := o.Sweep(t.Context()); err != nil { // it goes on
			t.Error(err)
		}
	})
}

func TestAPowerCutInAResetLeavesTheAccountOrNone(t *testing.T) {
	r, ringDir := newRigWithRing(t)
	ann := r.ann.signIn()
	bob := r.employ(ann, "Bob Staff", book.Staff)
	account := same(t, ann.account)
	r.eachCut(t, ringDir, func(l later) error {
		s, err := l.begin(t.Context(), r.ann.id, "", same(t, account))
		if err != nil {
			return err
		}
		_, err = l.Reset(t.Context(), s, bob.id)
		return err
	}, func(t *testing.T, o *Office, done bool) {
		_, claimed := o.credential(bob.id)
		invited := len(book.Of[*book.Invitation](o.book.Now(), bob.id)) == 1
		p, err := o.person(bob.id)
		if err != nil || claimed == invited || claimed == p.Record.TOTP.IsZero() || claimed && done {
			t.Errorf("claimed %v, invited %v, second factor %v, done %v, %v", claimed, invited, !p.Record.TOTP.IsZero(), done, err)
		}
		if f := o.Verify(); slices.ContainsFunc(f, func(err error) bool { return errors.Is(err, book.ErrRolledBack) }) {
			t.Errorf("findings %v", f)
		}
	})
}

func TestAPowerCutInAHandOverLeavesCommissioningOrAController(t *testing.T) {
	r := newRig(t)
	ringDir := filepath.Join(t.TempDir(), "keys")
	fresh := &rig{t: t, clock: r.clock, chip: r.chip, keys: custodytest.NewKeys(t, newChip(t), r.clock.Time)}
	fresh.cfg = r.cfg
	fresh.cfg.Dir, fresh.cfg.Keys, fresh.cfg.Ring, fresh.cfg.Commit = filepath.Join(t.TempDir(), "custody"), fresh.keys, fresh.ring(ringDir), fresh.keys.Erase
	if err := Create(t.Context(), fresh.cfg); err != nil {
		t.Fatal(err)
	}
	fresh.open()
	id, _, err := fresh.Add(t.Context(), nil, NewPerson{Name: "Ann", Roles: book.Controller, Boss: "a@b.c"})
	if err != nil {
		t.Fatal(err)
	}
	made, err := fresh.desk.Make(t.Context(), id, book.Controller, r.ann.password())
	if err != nil {
		t.Fatal(err)
	}
	fresh.eachCut(t, ringDir, func(l later) error {
		n, err := l.handOver(t.Context(), id, made, Claim{Factor: r.ann.factor})
		if err != nil {
			return err
		}
		return l.keys.EndCommissioning(t.Context(), n.Recovery)
	}, func(t *testing.T, o *Office, done bool) {
		st, err := o.Status()
		if err != nil || st.Commissioning == done {
			t.Fatalf("%+v, done %v, %v", st, done, err)
		}
		s, err := o.begin(t.Context(), id, "", same(t, made.Private))
		if err != nil || s.Holds() == st.Commissioning {
			t.Errorf("holds the custody key: %v, while commissioning: %v, %v", s.Holds(), st.Commissioning, err)
		}
		if n := len(o.cfg.Ring.All()); n != 1 {
			t.Errorf("%d custody keys", n)
		}
	})
}
