package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/vault/folder"
	"linekeep/vault/vaulttest/talk"
)

// TestSomebodyWhoReadsIsNoErrorUntilItLasts: a month that is being dropped or listened to is read for a while, and an alarm for each
// would teach the office to look away. What else is in the way is told at once, beside it, too.
func TestSomebodyWhoReadsIsNoErrorUntilItLasts(t *testing.T) {
	r := newRig(t)
	var said bytes.Buffer
	r.store.cfg.Log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError}))
	busy := errors.Join(fmt.Errorf("compare: %w", folder.ErrBusy), errors.Join(nil, fmt.Errorf("recording 4-1: %w", errUncompared)))
	quiet := func(want bool) {
		t.Helper()
		if why := r.store.Status().MoveError; (said.Len() == 0 && why == "") != want {
			t.Fatalf("told: %s, status %q", &said, why)
		}
	}
	for range patience {
		r.store.told(t.Context(), busy)
	}
	quiet(true)
	r.store.told(t.Context(), nil) // it was over
	for range patience {
		r.store.told(t.Context(), busy)
	}
	quiet(true)
	r.store.told(t.Context(), busy)
	quiet(false)
	said.Reset()
	r.store.told(t.Context(), nil)
	quiet(true)
	r.store.told(t.Context(), errors.Join(busy, ErrNotKept))
	quiet(false)
	if !strings.Contains(said.String(), ErrNotKept.Error()) {
		t.Errorf("told: %s", &said)
	}
}

// TestACallIsFiledOnceWhoeverReadsInItsMonthIsDone, and the mover waits for them only once in a pass.
func TestACallIsFiledOnceWhoeverReadsInItsMonthIsDone(t *testing.T) {
	r := newRig(t)
	r.speak(talk.New(1, time.Now()), 10, true, true)
	r.store.pass(t.Context())
	names, err := r.months.Names()
	if err != nil || len(names) != 1 {
		t.Fatalf("months: %v, %v", names, err)
	}
	if err := r.months.Close(); err != nil { // so that it is open for reading only
		t.Fatal(err)
	}
	_, listened, err := r.months.Use(t.Context(), names[0], false)
	if err != nil {
		t.Fatal(err)
	}
	for call := range 5 {
		r.speak(talk.New(segment.Call(call+2), time.Now()), 10, true, true)
	}
	began := time.Now()
	r.store.pass(t.Context())
	if took := time.Since(began); took > 2*time.Second || len(r.store.recordings()) != 5 {
		t.Errorf("a pass beside somebody who reads took %v; %d recordings wait", took, len(r.store.recordings()))
	}
	listened()
	r.store.pass(t.Context())
	if n := len(r.store.recordings()); n > 0 {
		t.Errorf("%d recordings wait for nobody", n)
	}
}
