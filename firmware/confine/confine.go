// Package confine keeps what a process has in memory inside it: no core dumps, nobody of the same user may trace it, and
// word of swap, through which locked pages do not go but all others do.
//
//	In:    the process itself; /proc/swaps
//	Out:   a Process, which says what could not be had
//	Owner: plain values; no goroutine
//	Full:  nothing is kept
//
// A box with swap still records: what is found here is an alarm (firmware/health), never a reason to stop.
package confine

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// swapsFile is where Linux lists what it swaps to.
const swapsFile = "/proc/swaps"

// Process is how this process is confined.
type Process struct {
	// Dumpable says why a copy of the memory can still be made of it by other means than root's; nil: it cannot.
	Dumpable error
	swaps    string
}

// kernel is what is asked of the kernel, so that a test can refuse it.
type kernel struct {
	noCores   func() error         // an upper limit of 0 on core files
	noDumps   func() error         // neither core_pattern's program nor ptrace gets anything
	dumpable  func() (bool, error) // what the kernel says afterwards
	coreLimit func() (uint64, error)
	swaps     string
}

func linux() kernel {
	return kernel{
		noCores: func() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) },
		noDumps: func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) },
		dumpable: func() (bool, error) {
			n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
			return n != 0, err
		},
		coreLimit: func() (uint64, error) {
			var l unix.Rlimit
			err := unix.Getrlimit(unix.RLIMIT_CORE, &l)
			return l.Max, err
		},
		swaps: swapsFile,
	}
}

// Apply confines this process for good, and says what could not be had. It is the first thing a program with keys does:
// what happens before it can be dumped. Where core_pattern leads does not matter then: a process that is not dumpable
// gets no core, also through a pipe, which would not heed the limit.
func Apply() Process { return apply(linux()) }

func apply(k kernel) Process {
	p := Process{swaps: k.swaps}
	fault := errors.Join(k.noCores(), k.noDumps())
	// Asked again, because what counts is what the kernel does, not what it was told.
	if yes, err := k.dumpable(); err != nil || yes {
		fault = errors.Join(fault, err, errors.New("the kernel says that it can be dumped"))
	}
	if limit, err := k.coreLimit(); err != nil || limit != 0 {
		fault = errors.Join(fault, err, fmt.Errorf("core files may have %d bytes", limit))
	}
	if fault != nil {
		p.Dumpable = fmt.Errorf("confine the process: %w", fault)
	}
	return p
}

// Swaps are the devices and files that memory is swapped to now; zram counts too, because what is in it can be read
// by whoever reads the memory, long after the page was freed. With an error it is not known.
func (p Process) Swaps() ([]string, error) {
	if p.swaps == "" { // never applied
		return nil, nil
	}
	data, err := os.ReadFile(p.swaps)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // a kernel that cannot swap
	}
	if err != nil {
		return nil, fmt.Errorf("look for swap: %w", err)
	}
	return parseSwaps(string(data))
}

// parseSwaps reads /proc/swaps: a heading, then a line for each place.
func parseSwaps(text string) ([]string, error) {
	var places []string
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fields := strings.Fields(line)
		if i == 0 {
			if len(fields) == 0 || fields[0] != "Filename" {
				return nil, fmt.Errorf("look for swap: %s begins with %.40q", swapsFile, line)
			}
			continue
		}
		if len(fields) == 0 {
			continue
		}
		places = append(places, strings.ReplaceAll(fields[0], `\040`, " "))
	}
	return places, nil
}
