package pipeline

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/call"
	"linekeep/drivers/line"
)

// TestEveryLineIsPolledOnceHoweverManyHelp wakes all workers for each poll, which no other test does: in a bubble no
// time passes while one works, so nobody is ever needed to help.
func TestEveryLineIsPolledOnceHoweverManyHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []LineConfig
		for i := range 9 {
			lines = append(lines, LineConfig{ID: fmt.Sprint(i), Line: &endlessLine{start: time.Now()}, Call: call.Defaults()})
		}
		p, err := New(Config{NewEncoder: stampEncoder, Workers: 4}, lines, nothing{}, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var sleepers sync.WaitGroup
		for i := 1; i < len(p.crew.workers); i++ {
			sleepers.Go(func() { p.crew.sleep(i) })
		}
		var heard line.Samples
		for range 100 {
			wait(pollEvery)
			p.crew.work = time.Hour
			p.crew.poll(time.Now(), true)
			p.cut()
			for i := range p.building.Segments {
				s := &p.building.Segments[i]
				if err := s.Check(); err != nil {
					t.Error(err)
				}
				if s.Call == 1 {
					heard += s.Len
				}
			}
			p.building.clear()
		}
		close(p.crew.wake)
		sleepers.Wait()
		if heard < 49_000 {
			t.Errorf("%d samples of a line in 6.25 s", heard)
		}
	})
}

func TestMoreHelpIsWokenTheMoreThereWasToDo(t *testing.T) {
	c := newCrew(8, make([]*lane, 20))
	for work, want := range map[time.Duration]int{0: 0, alone - 1: 0, alone: 1, 3 * alone: 3, time.Hour: 7} {
		c.work = work
		if got := c.helpers(); got != want {
			t.Errorf("%v of work: %d helpers, expected %d", work, got, want)
		}
	}
}
