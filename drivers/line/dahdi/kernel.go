package dahdi

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// system is what is asked of the kernel. Nothing in it writes.
type system interface {
	open(path string) (fd int, err error)
	close(fd int) error
	read(fd int, p []byte) (int, error)
	ioctl(fd int, request uint, arg []byte) error
	poll(fds []unix.PollFd, timeout time.Duration) error
}

// kernel is the real one.
type kernel struct{}

func (kernel) open(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	return fd, nil
}

func (kernel) close(fd int) error { return unix.Close(fd) }

func (kernel) read(fd int, p []byte) (int, error) { return unix.Read(fd, p) }

func (kernel) ioctl(fd int, request uint, arg []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&arg[0])))
	if errno != 0 {
		return errno
	}
	return nil
}

func (kernel) poll(fds []unix.PollFd, timeout time.Duration) error {
	_, err := unix.Poll(fds, int(timeout/time.Millisecond))
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}
