package secret

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// kernel asks Linux. Only these pages are locked, never the process: mlockall would lock Badger's maps and the whole
// heap too, far past any limit. A child gets none of them (DONTFORK): exec would drop them anyway, and a library that
// forks without exec had better crash on them than go on with empty keys (WIPEONFORK).
func kernel() calls {
	return calls{
		pageSize: os.Getpagesize(),
		reserve: func(n int) ([]byte, error) {
			return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		},
		lock: unix.Mlock,
		hide: func(b []byte) error {
			return errors.Join(unix.Madvise(b, unix.MADV_DONTDUMP), unix.Madvise(b, unix.MADV_DONTFORK))
		},
		release: unix.Munmap, // which unlocks
	}
}
