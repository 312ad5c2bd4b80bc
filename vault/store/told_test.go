package store

import (
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/vault/vaulttest/talk"
)

// TestACallIsFiledOnceWhoeverReadsInItsMonthIsDone.
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
	if took := time.Since(began); took > 10*time.Second || len(r.store.recordings()) != 5 {
		t.Errorf("a pass beside somebody who reads took %v; %d recordings wait", took, len(r.store.recordings()))
	}
	listened()
	r.store.pass(t.Context())
	if n := len(r.store.recordings()); n > 0 {
		t.Errorf("%d recordings wait for nobody", n)
	}
}
