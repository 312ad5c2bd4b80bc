package library

import (
	"errors"
	"fmt"
	"testing"

	"linekeep/vault/folder"
)

// TestSomebodyWhoReadsIsNoErrorUntilItLasts: an alarm for each month that is dropped or listened to would teach the office to look away.
// What else is in the way is told at once, beside it, too.
func TestSomebodyWhoReadsIsNoErrorUntilItLasts(t *testing.T) {
	also, other := errors.New("not compared yet"), errors.New("not kept")
	busy := errors.Join(fmt.Errorf("compare: %w", folder.ErrBusy), errors.Join(nil, fmt.Errorf("recording 4-1: %w", also)), fmt.Errorf("open: %w", errLate))
	var p Patience
	for range 2 { // the second time after it was over
		for range patience {
			if !p.Bears(busy, also) {
				t.Fatal("told of somebody who reads")
			}
		}
		if p.Bears(nil, also) {
			t.Error("nothing is in the way, and that is waited for")
		}
	}
	for range patience {
		p.Bears(busy, also)
	}
	if p.Bears(busy, also) {
		t.Error("not told of somebody who reads without end")
	}
	p.Bears(nil, also)
	for _, err := range []error{errors.Join(busy, other), fmt.Errorf("write: %w", other)} {
		if p.Bears(err, also) {
			t.Errorf("not told of: %v", err)
		}
	}
}
