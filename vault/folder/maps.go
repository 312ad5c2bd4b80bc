package folder

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// region is a piece of this process's memory that shows a file.
type region struct{ from, to uintptr }

// regions are the maps of this folder's files with the given ending.
func (f *Folder) regions(ext string) (found []region, err error) {
	file, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		at := strings.IndexByte(lines.Text(), '/')
		if at < 0 {
			continue
		}
		path := lines.Text()[at:]
		if filepath.Dir(path) != f.path || filepath.Ext(path) != ext {
			continue
		}
		var r region
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x", &r.from, &r.to); err != nil {
			return nil, fmt.Errorf("reading /proc/self/maps: %w", err)
		}
		found = append(found, r)
	}
	return found, lines.Err()
}

// advise calls madvise(2) by number: x/sys wants a slice, and making one of an address is not Go's way.
func (r region) advise(advice int) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, uintptr(advice)); errno != 0 {
		return errno
	}
	return nil
}

// calm tells the kernel not to read ahead in logs being written. The fault path fills the page cache with folios
// of read-ahead size, and each msync then writes whole folios: without this a commit of 192 KB wrote five times
// that (measured at read_ahead_kb 8192). It is advice, so a failure costs speed and nothing else; wrong by a
// race with Badger, it does nothing at all.
func (f *Folder) calm() {
	for _, ext := range []string{".mem", ".vlog"} {
		found, err := f.regions(ext)
		if err != nil {
			return
		}
		for _, r := range found {
			_ = r.advise(unix.MADV_RANDOM)
		}
	}
}

// forget gives the pages of value logs back to the kernel's cache, so that they do not count as ours: Badger
// keeps every log mapped, and what was written or played once would stay resident. Only value logs, and only
// under f.mu: this advice at a wrong address would empty memory of Go's, and nothing but a Put (which waits)
// moves or unmaps a value log.
func (f *Folder) forget() error {
	found, err := f.regions(".vlog")
	if err != nil {
		return err
	}
	for _, r := range found {
		if err := r.advise(unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("giving pages back: %w", err)
		}
	}
	return nil
}
