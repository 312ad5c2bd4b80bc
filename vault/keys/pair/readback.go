package pair

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// directBlock is the alignment that reading past the page cache wants of memory and length: that of the largest
// sector in use.
const directBlock = 4096

// ReadBack reads a file from the medium (O_DIRECT), not from what the kernel remembers of having written it: a disk
// that lies or is full of bad blocks must be noticed before the old state is given up. Where the file system
// refuses that (tmpfs, overlays), the kernel is asked to forget the file first, which it may not do; direct is false then.
func (d Disk) ReadBack(path string) (data []byte, direct bool, err error) {
	data, err = readDirect(path)
	if err == nil || !errors.Is(err, unix.EINVAL) {
		return data, err == nil, err
	}
	data, err = readForgotten(path)
	return data, false, err
}

func readDirect(path string) (data []byte, err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	// One block more than the file, so that its end shows as a short read.
	size := (int(info.Size())/directBlock + 2) * directBlock
	room := make([]byte, size+directBlock)
	aligned := room[-uintptr(unsafe.Pointer(&room[0]))%directBlock:][:size] // the address is looked at, and nothing else
	n := 0
	for n < size {
		got, err := file.Read(aligned[n:])
		n += got
		if errors.Is(err, io.EOF) || err == nil && got%directBlock != 0 {
			return aligned[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s grew while it was read", path)
}

func readForgotten(path string) (data []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return nil, fmt.Errorf("forget %s: %w", path, err)
	}
	return io.ReadAll(file)
}
