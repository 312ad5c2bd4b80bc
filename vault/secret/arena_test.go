package secret

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// ours is an arena of the kernel's memory, apart from the process's.
func ours() *arena { return newArena(kernel()) }

func TestCellsNeverOverlapAndTheArenaGrowsByChunks(t *testing.T) {
	a := ours()
	const n = 3*chunkSize/Size + 1
	places := make([]*place, n)
	for i := range places {
		places[i] = a.take()
		if len(places[i].bytes) != Size || cap(places[i].bytes) != Size {
			t.Fatalf("a cell of %d bytes", cap(places[i].bytes))
		}
		binary.BigEndian.PutUint64(places[i].bytes, uint64(i))
		binary.BigEndian.PutUint64(places[i].bytes[Size-8:], uint64(i))
	}
	for i, p := range places {
		if binary.BigEndian.Uint64(p.bytes) != uint64(i) || binary.BigEndian.Uint64(p.bytes[Size-8:]) != uint64(i) {
			t.Fatalf("cell %d was written over", i)
		}
	}
	if a.cells != 4*chunkSize/Size || a.used() != n {
		t.Errorf("%d of %d cells in use", a.used(), a.cells)
	}
	if s := a.pages.Status(); s != (Status{Locked: 4 * chunkSize}) {
		t.Errorf("status %+v", s)
	}
	runtime.KeepAlive(places)
}

func TestACellIsWipedWhenItGoesBackAndGoesOutEmpty(t *testing.T) {
	a := ours()
	p := a.take()
	copy(p.bytes, bytes.Repeat([]byte{7}, Size))
	memory := p.bytes
	p.wipe()
	if !bytes.Equal(memory, make([]byte, Size)) {
		t.Error("not wiped")
	}
	p.wipe() // a second time must not give back what is somebody else's by now
	first, second := a.take(), a.take()
	if unsafe.SliceData(first.bytes) != unsafe.SliceData(memory) {
		t.Error("the cell did not go back") // and so the test looked at nothing
	}
	if unsafe.SliceData(first.bytes) == unsafe.SliceData(second.bytes) {
		t.Error("one cell for two")
	}
	runtime.KeepAlive(first)
}

func TestWhoeverUsesASecretThatIsWipedSeesItToTheEnd(t *testing.T) {
	a := ours()
	p := a.take()
	copy(p.bytes, "still here")
	p.use(func(b []byte) {
		p.wipe()
		if !bytes.HasPrefix(b, []byte("still here")) || a.used() != 1 {
			t.Error("wiped under its user")
		}
		if p.enter() {
			t.Error("somebody else was let in")
		}
	})
	if a.used() != 0 {
		t.Error("the last user out did not give it back")
	}
}

func TestASecretIsGivenBackWhenItsUserPanics(t *testing.T) {
	a := ours()
	p := a.take()
	p.wipeAfterPanic(t)
	if a.used() != 0 {
		t.Error("kept for ever")
	}
}

func (p *place) wipeAfterPanic(t *testing.T) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
		p.wipe()
	}()
	p.use(func([]byte) { panic("a user's") })
}

// collected runs the garbage collector until done, for a good while.
func collected(done func() bool) bool {
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for !done() {
		runtime.GC()
		select {
		case <-limit.C:
			return false
		default:
			runtime.Gosched()
		}
	}
	return true
}

func TestDroppedSecretsComeBack(t *testing.T) {
	a := ours()
	kept := a.take()
	copy(kept.bytes, "kept")
	memory := dropMany(a, 10_000)
	if !collected(func() bool { return a.used() == 1 }) {
		t.Fatalf("%d cells are still out", a.used())
	}
	for _, m := range memory {
		if !bytes.Equal(m, make([]byte, Size)) {
			t.Fatal("a dropped key was not wiped")
		}
	}
	if !bytes.HasPrefix(kept.bytes, []byte("kept")) {
		t.Error("wiped though it is held")
	}
	runtime.KeepAlive(kept)
}

//go:noinline
func dropMany(a *arena, n int) (memory [][]byte) {
	for range n {
		p := a.take()
		copy(p.bytes, "dropped")
		memory = append(memory, p.bytes)
	}
	return memory
}

