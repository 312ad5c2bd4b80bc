package vault_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// erasable is a vault on a chip in memory, with calls in it.
type erasable struct {
	*vaulttest.Vault
	t     *testing.T
	chip  *tpmtest.Memory
	calls []*talk.Talk
	ids   []keys.ID // of calls, in the same order
}

func newErasable(t *testing.T, calls int) *erasable {
	t.Helper()
	chip := tpmtest.NewMemory()
	v := &erasable{Vault: vaulttest.NewOn(t, "", chip), t: t, chip: chip}
	v.Start()
	for n := range calls {
		v.record(segment.Call(n + 1))
	}
	return v
}

// record stores a whole call and takes note of its id.
func (v *erasable) record(n segment.Call) {
	v.t.Helper()
	k := talk.New(n, time.Now())
	before := v.found()
	v.Record(k, 4)
	i := slices.IndexFunc(v.found(), func(id keys.ID) bool { return !slices.Contains(before, id) })
	if i < 0 {
		v.t.Fatal("the call is not in the catalogue")
	}
	v.calls, v.ids = append(v.calls, k), append(v.ids, v.found()[i])
}

func (v *erasable) found() []keys.ID {
	v.t.Helper()
	rows, err := v.Find(v.t.Context(), catalog.Query{})
	if err != nil {
		v.t.Fatal(err)
	}
	ids := make([]keys.ID, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

// gone checks that a call is neither found nor played, and no finding of a check.
func (v *erasable) gone(id keys.ID) {
	v.t.Helper()
	if slices.Contains(v.found(), id) {
		v.t.Errorf("call %s is found", id)
	}
	if r, err := v.Play(v.t.Context(), id, v.Code); !errors.Is(err, vault.ErrNotThere) {
		v.t.Errorf("call %s is played: %v, %v", id, r, err)
	}
	report, err := v.Check(v.t.Context())
	if err != nil || len(report.Findings) > 0 {
		v.t.Errorf("Check: %v, %v", report.Findings, err)
	}
}

func (v *erasable) mustErase(ids ...keys.ID) erasure.Certificate {
	v.t.Helper()
	made, err := v.Erase(v.t.Context(), erasure.Order, ids...)
	if err != nil || len(made) != 1 {
		v.t.Fatalf("Erase: %d certificates, %v", len(made), err)
	}
	return made[0]
}

func TestP13_AnErasedCallIsGoneAndItsNeighbourPlays(t *testing.T) {
	v := newErasable(t, 3)
	before := v.Vault.Keys().Epoch()
	c := v.mustErase(v.ids[1])
	if counter, err := c.Verify(); err != nil || counter != before+1 || !slices.Equal(c.Entry.Calls, v.ids[1:2]) || c.Entry.Why != erasure.Order {
		t.Errorf("certificate: %+v, %d, %v; the epoch was %d", c.Entry, counter, err, before)
	}
	for range 2 {
		v.gone(v.ids[1])
		v.Plays(v.ids[0], v.calls[0])
		v.Plays(v.ids[2], v.calls[2])
		if len(v.found()) != 2 || len(v.Findings()) > 0 || v.Status().Erasing.Waiting != 0 {
			t.Errorf("%d calls, findings %v, %+v", len(v.found()), v.Findings(), v.Status().Erasing)
		}
		again, err := v.Erase(t.Context(), erasure.Objection, v.ids[1])
		if err != nil || len(again) != 1 || cmp.Diff(c, again[0]) != "" {
			t.Errorf("erased twice: %v, %v; want the certificate there is", again, err)
		}
		if kept, err := v.Certificate(v.ids[1]); err != nil || cmp.Diff(c, kept) != "" {
			t.Errorf("Certificate: %v, %v", kept, err)
		}
		v.Stop()
		if report, err := vault.CheckStopped(t.Context(), v.Config, v.Chip, v.Log); err != nil || len(report.Findings) > 0 || report.Calls != 2 {
			t.Errorf("stopped: %+v, %v", report, err)
		}
		v.Start()
	}
}

func TestWhatIsNoCallIsNotErased(t *testing.T) {
	v := newErasable(t, 1)
	for _, id := range []keys.ID{{}, {Shard: 99, Slot: 1}, {Shard: v.ids[0].Shard, Slot: v.ids[0].Slot + 1}, {Shard: 1, Slot: 0}} {
		if made, err := v.Erase(t.Context(), erasure.Order, v.ids[0], id); !errors.Is(err, vault.ErrNotThere) {
			t.Errorf("Erase of %s: %v, %v; want ErrNotThere", id, made, err)
		}
		if err := v.EraseLater(t.Context(), erasure.Order, id); !errors.Is(err, vault.ErrNotThere) {
			t.Errorf("EraseLater of %s: %v, want ErrNotThere", id, err)
		}
	}
	if _, err := v.Certificate(v.ids[0]); !errors.Is(err, vault.ErrNotThere) {
		t.Errorf("Certificate of a call that is there: %v, want ErrNotThere", err)
	}
	v.Plays(v.ids[0], v.calls[0])
}

// TestAnOrderOutlivesTheChipsAbsence: from the order on nobody is shown the call, also after a restart; and when the
// chip is back it is erased, with its certificate.
func TestAnOrderOutlivesTheChipsAbsence(t *testing.T) {
	v := newErasable(t, 2)
	v.chip.Fail(tpm.ErrUnavailable)
	if made, err := v.Erase(t.Context(), erasure.Order, v.ids[0]); !errors.Is(err, vault.ErrErasureWaits) || !errors.Is(err, tpm.ErrUnavailable) {
		t.Fatalf("Erase: %v, %v; want ErrErasureWaits", made, err)
	}
	v.gone(v.ids[0])
	if st := v.Status().Erasing; st.Waiting != 1 || !errors.Is(st.Failed, tpm.ErrUnavailable) || st.Since.IsZero() {
		t.Errorf("status: %+v", st)
	}
	v.Plays(v.ids[1], v.calls[1])
	v.Stop()
	v.chip.Fail(nil)
	v.Start() // and Run does it
	vaulttest.Eventually(t, time.Minute, "the order is carried out", func() bool { return v.Status().Erasing.Waiting == 0 })
	v.gone(v.ids[0])
	c, err := v.Certificate(v.ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(); err != nil {
		t.Error(err)
	}
	v.Plays(v.ids[1], v.calls[1])
}

// TestWhatCanWaitIsErasedAtNight, and until then refused; an urgent order takes it along.
func TestWhatCanWaitIsErasedAtNight(t *testing.T) {
	v := newErasable(t, 3)
	v.Stop()
	now := time.Now().In(time.FixedZone("here", 3600))
	now = time.Date(now.Year(), now.Month(), now.Day(), 12, 0, 0, 0, now.Location())
	v.Config.Clock = func() time.Time { return now }
	v.Vault.Open()
	defer func() {
		if err := v.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	epoch := v.Vault.Vault.Keys().Epoch()
	if err := v.EraseLater(t.Context(), erasure.Retention, v.ids[0], v.ids[1]); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, 11 * time.Hour, 3*time.Hour + 59*time.Minute} { // 02:59
		now = now.Add(after)
		v.ErasePass(t.Context())
		for _, id := range v.ids[:2] {
			v.gone(id)
			if !v.Vault.Vault.Keys().Doomed(id) || v.Vault.Vault.Keys().Epoch() != epoch {
				t.Fatalf("at %v call %s did not wait for the night", now, id)
			}
		}
	}
	now = now.Add(time.Minute)
	v.ErasePass(t.Context())
	c, err := v.Certificate(v.ids[0])
	if err != nil || !slices.Equal(c.Entry.Calls, v.ids[:2]) || v.Vault.Vault.Keys().Epoch() != epoch+1 {
		t.Errorf("at night: %+v, %v, epoch %d", c.Entry, err, v.Vault.Vault.Keys().Epoch())
	}
	v.gone(v.ids[0])
	v.Plays(v.ids[2], v.calls[2])
}

// TestP13_AnOrderDoesNotWaitForAClockThatWasPutBack: ten years ahead a night has passed and an order was given; put right, the
// clock will not come there again for ten years.
func TestP13_AnOrderDoesNotWaitForAClockThatWasPutBack(t *testing.T) {
	v := newErasable(t, 3)
	v.Stop()
	now := time.Now().AddDate(10, 0, 0)
	v.Config.Clock = func() time.Time { return now }
	v.Vault.Open()
	defer func() {
		if err := v.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, id := range v.ids[:2] {
		if err := v.EraseLater(t.Context(), erasure.Retention, id); err != nil {
			t.Fatal(err)
		}
		if id == v.ids[0] {
			v.ErasePass(t.Context())
		}
	}
	now = now.AddDate(-10, 0, 1)
	v.ErasePass(t.Context())
	for _, id := range v.ids[:2] {
		if _, err := v.Certificate(id); err != nil {
			t.Errorf("call %s: %v", id, err)
		}
	}
}

// TestBeyondTheDaysBudgetAnOrderWaitsAnHour: refused at once, done within the hour.
func TestBeyondTheDaysBudgetAnOrderWaitsAnHour(t *testing.T) {
	v := newErasable(t, 1)
	v.Stop()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	v.Config.Clock = func() time.Time { return now }
	v.Vault.Open()
	defer func() {
		if err := v.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	k := v.Vault.Vault.Keys()
	for k.Wear().Today < k.Wear().Budget { // the hand-over was one of them, if it was today
		if _, err := k.Commit(t.Context(), keys.Change{NewSpare: true}); err != nil {
			t.Fatal(err)
		}
	}
	if made, err := v.Erase(t.Context(), erasure.Order, v.ids[0]); !errors.Is(err, vault.ErrErasureWaits) {
		t.Fatalf("Erase: %v, %v; want ErrErasureWaits", made, err)
	}
	v.gone(v.ids[0])
	for _, after := range []time.Duration{0, 59 * time.Minute} {
		now = now.Add(after)
		v.ErasePass(t.Context())
		if v.Status().Erasing.Waiting != 1 {
			t.Fatalf("done after %v", after)
		}
	}
	now = now.Add(time.Minute)
	v.ErasePass(t.Context())
	if st := v.Status().Erasing; st.Waiting != 0 || st.Failed != nil || st.Wear.Today != st.Wear.Budget+1 {
		t.Errorf("an hour later: %+v", st)
	}
	v.gone(v.ids[0])
}

// TestACallThatIsUpIsErasedAtOnce: what is still said in it is kept under a key that only memory has, and nobody finds
// it. The line records on, and the vault closes and opens in good order.
func TestACallThatIsUpIsErasedAtOnce(t *testing.T) {
	v := newErasable(t, 1)
	up := talk.New(7, time.Now())
	v.Say(up.Groups(3, true, false)...)
	id := v.Unfiled()[0]
	if _, err := v.Play(t.Context(), id, v.Code); !errors.Is(err, vault.ErrNotFiled) {
		t.Fatalf("Play of a call that is up: %v, want ErrNotFiled", err)
	}
	v.mustErase(id)
	if len(v.Unfiled()) != 0 {
		t.Errorf("unfiled: %v", v.Unfiled())
	}
	if _, err := v.Play(t.Context(), id, v.Code); !errors.Is(err, vault.ErrNotThere) {
		t.Errorf("Play: %v, want ErrNotThere", err)
	}
	other := talk.New(8, time.Now())
	for _, g := range up.Groups(3, false, true) {
		v.Say(g)
	}
	v.Record(other, 3)
	v.gone(id)
	if n := len(v.found()); n != 2 {
		t.Errorf("%d calls are found, want the two others", n)
	}
	v.Stop()
	v.Start()
	v.gone(id)
	v.Plays(v.ids[0], v.calls[0])
}

// TestACallThatIsUpIsErasedThoughThePowerGoes right after.
func TestACallThatIsUpIsErasedThoughThePowerGoes(t *testing.T) {
	v := newErasable(t, 1)
	up := talk.New(7, time.Now())
	v.Say(up.Groups(3, true, false)...)
	id := v.Unfiled()[0]
	v.mustErase(id)
	v.Say(up.Groups(2, false, false)...)
	dir := filepath.Join(t.TempDir(), "vault")
	if err := os.CopyFS(dir, os.DirFS(v.Config.Dir)); err != nil {
		t.Fatal(err)
	}
	v.Stop()
	copied := &erasable{Vault: v.Elsewhere(t, dir), t: t, chip: v.chip}
	copied.Start()
	copied.Settle()
	copied.gone(id)
	copied.Plays(v.ids[0], v.calls[0])
}

// TestTheNoiseOfAnErasedCallIsRemoved from its month's folder, without a word of it from any check.
func TestTheNoiseOfAnErasedCallIsRemoved(t *testing.T) {
	v := newErasable(t, 2)
	v.mustErase(v.ids[0])
	vaulttest.Eventually(t, time.Minute, "the noise is gone", func() bool {
		report, err := v.Check(t.Context())
		return err == nil && report.Chunks == 2
	})
	for range 2 {
		report, err := v.Check(t.Context())
		if err != nil || len(report.Findings) > 0 || report.Calls != 1 || report.Chunks != 2 {
			t.Errorf("Check: %+v, %v; want the one call with its two chunks", report, err)
		}
		v.Stop()
		v.Start()
	}
	v.Plays(v.ids[1], v.calls[1])
}
