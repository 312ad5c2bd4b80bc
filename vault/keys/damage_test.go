package keys

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// both are the two copies of a key file.
func both(c Config, name string) [2]string {
	return [2]string{filepath.Join(c.Dir, name), filepath.Join(c.Dir, "copy", name)}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// flip alters one bit of a file and gives what it was.
func flip(t *testing.T, path string, at, bit int) (sound []byte) {
	t.Helper()
	sound = read(t, path)
	bad := bytes.Clone(sound)
	bad[at] ^= 1 << bit
	write(t, path, bad)
	return sound
}

// wantFinding wants exactly one finding, which names path, and the file as it was.
func wantFinding(t *testing.T, at int, findings []error, path string, sound []byte) {
	t.Helper()
	if len(findings) != 1 || !errors.Is(findings[0], ErrAltered) || !strings.Contains(findings[0].Error(), path+":") {
		t.Fatalf("byte %d of %s: findings %v", at, path, findings)
	}
	if !bytes.Equal(read(t, path), sound) {
		t.Fatalf("byte %d of %s: not mended", at, path)
	}
}

func TestEachFlippedBitOfARootIsFoundNamedAndMended(t *testing.T) {
	k, c, chip := newKeys(t)
	mustNext(t, k, "standard", november)
	paths := both(c, k.root.ID().FileName())
	for at := range k.root.File() {
		path := paths[at%2]
		sound := flip(t, path, at, at%8)
		wantFinding(t, at, mustOpen(t, c, chip).Findings(), path, sound)
	}
	for at := range 8 { // under a running vault
		path := paths[at%2]
		running := mustOpen(t, c, chip)
		sound := flip(t, path, at*11, at)
		wantFinding(t, at, running.Verify(t.Context()), path, sound)
	}
}

func TestEachFlippedBitOfAShardIsFoundNamedAndMended(t *testing.T) {
	k, c, chip := newKeys(t)
	slot := mustNext(t, k, "standard", november)
	l := k.root.Contents().Shards[0]
	paths := both(c, l.FileName())
	places := make([]int, 0, 120)
	for at := range l.FileSize() - int(l.Slots)*KeySize { // the header, and a tag's length past it
		places = append(places, at)
	}
	for n := range 20 { // and all over the keys
		places = append(places, (n*997+1)*l.FileSize()/20000)
	}
	for i, at := range append(places, l.FileSize()-1) {
		path := paths[i%2]
		sound := flip(t, path, at, i%8)
		again := mustOpen(t, c, chip)
		if i%3 == 0 { // found by use, in the first copy that is read
			if back, err := again.Slot(slot.ID); err != nil || !back.Meta().Equal(slot.Meta()) {
				t.Fatalf("byte %d: %v", at, err)
			}
		}
		wantFinding(t, at, again.Verify(t.Context()), path, sound)
	}
}

func TestAMissingOrShortCopyIsFoundAtOpenAndMended(t *testing.T) {
	k, c, chip := newKeys(t)
	mustNext(t, k, "standard", november)
	for _, name := range []string{k.root.ID().FileName(), k.root.Contents().Shards[0].FileName()} {
		for _, path := range both(c, name) {
			sound := read(t, path)
			write(t, path, sound[:len(sound)/2])
			wantFinding(t, len(sound)/2, mustOpen(t, c, chip).Findings(), path, sound)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, 0, mustOpen(t, c, chip).Findings(), path, sound)
		}
	}
	if err := os.RemoveAll(filepath.Join(c.Dir, "copy")); err != nil {
		t.Fatal(err)
	}
	if f := mustOpen(t, c, chip).Findings(); len(f) != 2 {
		t.Errorf("the whole copy lost: findings %v", f)
	}
	if f := mustOpen(t, c, chip).Verify(t.Context()); len(f) != 0 {
		t.Errorf("after mending: %v", f)
	}
}

func TestWithBothCopiesOfTheRootBadTheErrorNamesBoth(t *testing.T) {
	k, c, chip := newKeys(t)
	paths := both(c, k.root.ID().FileName())
	flip(t, paths[0], 50, 1)
	flip(t, paths[1], 200, 1)
	_, err := Open(t.Context(), c, chip)
	if !errors.Is(err, ErrAltered) || !strings.Contains(err.Error(), paths[0]) || !strings.Contains(err.Error(), paths[1]) {
		t.Errorf("got %v", err)
	}
	if _, err := Create(t.Context(), c, chip); !errors.Is(err, ErrExists) {
		t.Errorf("Create: %v", err)
	}
}

func TestWithBothCopiesOfAShardBadOnlyItsSlotsAreLost(t *testing.T) {
	k, c, chip := newKeys(t)
	lost := mustNext(t, k, "standard", november)
	kept := mustNext(t, k, "standard", november.AddDate(0, 1, 0))
	for _, path := range both(c, k.root.Contents().Shards[0].FileName()) {
		flip(t, path, 1000, 3)
	}
	again := mustOpen(t, c, chip)
	if _, err := again.Slot(lost.ID); !errors.Is(err, ErrAltered) {
		t.Errorf("lost slot: %v", err)
	}
	if _, err := again.Slot(kept.ID); err != nil {
		t.Errorf("kept slot: %v", err)
	}
	if f := again.Verify(t.Context()); len(f) != 1 || !strings.Contains(f[0].Error(), k.root.Contents().Shards[0].FileName()) {
		t.Errorf("findings %v", f)
	}
	if err := again.Resume(k.Marks(), true); err != nil {
		t.Fatal(err)
	}
	if s := mustNext(t, again, "standard", november); s.ID.Shard == lost.ID.Shard { // recording goes on
		t.Errorf("handed out %s", s.ID)
	}
}

func TestARootPutBackIsToldByTheShardsBesideIt(t *testing.T) {
	k, c, chip := newKeys(t)
	mustNext(t, k, "standard", november)
	old, name := read(t, both(c, k.root.ID().FileName())[0]), k.root.ID().FileName()
	mustNext(t, k, "standard", november.AddDate(0, 1, 0))
	for i, path := range both(c, k.root.ID().FileName()) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write(t, both(c, name)[i], old)
	}
	if _, err := Open(t.Context(), c, chip); !errors.Is(err, ErrRolledBack) {
		t.Errorf("got %v, want ErrRolledBack", err)
	}
}

func TestAStrangeShardIsNamedAndNotUsed(t *testing.T) {
	k, c, chip := newKeys(t)
	mustNext(t, k, "standard", november)
	other, otherConfig, _ := newKeys(t)
	mustNext(t, other, "secret", november)
	stranger := other.root.Contents().Shards[0].FileName()
	write(t, both(c, stranger)[0], read(t, both(otherConfig, stranger)[0]))
	again := mustOpen(t, c, chip)
	if f := again.Findings(); len(f) != 1 || !strings.Contains(f[0].Error(), stranger) {
		t.Errorf("findings %v", f)
	}
	if n := len(again.Shards()); n != 1 {
		t.Errorf("%d shards", n)
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	k, _, _ := newKeys(t)
	if err := k.Prepare(t.Context(), []string{"a", "b", "c"}, time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if f := k.Verify(ended(t)); len(f) != 1 {
		t.Errorf("findings %v", f)
	}
}