func TestADroppedBufferIsUnlocked(t *testing.T) {
	before := Memory()
	func() {
		for range 20 {
			NewBuffer(100_000).Use(func(b []byte) { b[0] = 1 })
		}
	}()
	if !collected(func() bool { return Memory().Locked <= before.Locked }) {
		t.Errorf("locked %d bytes, %d before", Memory().Locked, before.Locked)
	}
}

func TestABufferHasTheLengthAskedForAndIsLocked(t *testing.T) {
	before := Memory()
	for _, n := range []int{0, 1, 4096, 4097, 512 << 10} {
		b := NewBuffer(n)
		b.Use(func(s []byte) {
			if len(s) != n || b.Len() != n || !bytes.Equal(s, make([]byte, n)) {
				t.Errorf("%d bytes for %d", len(s), n)
			}
			for i := range s {
				s[i] = 0xff
			}
		})
		if grown := Memory().Locked - before.Locked; grown < int64(n) {
			t.Errorf("%d bytes locked for %d", grown, n)
		}
		b.Wipe()
	}
	if after := Memory(); after.Locked > before.Locked || after.Reason != nil {
		t.Errorf("after wiping: %+v, before: %+v", after, before)
	}
}

func TestManyAtOnceNeverSeeEachOthersKeys(t *testing.T) {
	const workers, each = 2000, 20
	shared := New()
	want := *shared.Bytes()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			mine, err := From(bytes.Repeat([]byte{byte(w), byte(w >> 8)}, Size/2))
			if err != nil {
				t.Error(err)
				return
			}
			for i := range each {
				other := mine.Derive("other")
				if i%2 == 0 {
					other.Wipe() // else the collector finds it
				}
				mine.Use(func(b []byte) {
					if b[0] != byte(w) || b[Size-1] != byte(w>>8) {
						t.Error("somebody else's key")
					}
				})
				shared.Use(func(b []byte) {
					if [Size]byte(b) != want {
						t.Error("the shared key changed")
					}
				})
			}
			mine.Wipe()
		})
	}
	wg.Wait()
}

func TestWipingRacesWithUse(t *testing.T) {
	a := ours()
	for range 300 {
		p := a.take()
		copy(p.bytes, bytes.Repeat([]byte{9}, Size))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if p.enter() {
					defer p.leave()
					if p.bytes[0] != 9 || p.bytes[Size-1] != 9 {
						t.Error("wiped under its user")
					}
				}
			})
		}
		wg.Go(p.wipe)
		wg.Go(p.wipe)
		wg.Wait()
		if a.used() != 0 {
			t.Fatal("not given back, or twice")
		}
	}
}

func TestSecretsAreKeptWhereTheKernelRefusesAndStatusSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name   string
		refuse func(k *calls)
		want   Status
		says   string
	}{
		{"no more may be locked", func(k *calls) { k.lock = func([]byte) error { return syscall.ENOMEM } },
			Status{Open: chunkSize}, "lock 65536 bytes of secrets in memory: cannot allocate memory"},
		{"dumps cannot be told to leave them out", func(k *calls) { k.hide = func([]byte) error { return syscall.EINVAL } },
			Status{Locked: chunkSize}, "keep secrets out of dumps"},
		{"no pages of our own", func(k *calls) { k.reserve = func(int) ([]byte, error) { return nil, syscall.EAGAIN } },
			Status{Open: chunkSize}, "reserve 65536 bytes for secrets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := kernel()
			c.refuse(&k)
			a := newArena(k)
			p := a.take()
			copy(p.bytes, "works all the same")
			s := a.pages.Status()
			reason := s.Reason
			s.Reason = nil
			if s != c.want || reason == nil || !strings.Contains(reason.Error(), c.says) {
				t.Errorf("status %+v, %v", s, reason)
			}
			b := a.pages.get(10)
			a.pages.giveBack(b)
			if again := a.pages.Status(); again.Open != c.want.Open || again.Locked != c.want.Locked || again.Reason == nil {
				t.Errorf("after a buffer came and went: %+v", again)
			}
			p.wipe()
		})
	}
}

func TestMemoryThatCannotBeFreedIsToldAndWiped(t *testing.T) {
	k := kernel()
	k.release = func([]byte) error { return errors.New("stuck") }
	a := newArena(k)
	b := a.pages.get(1)
	b[0] = 1
	a.pages.giveBack(b)
	if s := a.pages.Status(); b[0] != 0 || s.Reason == nil || s.Locked != int64(len(b)) {
		t.Errorf("status %+v, first byte %d", s, b[0])
	}
}
