//go:build !cgo

package alsa

import (
	"errors"
	"time"
)

// noCard stands for every device in a build without cgo, which cannot reach ALSA.
type noCard struct{}

func openALSA(Device) card { return noCard{} }

func (noCard) open(time.Time, *counters) (*capture, error) {
	return nil, errors.New("built without cgo: ALSA cannot be reached")
}

func (noCard) shut() {}

func (noCard) free() {}

// CHeapBytes is 0 where there is no C.
func CHeapBytes() int { return 0 }
