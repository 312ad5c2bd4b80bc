package isdn_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/isdn"
	"linekeep/drivers/isdn/isdntest"
	"linekeep/drivers/line"
)

// play gives frames to a new tracker, and then a quarter of a minute of nothing.
func play(t testing.TB, frames []isdn.Frame) ([]isdn.Event, isdn.Counts) {
	t.Helper()
	tracker, err := isdn.New(isdn.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var events []isdn.Event
	for _, f := range frames {
		events = tracker.Frame(f, events)
	}
	last := frames[len(frames)-1]
	events = tracker.Advance(last.At+line.RateHz, last.Heard.Add(time.Second), events)
	if err := isdntest.Check(events); err != nil {
		t.Error(err)
	}
	return events, tracker.Counts()
}

func outcome(events []isdn.Event) string {
	var b strings.Builder
	for _, o := range isdntest.Outcomes(events) {
		b.WriteString(o.String() + "\n")
	}
	return b.String()
}

func want(s isdntest.Script) string { return strings.Join(s.Want, "\n") + "\n" }

func TestEveryScriptIsFollowed(t *testing.T) {
	for _, s := range isdntest.Scripts() {
		t.Run(s.Name, func(t *testing.T) {
			events, counts := play(t, s.Wire().Frames)
			if got := outcome(events); got != want(s) {
				t.Errorf("\n got %swant %s%+v", got, want(s), counts)
			}
		})
	}
}

// TestTheDirectionsMayArriveSwapped: a tap hears the two directions apart, and each frame may come before the one just
// before it of the other direction. Every such order of a script ends the same.
func TestTheDirectionsMayArriveSwapped(t *testing.T) {
	orders := 0
	for _, s := range isdntest.Scripts() {
		t.Run(s.Name, func(t *testing.T) {
			frames := s.Wire().Frames
			for _, swapped := range interleavings(frames) {
				orders++
				if events, counts := play(t, swapped); outcome(events) != want(s) {
					t.Fatalf("order %s\n got %swant %s%+v", describe(swapped), outcome(events), want(s), counts)
				}
			}
		})
	}
	t.Logf("%d orders", orders)
}

// close is within which two frames may be swapped.
const near = 20 * isdntest.Millisecond

// maxOrders is how many orders of one script are tried; past that, single swaps and chance.
const maxOrders = 3000

// interleavings are the orders in which the frames may arrive: any number of adjacent pairs swapped, each frame once.
func interleavings(frames []isdn.Frame) [][]isdn.Frame {
	var places []int
	for i := range len(frames) - 1 {
		if a, b := frames[i], frames[i+1]; a.From != b.From && b.At-a.At <= near {
			places = append(places, i)
		}
	}
	var all [][]isdn.Frame
	var choose func(from int, chosen []int)
	choose = func(from int, chosen []int) {
		if len(all) >= maxOrders {
			return
		}
		all = append(all, swap(frames, chosen))
		for i := from; i < len(places); i++ {
			if n := len(chosen); n == 0 || places[i] > chosen[n-1]+1 {
				choose(i+1, append(chosen[:n:n], places[i]))
			}
		}
	}
	choose(0, nil)
	if len(all) < maxOrders {
		return all
	}
	for _, p := range places {
		all = append(all, swap(frames, []int{p}))
	}
	r := rand.New(rand.NewPCG(1, uint64(len(frames))))
	for range maxOrders {
		var chosen []int
		for _, p := range places {
			if n := len(chosen); r.IntN(3) == 0 && (n == 0 || p > chosen[n-1]+1) {
				chosen = append(chosen, p)
			}
		}
		all = append(all, swap(frames, chosen))
	}
	return all
}

// swap exchanges pairs; what arrives first has the earlier place.
func swap(frames []isdn.Frame, pairs []int) []isdn.Frame {
	out := append([]isdn.Frame(nil), frames...)
	for _, i := range pairs {
		a, b := out[i], out[i+1]
		a.At, b.At, a.Heard, b.Heard = b.At, a.At, b.Heard, a.Heard
		out[i], out[i+1] = b, a
	}
	return out
}

func describe(frames []isdn.Frame) string {
	var b strings.Builder
	for _, f := range frames {
		fmt.Fprintf(&b, "\n  %7d %v % x", f.At, f.From, f.Data)
	}
	return b.String()
}

// TestAcknowledgementsChangeNothing: frames RR between the others carry no message, and swap like them.
func TestAcknowledgementsChangeNothing(t *testing.T) {
	for _, s := range isdntest.Scripts() {
		w := isdntest.Basic()
		if s.Primary {
			w = isdntest.Primary()
		}
		w.Acks = true
		if strings.Contains(s.Name, "again") || strings.Contains(s.Name, "missed") || strings.Contains(s.Name, "unheard") {
			continue // these take back or repeat the newest frame
		}
		s.Play(w)
		events, counts := play(t, w.Frames)
		if got := outcome(events); got != want(s) {
			t.Errorf("%s\n got %swant %s%+v", s.Name, got, want(s), counts)
		}
	}
}
