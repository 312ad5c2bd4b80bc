package past

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/register/ledger"
)

// desk is a log, a register and a list of erasures as a vault has them, on the disk and with real keys.
type desk struct {
	*Past
	t    *testing.T
	cfg  Config
	list *erasure.List
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { now = now.Add(time.Second); return now }
	dir := t.TempDir()
	k, err := keys.Create(t.Context(), keys.Config{Dir: filepath.Join(dir, "keys"), Clock: clock}, tpmtest.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() }) // it fails in no way that matters here
	d := &desk{t: t, cfg: Config{Dir: dir, Keys: k, Clock: clock, Log: slog.New(slog.DiscardHandler)}}
	d.list, err = erasure.Open(erasure.Config{Dir: filepath.Join(dir, "erasures"), VaultID: k.VaultID(), Key: k.Outer("erasure"), FS: pair.Disk{}, Clock: clock,
		Head: func() erasure.Head {
			size, root := d.Audit.Head()
			return erasure.Head{Size: size, Root: root}
		}})
	if err != nil {
		t.Fatal(err)
	}
	d.cfg.Erased = func() *erasure.List { return d.list }
	d.open()
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func (d *desk) open() {
	d.t.Helper()
	var err error
	if d.Past, err = Open(d.t.Context(), d.cfg); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) write(n int, terms string) {
	d.t.Helper()
	for range n {
		if _, err := d.Audit.Append(d.t.Context(), audit.Act{What: entry.Search, Details: audit.Details{audit.Say("terms", terms)}}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// erase erases a recording as the eraser does, and gives its certificate.
func (d *desk) erase() erasure.Certificate {
	d.t.Helper()
	k := d.cfg.Keys
	if err := k.Prepare(d.t.Context(), []string{"standard"}, d.cfg.Clock()); err != nil {
		d.t.Fatal(err)
	}
	slot, err := k.Next(d.t.Context(), "standard", d.cfg.Clock())
	if err != nil {
		d.t.Fatal(err)
	}
	defer slot.Wipe()
	order, err := d.list.Take(erasure.Pending{Given: d.cfg.Clock(), Why: erasure.Order, Calls: []keys.ID{slot.ID}})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := k.Doom(d.t.Context(), slot.ID); err != nil {
		d.t.Fatal(err)
	}
	done, err := k.Commit(d.t.Context(), keys.Change{})
	if err != nil {
		d.t.Fatal(err)
	}
	c, err := d.list.Done(d.t.Context(), order, done.Epoch, k.Chip(), k.Certify)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// TestP17_ACertificateOfErasureHoldsTheLogToWhatItWas: whoever writes the log anew with all of the vault's keys, and takes every checkpoint
// away, is told by the certificates of what was erased before.
func TestP17_ACertificateOfErasureHoldsTheLogToWhatItWas(t *testing.T) {
	for name, c := range map[string]struct {
		entries int
		want    error
		says    string
	}{
		"as long as before": {20, audit.ErrAltered, "the first 7 entries are not those that the certificate of erasure 1 knows"},
		"shorter":           {3, audit.ErrLost, "the log has 3 entries; the certificate of erasure 1 knows of 7"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.write(7, "4930")
			size, root := d.Audit.Head()
			cert := d.erase()
			if head := cert.Entry.Log; head == nil || head.Size != size || head.Root != root {
				t.Fatalf("the certificate names %+v, the log is %d %x", head, size, root)
			}
			d.write(5, "4930")
			if found := append(d.Verify(t.Context()), d.Findings()...); len(found) > 0 {
				t.Fatalf("found %v", found)
			}
			if err := errors.Join(d.Close(), os.RemoveAll(filepath.Join(d.cfg.Dir, AuditDir))); err != nil {
				t.Fatal(err)
			}
			d.cfg.Keys.SetCheckpoint(nil) // and whatever root and journal knew
			d.open()
			d.write(c.entries, "4940")
			d.Checkpoint(t.Context())
			if found := d.Findings(); len(found) > 0 {
				t.Fatalf("the forger was careless: %v", found)
			}
			r, err := Inspect(t.Context(), d.cfg)
			if err != nil {
				t.Fatal(err)
			}
			for where, found := range map[string][]error{"running": d.Verify(t.Context()), "stopped": r.Findings} {
				if err := errors.Join(found...); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: found %v; want %q", where, err, c.says)
				}
			}
		})
	}
}

// TestP17_ARegisterThatWasPutBackAloneIsTold with the whole folder, as somebody with the disk does it.
func TestP17_ARegisterThatWasPutBackAloneIsTold(t *testing.T) {
	d := newDesk(t)
	slot, err := d.cfg.Keys.Next(t.Context(), keys.Office, d.cfg.Clock())
	if err != nil {
		t.Fatal(err)
	}
	defer slot.Wipe()
	hold := func(key string) {
		t.Helper()
		change := ledger.Change{Kind: "hold", Key: []byte(key), Slot: slot.ID, Value: []byte("for the court")}
		if err := d.Register.Commit(t.Context(), audit.Act{What: entry.HoldSet}, change); err != nil {
			t.Fatal(err)
		}
	}
	hold("a")
	register, old := filepath.Join(d.cfg.Dir, RegisterDir), filepath.Join(t.TempDir(), "old")
	if err := errors.Join(d.Close(), os.CopyFS(old, os.DirFS(register))); err != nil {
		t.Fatal(err)
	}
	d.open()
	hold("b")
	if err := errors.Join(d.Close(), os.RemoveAll(register), os.CopyFS(register, os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	stopped, err := Inspect(t.Context(), d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.open()
	for where, found := range map[string][]error{"stopped": stopped.Findings, "running": d.Findings()} {
		if err := errors.Join(found...); !errors.Is(err, ledger.ErrRolledBack) || !strings.Contains(err.Error(), "it ends with transaction 1 of 2") {
			t.Errorf("%s: found %v", where, err)
		}
	}
}
