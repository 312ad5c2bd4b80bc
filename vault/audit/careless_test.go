package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"linekeep/vault/audit/tree"

	"linekeep/vault/audit/notes"
)

// TestP17_WhoeverAltersTheFilesAloneIsToldWithoutAnyCheckpointFromElsewhere: they have the disk and not the vault's keys, so they can make
// neither a header nor a checkpoint. The running box tells at its next start or check, and so does whoever inspects the stopped one.
func TestP17_WhoeverAltersTheFilesAloneIsToldWithoutAnyCheckpointFromElsewhere(t *testing.T) {
	last := fileName(10)
	for name, c := range map[string]struct {
		file string
		harm func(b []byte, records []int) []byte // records: where each begins, and where the last ends
	}{
		"a byte of an entry":              {fileName(0), func(b []byte, at []int) []byte { b[at[4]+20] ^= 1; return b }},
		"a byte of the newest file":       {last, func(b []byte, at []int) []byte { b[at[1]+20] ^= 1; return b }},
		"a byte of sealed details":        {fileName(0), func(b []byte, at []int) []byte { b[at[5]-sumSize-1] ^= 1; return b }},
		"an entry, with its checksum":     {fileName(0), edited},
		"an entry taken out":              {fileName(0), func(b []byte, at []int) []byte { return slices.Delete(b, at[4], at[5]) }},
		"an entry taken out of the last":  {last, func(b []byte, at []int) []byte { return slices.Delete(b, at[1], at[2]) }},
		"two entries swapped":             {fileName(0), swapped},
		"two entries of the last swapped": {last, swapped},
		"the end cut off":                 {last, func(b []byte, at []int) []byte { return b[:at[3]] }},
		"the end of an older file":        {fileName(0), func(b []byte, at []int) []byte { return b[:at[7]] }},
		"all entries of the last":         {last, func(b []byte, _ []int) []byte { return b[:headerSize] }},
		"the newest file emptied":         {last, func([]byte, []int) []byte { return nil }},
		"the newest file gone":            {last, nil},
		"an older file gone":              {fileName(0), nil},
		"a header":                        {fileName(0), func(b []byte, _ []int) []byte { b[60] ^= 1; return b }},
		"the newest header":               {last, func(b []byte, _ []int) []byte { b[60] ^= 1; return b }},
		"the tree":                        {treeName, func(b []byte, _ []int) []byte { b[3*32] ^= 1; return b }},
		"a checkpoint":                    {notes.Name, func(b []byte, _ []int) []byte { return bytes.Replace(b, []byte("epoch 1"), []byte("epoch 2"), 1) }},
		"the checkpoints":                 {notes.Name, func([]byte, []int) []byte { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 10)
			d.many(12)
			must(d.Checkpoint(t.Context()))
			d.many(4)
			d.cfg.Notes = must(d.Checkpoint(t.Context())).Size // as the journal keeps it
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(d.cfg.Dir, c.file)
			if c.harm == nil {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else {
				b := must(os.ReadFile(path))
				if err := os.WriteFile(path, c.harm(bytes.Clone(b), begins(b)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			d.told("stopped", must(Inspect(t.Context(), d.cfg)).Findings)
			d.open()
			found := d.Findings()
			d.told("running", append(found, must(d.Verify(t.Context())).Findings...))
		})
	}
}

func (d *desk) told(where string, found []error) {
	d.t.Helper()
	err := errors.Join(found...)
	if !errors.Is(err, ErrAltered) && !errors.Is(err, ErrLost) && !errors.Is(err, tree.ErrAltered) {
		d.t.Errorf("%s: it is not told: %v", where, err)
	}
}

// begins is where each entry of a file begins, and where the last ends; nil for what is no file of entries.
func begins(b []byte) (at []int) {
	if !bytes.HasPrefix(b, []byte(fileMagic)) {
		return nil
	}
	at = append(at, headerSize)
	for off := headerSize; off < len(b); {
		_, n, err := parseRecord(b[off:])
		if err != nil {
			panic(err)
		}
		off += n
		at = append(at, off)
	}
	return at
}

func swapped(b []byte, at []int) []byte {
	return slices.Concat(b[:at[1]], b[at[2]:at[3]], b[at[1]:at[2]], b[at[3]:])
}

// edited makes somebody else the actor of an entry, and its checksum right.
func edited(b []byte, at []int) []byte {
	s, n, err := parseRecord(b[at[4]:])
	if err != nil {
		panic(err)
	}
	s.Actor.Kind++
	return slices.Concat(b[:at[4]], appendRecord(nil, must(s.Bytes()), s.Sealed), b[at[4]+n:])
}
