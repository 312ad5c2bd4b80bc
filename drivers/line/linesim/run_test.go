package linesim_test

import (
	"context"
	"testing"

	"linekeep/drivers/line/linesim"
)

// running does something while the source runs.
func running(t *testing.T, s *linesim.Source, do func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1) // one: Run returns once
	go func() { ended <- s.Run(ctx) }()
	do()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
