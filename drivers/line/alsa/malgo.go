//go:build cgo

package alsa

/*
#cgo LDFLAGS: -lasound
#include <stdlib.h>
#include "probe.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gen2brain/malgo"

	"linekeep/drivers/line"
	"linekeep/drivers/line/alsa/decimate"
)

// malgoCard captures through malgo. It keeps one context for itself, so that a line logged by miniaudio, which does not say
// of which device, can only be of this one; and keeps it for its life, since malgo never gives back a context's log.
type malgoCard struct {
	cfg     Device
	context *malgo.AllocatedContext
	device  *malgo.Device
	current atomic.Pointer[capture]
	filters map[int]*decimate.Filter
	counts  *counters
}

func openALSA(d Device) card { return &malgoCard{cfg: d, filters: make(map[int]*decimate.Filter)} }

func (m *malgoCard) open(start time.Time, counts *counters) (*capture, error) {
	m.counts = counts
	f, err := probe(m.cfg.Name, m.cfg.needs())
	if err != nil {
		return nil, err
	}
	c := newCapture(f, start, counts)
	if c.filter, err = m.filter(f.rateHz); err != nil {
		return nil, err
	}
	if m.context == nil {
		m.context, err = malgo.InitContext([]malgo.Backend{malgo.BackendAlsa}, malgo.ContextConfig{}, m.logged)
		if err != nil {
			return nil, fmt.Errorf("start miniaudio: %w", err)
		}
	}
	m.current.Store(c)
	if err := m.start(c); err != nil {
		m.shut()
		return nil, err
	}
	return c, nil
}

// filter makes the filter for a rate once.
func (m *malgoCard) filter(rateHz int) (*decimate.Filter, error) {
	if rateHz == line.RateHz {
		return nil, nil
	}
	if m.filters[rateHz] == nil {
		f, err := decimate.NewFilter(rateHz)
		if err != nil {
			return nil, err
		}
		m.filters[rateHz] = f
	}
	return m.filters[rateHz], nil
}

func (m *malgoCard) start(c *capture) error {
	var id malgo.DeviceID
	copy(id[:maxNameBytes], m.cfg.Name)
	cfg := malgo.DefaultDeviceConfig(malgo.Capture)
	cfg.Capture.DeviceID = id.Pointer()
	defer C.free(cfg.Capture.DeviceID) // Pointer is a copy on C's heap, which nobody else frees; miniaudio copies it in turn
	cfg.Capture.Format = map[int]malgo.FormatType{2: malgo.FormatS16, 3: malgo.FormatS24, 4: malgo.FormatS32}[c.sampleBytes]
	cfg.Capture.Channels = uint32(c.channels)
	cfg.SampleRate = uint32(c.rateHz)
	cfg.PeriodSizeInFrames = uint32(c.periodFrames())
	cfg.Periods = periods
	// By default miniaudio makes all callbacks the same length, by putting a period of zeros in front.
	cfg.NoFixedSizedCallback = 1
	// The callback runs Go code, which has not asked for another arithmetic.
	cfg.NoDisableDenormals = 1
	device, err := malgo.InitDevice(m.context.Context, cfg, malgo.DeviceCallbacks{
		Data: func(_, sound []byte, frames uint32) { c.data(sound, frames) },
	})
	if err != nil {
		return fmt.Errorf("open at %d Hz: %w", c.rateHz, err)
	}
	m.device = device
	if err := device.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return nil
}

// shut stops the device and waits for its thread.
func (m *malgoCard) shut() {
	if m.device != nil {
		m.device.Uninit()
		m.device = nil
	}
	m.current.Store(nil)
}

func (m *malgoCard) free() {
	if m.context == nil {
		return
	}
	// Uninit of the ALSA backend only gives back memory; there is nothing to do about an error, and nobody to tell.
	if m.context.Uninit() == nil {
		m.context.Free()
	}
	m.context = nil
}

func (m *malgoCard) logged(message string) {
	m.counts.logLines.Add(1)
	if c := m.current.Load(); c != nil {
		c.logged(message)
	}
}

// probe asks a device how it can be opened: at the lowest rate we can use, 16 bits if it has them, with as few channels as
// serve. malgo would not say what the device itself offers; asked for anything else, miniaudio converts in between, badly.
func probe(name string, channels int) (format, error) {
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	var found C.struct_lk_format
	if err := C.lk_probe(cname, C.uint(channels), &found); err < 0 {
		return format{}, fmt.Errorf("look at the device: %w", alsaError(int(err)))
	}
	return format{rateHz: int(found.rate), channels: int(found.channels), sampleBytes: int(found.sample_bytes)}, nil
}

func alsaError(code int) error { return errors.New(C.GoString(C.lk_error(C.int(code)))) }

// CHeapBytes is how much of C's heap this process uses. Go's own figures leave it out, so a leak in miniaudio or alsa-lib
// would show nowhere else.
func CHeapBytes() int { return int(C.lk_heap_in_use()) }
