//go:build cgo

package spandsp

/*
#cgo pkg-config: spandsp
#cgo LDFLAGS: -lm
#cgo noescape lk_feed
#cgo nocallback lk_feed
#cgo noescape lk_take
#cgo nocallback lk_take
#include "detect.h"
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Detector is the receivers of one channel.
type Detector struct {
	c    *C.struct_lk_detector
	next C.struct_lk_event
}

// New makes the receivers. Free must be called.
func New(s Setup) (*Detector, error) {
	setup := C.struct_lk_setup{least: C.int32_t(s.Least), caller: C.int32_t(s.Caller), cutoff: C.float(s.Cutoff)}
	if s.Digits {
		setup.digits = 1
	}
	for i, hz := range s.Notches {
		setup.notch[i] = C.float(hz)
	}
	elements := make([]C.struct_lk_element, len(s.Elements))
	for i, e := range s.Elements {
		if e.Receiver < 0 || e.Receiver >= Receivers {
			return nil, errors.New("spandsp: no such tone receiver")
		}
		elements[i] = C.struct_lk_element{receiver: C.int32_t(e.Receiver), tone: C.int32_t(e.Tone), f1: C.int32_t(e.F1), f2: C.int32_t(e.F2),
			min_ms: C.int32_t(e.Min), max_ms: C.int32_t(e.Max)}
	}
	c := C.lk_new(&setup, unsafe.SliceData(elements), C.int(len(elements)))
	if c == nil {
		return nil, errors.New("spandsp: out of memory")
	}
	return &Detector{c: c}, nil
}

// Feed takes sound and says how many events wait.
func (d *Detector) Feed(samples []int16) int {
	return int(C.lk_feed(d.c, (*C.int16_t)(unsafe.SliceData(samples)), C.int(len(samples))))
}

// Skip moves the timeline on by sound that is not there.
func (d *Detector) Skip(samples int64) { C.lk_skip(d.c, C.int64_t(samples)) }

// Take fetches the oldest event.
func (d *Detector) Take(e *Event) bool {
	if C.lk_take(d.c, &d.next) == 0 {
		return false
	}
	n := &d.next
	e.Kind, e.Code, e.Receiver, e.Level = int(n.kind), int(n.code), int(n.receiver), int(n.level)
	e.From, e.At, e.Size = int64(n.from), int64(n.at), int(n.size)
	if e.Kind == Caller {
		copy(e.Message[:], unsafe.Slice((*byte)(&n.message[0]), e.Size))
	}
	return true
}

// Lost is how many events found no room.
func (d *Detector) Lost() uint64 { return uint64(C.lk_lost(d.c)) }

// Free gives the C memory back. The Detector must not be used after it.
func (d *Detector) Free() { C.lk_free(d.c); d.c = nil }
