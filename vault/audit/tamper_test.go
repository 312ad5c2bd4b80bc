package audit

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/notes"
	"linekeep/vault/audit/proof"
	"linekeep/vault/audit/tree"
)

// TestP17_EachWayToAlterThePastIsToldByAnEarlierCheckpoint: whoever does it has the vault's keys, and takes care of checksums,
// headers and the tree. What they have not is the chip's word of before, which left the box.
func TestP17_EachWayToAlterThePastIsToldByAnEarlierCheckpoint(t *testing.T) {
	for name, alter := range map[string]func(all [][2][]byte) [][2][]byte{
		"an entry edited": func(all [][2][]byte) [][2][]byte {
			e := must(entry.Parse(all[5][0]))
			e.Actor = entry.Actor{Kind: entry.Box}
			all[5][0] = must(e.Bytes())
			return all
		},
		"an entry deleted":     func(all [][2][]byte) [][2][]byte { return append(all[:5:5], all[6:]...) },
		"two entries swapped":  func(all [][2][]byte) [][2][]byte { all[5], all[6] = all[6], all[5]; return all },
		"the end cut off":      func(all [][2][]byte) [][2][]byte { return all[:8] },
		"everything taken out": func([][2][]byte) [][2][]byte { return nil },
		"an entry put in":      func(all [][2][]byte) [][2][]byte { return append(all[:5:5], all[4:]...) },
		"all of it written anew": func(all [][2][]byte) [][2][]byte {
			for i := range all {
				e := must(entry.Parse(all[i][0]))
				e.At = e.At.Add(1)
				all[i][0] = must(e.Bytes())
			}
			return all
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 1000)
			d.many(12)
			earlier := must(d.Checkpoint(t.Context()))
			d.many(3)
			var all [][2][]byte
			if err := d.Walk(t.Context(), 0, func(s Stored, err error) error {
				all = append(all, [2][]byte{s.Core, s.Sealed})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d.rewrite(alter(all))
			d.keys.SetCheckpoint(nil) // an old root is put back as well
			d.open()
			if found := d.Findings(); len(found) > 0 {
				t.Fatalf("the forger was careless: %v", found)
			}
			r := must(d.Verify(t.Context(), earlier.Checkpoint))
			if err := errors.Join(r.Findings...); !errors.Is(err, ErrAltered) && !errors.Is(err, ErrLost) {
				t.Errorf("found %v", err)
			}
			_, _, err := proofOf(d, earlier)
			if !errors.Is(err, proof.ErrNotProved) {
				t.Errorf("it is proved to go on from the checkpoint: %v", err)
			}
		})
	}
}

// proofOf tries to prove that the log goes on from a checkpoint.
func proofOf(d *desk, earlier proof.Signed) (proof.Signed, tlog.TreeProof, error) {
	now, err := d.Checkpoint(d.t.Context())
	if err != nil || now.Size < earlier.Size {
		return now, nil, errors.Join(err, proof.Continues(earlier.Checkpoint, now.Checkpoint, nil))
	}
	hashes, err := d.Continues(earlier.Size, now.Size)
	return now, hashes, errors.Join(err, proof.Continues(earlier.Checkpoint, now.Checkpoint, hashes))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// rewrite makes the log anew from entries, with everything right but their past.
func (d *desk) rewrite(all [][2][]byte) {
	d.t.Helper()
	first := filepath.Join(d.cfg.Dir, fileName(0))
	head := must(os.ReadFile(first))[:headerSize]
	var t tree.Tree
	var hashes []tlog.Hash
	for i, e := range all {
		parsed := must(entry.Parse(e[0]))
		parsed.Seq = uint64(i)
		core := must(parsed.Bytes())
		head = appendRecord(head, core, e[1])
		hashes = t.Add(hashes, tlog.RecordHash(core))
	}
	var b []byte
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	for path, data := range map[string][]byte{first: head, filepath.Join(d.cfg.Dir, treeName): b, filepath.Join(d.cfg.Dir, notes.Name): nil} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
}

func TestP17_ALogOlderThanTheRootIsRefusedUntilARecoveryAcceptsIt(t *testing.T) {
	d := newDesk(t, 10)
	d.many(4)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(d.cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	d.open()
	d.many(20)
	if _, err := d.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.keys.StageSpare(t.Context()); err != nil { // any writing of the root
		t.Fatal(err)
	}
	if err := errors.Join(d.Close(), os.RemoveAll(d.cfg.Dir), os.CopyFS(d.cfg.Dir, os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), d.cfg); !errors.Is(err, ErrRolledBack) {
		t.Fatalf("a log that was rolled back opens: %v", err)
	}
	r, err := Inspect(t.Context(), d.cfg)
	if err != nil || !errors.Is(errors.Join(r.Findings...), ErrLost) {
		t.Errorf("Inspect: %v, %v", err, r.Findings)
	}
	d.cfg.Accept = true
	d.open()
	s, err := d.Entry(t.Context(), 4)
	if err != nil || s.Action != entry.LogLoss || !errors.Is(errors.Join(d.Findings()...), ErrLost) {
		t.Errorf("the loss is not written down: %+v, %v, %v", s.Entry, err, d.Findings())
	}
	d.cfg.Accept = false
	if _, err := d.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.keys.KeepCheckpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.again()
	d.many(2)
	d.sound()
}

// TestP17_APowerCutInAnEntryLosesThatEntryAlone cuts the newest file at every length of its last entry.
func TestP17_APowerCutInAnEntryLosesThatEntryAlone(t *testing.T) {
	d := newDesk(t, 1000)
	d.many(3)
	path := filepath.Join(d.cfg.Dir, fileName(0))
	whole := must(os.Stat(path)).Size()
	d.write(search("the last"))
	data := must(os.ReadFile(path))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	saved := must(os.ReadFile(filepath.Join(d.cfg.Dir, treeName)))
	for cut := whole; cut < int64(len(data)); cut += 7 {
		if err := errors.Join(os.WriteFile(path, data[:cut], 0o600), os.WriteFile(filepath.Join(d.cfg.Dir, treeName), saved[:4*32], 0o600)); err != nil {
			t.Fatal(err)
		}
		d.open()
		d.write(search("the next"))
		if r := d.sound(); r.Entries != 4 {
			t.Fatalf("cut at %d: %d entries", cut, r.Entries)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d.cfg.Floor = 4 // the journal knows that the fourth was whole
	if err := errors.Join(os.WriteFile(path, data[:whole+9], 0o600), os.WriteFile(filepath.Join(d.cfg.Dir, treeName), saved[:4*32], 0o600)); err != nil {
		t.Fatal(err)
	}
	d.open()
	if err := errors.Join(d.Findings()...); !errors.Is(err, ErrLost) {
		t.Errorf("an entry that was acknowledged is cut off in silence: %v", err)
	}
}
