//go:build rig

package guest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"linekeep/scripts/rig/bench"
)

func dahdi(t *testing.T) {
	t.Helper()
	if err := bench.LoadDAHDI(); err != nil {
		t.Fatal(err)
	}
}

// channel opens one for the length of the test.
func channel(t *testing.T, number int, open func(int) (*bench.Channel, error)) *bench.Channel {
	t.Helper()
	c, err := open(number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAllDAHDIModulesLoadAndTheirSpansAreThere(t *testing.T) {
	dahdi(t)
	modules, _ := filepath.Glob("/lib/modules/*/extra/*.ko")
	if len(modules) < 3 {
		t.Fatalf("only %v were built", modules)
	}
	for _, m := range modules {
		if err := bench.Modprobe(strings.TrimSuffix(filepath.Base(m), ".ko")); err != nil {
			t.Error(err)
		}
	}
	for first, channels := range map[int]int{bench.SpanPRI: 31, bench.SpanAnalogue: 16, bench.SpanBRI: 3, bench.SpanFragile: 2} {
		for n := first; n < first+4; n++ {
			s, err := bench.SpanOf(n)
			if err != nil {
				t.Error(err)
			} else if s.Channels != channels || s.Alarms != 0 {
				t.Errorf("span %d: got %d channels and alarms %#x, want %d and none", n, s.Channels, s.Alarms, channels)
			}
		}
	}
}

const (
	soundBytes = 80_000
	block      = 800
)

func TestRandomSoundArrivesBitExactAtTheFarEndAndAtBothTaps(t *testing.T) {
	dahdi(t)
	line := bench.PRI(1)
	fromOffice, fromExchange := make([]byte, soundBytes), make([]byte, soundBytes)
	rand.Read(fromOffice)
	rand.Read(fromExchange)
	office, exchange := channel(t, line.Office, bench.Open), channel(t, line.Exchange, bench.Open)
	tapOffice, tapExchange := channel(t, line.FromOffice, bench.Listen), channel(t, line.FromExchange, bench.Listen)
	// 3.2 s each way: a speaker who is late is heard as a gap by all, and that is the rig's starvation.
	for _, c := range []*bench.Channel{office, exchange, tapOffice, tapExchange} {
		if err := c.Audio(block, 32); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	hear := func(what string, c *bench.Channel, want []byte) {
		all.Go(func() {
			if err := hears(c, want); err != nil {
				t.Errorf("%s: %v (%d read overruns)", what, err, c.ReadOverruns.Load())
			}
		})
	}
	hear("the exchange", exchange, fromOffice)
	hear("the tap of the office", tapOffice, fromOffice)
	hear("the office", office, fromExchange)
	hear("the tap of the exchange", tapExchange, fromExchange)
	all.Go(func() { speak(t, office, fromOffice) })
	all.Go(func() { speak(t, exchange, fromExchange) })
	all.Wait()
}

// speak says the sound, and then what lets the last of it out of the buffers.
func speak(t *testing.T, c *bench.Channel, sound []byte) {
	t.Helper()
	sound = append(slices.Clone(sound), bytes.Repeat([]byte{0xd5}, 40*block)...)
	for piece := range slices.Chunk(sound, block) {
		if _, err := c.Write(piece); err != nil {
			t.Errorf("speak: %v", err)
			return
		}
	}
}

// hears wants the sound at some place in what the channel hears, whole.
func hears(c *bench.Channel, want []byte) error {
	const mark = 64 // bytes by which its beginning is known
	var heard []byte
	buf := make([]byte, 8192)
	at := -1
	for at < 0 || len(heard)-at < len(want) {
		n, err := c.Read(buf)
		if err != nil {
			return fmt.Errorf("after %d bytes, begun at %d: %w", len(heard), at, err)
		}
		heard = append(heard, buf[:n]...)
		if at < 0 {
			at = bytes.Index(heard, want[:mark])
		}
		if at < 0 && len(heard) > 2*len(want) {
			return errors.New("it never began")
		}
	}
	got := heard[at : at+len(want)]
	for i := range want {
		if got[i] != want[i] {
			return fmt.Errorf("it differs from byte %d of %d on", i, len(want))
		}
	}
	return nil
}

func TestFramesOfADChannelArriveWithARightFCSAtTheFarEndAndAtTheTap(t *testing.T) {
	dahdi(t)
	for name, line := range map[string]bench.Tapped{"primary rate": bench.PRI(bench.PRIDChannel), "basic rate": bench.BRI(3)} {
		office, exchange := channel(t, line.Office, bench.Open), channel(t, line.Exchange, bench.Open)
		tapOffice, tapExchange := channel(t, line.FromOffice, bench.Listen), channel(t, line.FromExchange, bench.Listen)
		for _, c := range []*bench.Channel{office, exchange, tapOffice, tapExchange} {
			if err := c.Frames(); err != nil {
				t.Fatal(err)
			}
		}
		for _, way := range []struct {
			what     string
			from     *bench.Channel
			far, tap *bench.Channel
			frames   [][]byte
		}{
			{"from the office", office, exchange, tapOffice, someFrames()},
			{"from the exchange", exchange, office, tapExchange, someFrames()},
		} {
			for _, f := range way.frames {
				if err := way.from.SendFrame(f); err != nil {
					t.Fatalf("%s, %s: %v", name, way.what, err)
				}
			}
			for where, c := range map[string]*bench.Channel{"the far end": way.far, "the tap": way.tap} {
				for i, want := range way.frames {
					got, err := c.ReadFrame()
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%s, %s, frame %d at %s: got %x (%v), want %x", name, way.what, i, where, got, err, want)
					}
				}
			}
		}
	}
}

func someFrames() [][]byte {
	frames := [][]byte{{0x02, 0x01, 0x7f, 0x00}}
	for n := 4; n < 260; n += 37 {
		f := make([]byte, n)
		rand.Read(f)
		frames = append(frames, f)
	}
	return frames
}

func TestALoopLineRingsIsAnsweredFlashesAndHangsUp(t *testing.T) {
	dahdi(t)
	line := bench.Loop(1)
	exchange, phone := channel(t, line.Exchange, bench.Open), channel(t, line.Office, bench.Open)
	tap := channel(t, line.FromExchange, bench.Listen)
	<-time.After(bench.RingDebounce) // a ring that comes sooner is not told
	await := func(c *bench.Channel, e bench.Event, within time.Duration) {
		t.Helper()
		if _, err := c.Await(e, within); err != nil {
			t.Fatal(err)
		}
	}
	hook := func(c *bench.Channel, what int) {
		t.Helper()
		if err := c.Hook(what); err != nil {
			t.Fatal(err)
		}
	}
	hook(exchange, bench.HookRing)
	await(phone, bench.RingBegin, 10*time.Second)
	await(phone, bench.OffHook, 10*time.Second) // the end of a burst
	await(tap, bench.BitsChanged, 10*time.Second)
	hook(phone, bench.HookOff)
	await(exchange, bench.OffHook, 10*time.Second)
	hook(exchange, bench.HookOff)
	hook(phone, bench.HookFlash)
	await(exchange, bench.WinkFlash, 10*time.Second)
	hook(phone, bench.HookOn)
	await(exchange, bench.OnHook, 10*time.Second)
	hook(exchange, bench.HookOn)
	// Another one, which the telephone begins and the exchange ends.
	hook(phone, bench.HookOff)
	await(exchange, bench.OffHook, 10*time.Second)
	hook(exchange, bench.HookOff)
	<-time.After(bench.RingDebounce) // a call of some length: what is shorter than a debounce is not told
	hook(exchange, bench.HookOn)
	await(phone, bench.OnHook, 10*time.Second)
	hook(phone, bench.HookOn)
}

func TestASpanWhoseFarEndIsTakenAwayHasAnAlarmUntilItIsBack(t *testing.T) {
	dahdi(t)
	line := bench.Fragile(1)
	office := channel(t, line.Office, bench.Open)
	if err := bench.DestroySpan(bench.FragileExchange); err != nil {
		t.Fatal(err)
	}
	if _, err := office.Await(bench.Alarm, 10*time.Second); err != nil {
		t.Error(err)
	}
	if s, err := bench.SpanOf(bench.SpanFragile); err != nil || s.Alarms&bench.AlarmRed == 0 {
		t.Errorf("span: got alarms %#x, %v; want red", s.Alarms, err)
	}
	number, err := bench.CreateSpan(bench.FragileExchange)
	if err != nil || number != bench.SpanFragile+1 {
		t.Fatalf("the span is back as %d, %v; want %d", number, err, bench.SpanFragile+1)
	}
	if _, err := office.Await(bench.NoAlarm, 10*time.Second); err != nil {
		t.Error(err)
	}
	office.Close()
	if err := bench.Configure(); err != nil {
		t.Fatal(err)
	}
	if s, err := bench.SpanOf(bench.SpanFragile); err != nil || s.Alarms != 0 {
		t.Errorf("span: got alarms %#x, %v; want none", s.Alarms, err)
	}
}
