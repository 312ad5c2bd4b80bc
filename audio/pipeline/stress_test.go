package pipeline

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/segment"
)

// TestAFrameAllocatesNothing counts what a whole running pipeline allocates in ten seconds: eight lines, all in a call.
func TestAFrameAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lines, seconds = 8, 10
		var configs []LineConfig
		for i := range lines {
			configs = append(configs, LineConfig{ID: string(rune('a' + i)), Line: &endlessLine{start: time.Now()}, Call: call.Defaults()})
		}
		var before, after runtime.MemStats
		run(t, configs, nothing{}, stampEncoder, 0, func(*Pipeline) {
			wait(20 * time.Second) // buffers have found their size
			runtime.ReadMemStats(&before)
			<-time.After(seconds * time.Second)
			runtime.ReadMemStats(&after)
		})
		if per := float64(after.Mallocs-before.Mallocs) / (lines * seconds * 50); per > 0.05 {
			t.Errorf("%.3f allocations for each frame, expected none but those of the ticks", per)
		}
	})
}

// TestStatusAndPauseMayBeAskedFromAnywhere is for the race detector.
func TestStatusAndPauseMayBeAskedFromAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := []LineConfig{
			{ID: "a", Line: &endlessLine{start: time.Now()}, Call: quick()},
			{ID: "b", Line: twoWay().say(true, 10*time.Second), Call: quick(), Lookback: time.Second},
		}
		run(t, lines, nothing{}, stampEncoder, 0, func(p *Pipeline) {
			stop := make(chan struct{})
			for range 3 {
				go func() {
					var status []LineStatus
					for {
						select {
						case <-stop:
							return
						case <-time.After(7 * time.Millisecond):
						}
						status = p.Status(status)
						p.Totals()
						p.Pause("b")
						p.Resume("b")
					}
				}()
			}
			wait(5 * time.Second)
			close(stop)
			status := p.Status(nil)
			if status[0].State != StateCall || status[0].Sides[0].Level < -20 || status[0].LastFrame.IsZero() {
				t.Errorf("status %+v", status[0])
			}
		})
	})
}

// nothing is a sink that keeps nothing.
type nothing struct{}

func (nothing) Commit(context.Context, *segment.Group) error { return nil }
