package office

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/custodytest"
	"linekeep/vault/custody/password"
	"linekeep/vault/custody/totp"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// rig is an office with its people, and what they carry with them.
type rig struct {
	t     *testing.T
	clock *custodytest.Clock
	chip  tpm.Chip
	keys  *custodytest.Keys
	cfg   Config
	*Office
	code  custody.Code
	ann   *human // the first Controller
	calls map[keys.ID]wrapped
}

// human is somebody with a password and a telephone.
type human struct {
	rig    *rig
	id     keys.ID
	name   string
	pass   string
	factor Factor
}

func (h *human) password() password.Password { return typed(h.rig.t, h.pass) }

// totp is the next code of the telephone: half a minute goes by.
func (h *human) totp() string {
	h.rig.clock.Pass(totp.Step)
	return h.factor.Secret.Code(totp.StepAt(h.rig.clock.Time()))
}

func (h *human) claim(slip string) Claim {
	return Claim{Name: h.name, Slip: slip, Password: h.password(), Factor: h.factor, Proof: h.totp(), Address: "10.0.0.5"}
}

func (h *human) attempt() Attempt {
	return Attempt{Name: h.name, Password: h.password(), Code: h.totp(), Address: "10.0.0.5"}
}

func (h *human) signIn() *Session {
	h.rig.t.Helper()
	s, err := h.rig.SignIn(h.rig.t.Context(), h.attempt())
	if err != nil {
		h.rig.t.Fatalf("%s signs in: %v", h.name, err)
	}
	return s
}

func newRig(t *testing.T) *rig {
	t.Helper()
	chip := tpmtest.NewMemory()
	r := newRigOn(t, chip)
	chip.SetClock(r.clock.Time)
	return r
}

// newRigOn is a box that is handed over to Ann.
func newRigOn(t *testing.T, chip tpm.Chip) *rig {
	t.Helper()
	r := &rig{t: t, clock: custodytest.NewClock(), chip: chip, calls: map[keys.ID]wrapped{}}
	r.keys = custodytest.NewKeys(t, chip, r.clock.Time)
	r.cfg = Config{Dir: filepath.Join(t.TempDir(), "custody"), Keys: r.keys, Chip: chip, Ring: r.ring(filepath.Join(t.TempDir(), "keys")),
		Clock: r.clock.Time, Log: slog.New(slog.DiscardHandler), Box: "linekeep", Hash: quick{}, Commit: r.keys.Erase}
	if err := Create(t.Context(), r.cfg); err != nil {
		t.Fatalf("Create: %v", err)
	}
	r.open()
	r.ann = r.human("Ann Controller")
	id, slip, err := r.Add(t.Context(), nil, NewPerson{Name: r.ann.name, Roles: book.Controller, Boss: "boss@example.com"})
	if err != nil || !slip.IsZero() {
		t.Fatalf("enter Ann: %v", err)
	}
	r.ann.id = id
	next, err := r.HandOver(t.Context(), r.ann.claim(""))
	if err != nil {
		t.Fatalf("HandOver: %v", err)
	}
	if err := r.keys.EndCommissioning(t.Context(), next.Recovery); err != nil {
		t.Fatal(err)
	}
	if err := r.Settle(t.Context()); err != nil { // finishes
		t.Fatal(err)
	}
	r.code = next.Code
	return r
}

func (r *rig) ring(dir string) *custody.Ring {
	r.t.Helper()
	ring, err := custody.Load(dir, r.keys.VaultID(), r.keys.Outer(custody.Outer))
	if err != nil {
		r.t.Fatal(err)
	}
	return ring
}

func (r *rig) open() {
	r.t.Helper()
	var err error
	if r.Office, err = Open(r.t.Context(), r.cfg); err != nil {
		r.t.Fatalf("Open: %v", err)
	}
}

func (r *rig) human(name string) *human {
	return &human{rig: r, name: name, pass: "a long pass phrase of " + name, factor: NewFactor()}
}

// employ enters somebody and has them claim their account.
func (r *rig) employ(by *Session, name string, roles book.Roles) *human {
	r.t.Helper()
	h := r.human(name)
	id, slip, err := r.Add(r.t.Context(), by, NewPerson{Name: name, Roles: roles, Manager: r.ann.id})
	if err != nil {
		r.t.Fatalf("enter %s: %v", name, err)
	}
	h.id = id
	if err := r.Claim(r.t.Context(), h.claim(slip.Reveal())); err != nil {
		r.t.Fatalf("%s claims: %v", name, err)
	}
	return h
}

// wrapped is a call as the library has it.
type wrapped struct {
	slot   keys.Slot
	number uint32
	wrap   []byte
	key    seal.DataKey
}

// Wrapped implements Calls.
func (r *rig) Wrapped(_ context.Context, id keys.ID) (keys.Slot, uint32, []byte, error) {
	slot, err := r.keys.Slot(id)
	return slot, r.calls[id].number, r.calls[id].wrap, err
}

// record makes a call under the custody key in force.
func (r *rig) record() keys.ID {
	r.t.Helper()
	slot, err := r.keys.Next(r.t.Context(), "standard", r.clock.Time())
	if err != nil {
		r.t.Fatal(err)
	}
	now, err := r.Current()
	if err != nil {
		r.t.Fatal(err)
	}
	w := wrapped{slot: slot, number: now.Number, key: seal.NewDataKey()}
	if w.wrap, err = seal.Wrap(r.keys.VaultID(), slot, now.Key, w.key); err != nil {
		r.t.Fatal(err)
	}
	r.calls[slot.ID] = w
	return slot.ID
}

// hears says whether a session opens a call, and fails the test when it opens into something else.
func (r *rig) hears(s *Session, id keys.ID) error {
	r.t.Helper()
	w := r.calls[id]
	slot, err := r.keys.Slot(id)
	if err != nil {
		return err
	}
	d, err := s.DataKey(slot, w.number, w.wrap)
	if err != nil {
		return err
	}
	defer d.Wipe()
	sealed := w.key.Segment(nil, r.keys.VaultID(), seal.Header{ID: id}, []byte("speech"))
	if _, err := d.OpenSegment(nil, r.keys.VaultID(), seal.Header{ID: id}, sealed); err != nil {
		r.t.Errorf("the data key of %s is another one: %v", id, err)
	}
	return nil
}

// quick is no slow hash: these tests are about everything else.
type quick struct{}

func (quick) Auth(_ context.Context, p password.Password, params password.Params) (auth []byte, err error) {
	h := sha256.New()
	h.Write(params.Salt[:])
	if !p.IsZero() {
		p.Use(func(b []byte) { h.Write(b) })
	}
	return h.Sum(nil), nil
}

const day = 24 * time.Hour

func newChip(t *testing.T) tpm.Chip {
	t.Helper()
	return tpmtest.NewMemory()
}
