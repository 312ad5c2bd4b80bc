package scrub

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestReadingIsNoFasterThanTheRateAlsoAfterASlowStretch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := pacer()
		const minute = 180 << 10 // of sound
		read := func() time.Duration {
			began := time.Now()
			for range 1000 {
				if err := pace(t.Context(), minute); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(began)
		}
		want := time.Duration(1000*minute) * time.Second / Rate
		if took := read(); took < want-want/20 || took > want+want/20 {
			t.Errorf("%d MB took %v, want %v", 1000*minute>>20, took, want)
		}
		time.Sleep(time.Hour) // the disk hung; virtual time
		if took := read(); took < want-want/20 {
			t.Errorf("after an hour in which nothing came, %d MB took %v: a burst, which the recorder waits for", 1000*minute>>20, took)
		}
	})
}
