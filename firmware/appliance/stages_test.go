package appliance

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// told runs until it is stopped and then takes a while to finish, as a stage that drains does.
func told(name string, order chan<- string, drain time.Duration) stage {
	return stage{name: name, run: func(ctx context.Context) error {
		order <- "start " + name
		<-ctx.Done()
		time.Sleep(drain)
		order <- "stop " + name
		return nil
	}}
}

func TestStagesStartFromTheRightAndStopFromTheLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order := make(chan string, 6) // two words from each of three stages
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- run(ctx, slog.New(slog.DiscardHandler), []stage{
				told("lines", order, 3*time.Second), told("pipeline", order, 2*time.Second), told("vault", order, time.Second)})
		}()
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Fatalf("run: %v", err)
		}
		close(order)
		var got []string
		for word := range order {
			if !strings.HasPrefix(word, "start ") {
				got = append(got, word)
			}
		}
		if want := "stop lines,stop pipeline,stop vault"; strings.Join(got, ",") != want {
			t.Errorf("order of stopping: got %v, want %s", got, want)
		}
	})
}

func TestAStageThatEndsByItselfStopsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order := make(chan string, 4)
		broken := errors.New("no disk")
		err := run(t.Context(), slog.New(slog.DiscardHandler), []stage{
			told("lines", order, 0),
			{name: "vault", run: func(context.Context) error { return broken }},
		})
		if !errors.Is(err, broken) || !errors.Is(err, errFell) {
			t.Errorf("run: got %v, want both the part's error and that it ended by itself", err)
		}
	})
}
