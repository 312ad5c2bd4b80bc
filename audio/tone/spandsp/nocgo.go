//go:build !cgo

package spandsp

import "errors"

// Detector is never made in a build without cgo, which cannot reach libspandsp.
type Detector struct{}

// New reports that there is no libspandsp.
func New(Setup) (*Detector, error) {
	return nil, errors.New("built without cgo: libspandsp cannot be reached")
}

// Feed takes nothing.
func (*Detector) Feed([]int16) int { return 0 }

// Skip has no timeline.
func (*Detector) Skip(int64) {}

// Take has nothing.
func (*Detector) Take(*Event) bool { return false }

// Lost is 0.
func (*Detector) Lost() uint64 { return 0 }

// Free has nothing to give back.
func (*Detector) Free() {}
