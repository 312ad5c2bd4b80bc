package badgerfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Bits of an entry's meta byte in Badger v4.9.6 (value.go).
const metaFinTxn = 1 << 7

// maxEntryHead is the longest head an entry can have.
const maxEntryHead = 22

// entryHeader is what stands before an entry's key and value, which are encrypted: meta, user meta, and as
// uvarints the lengths of key and value and the time of expiry. A CRC-32C over all of it follows.
type entryHeader struct {
	meta       byte
	size       int // of this head
	key, value uint64
}

func (h entryHeader) whole() int64 { return int64(h.size) + int64(h.key+h.value) + crc32.Size }

// parseHead reads a head; false when none stands there.
func parseHead(b []byte) (h entryHeader, ok bool) {
	if len(b) < 2 {
		return h, false
	}
	h.meta, h.size = b[0], 2
	var lens [3]uint64
	for i := range lens {
		v, n := binary.Uvarint(b[h.size:])
		if n <= 0 {
			return h, false
		}
		lens[i] = v
		h.size += n
	}
	h.key, h.value = lens[0], lens[1]
	return h, h.key > 0 && h.key <= 1<<16 && h.value < 1<<31
}

// walkLog is how far a log's entries follow each other, and whether only zeros follow after that. It streams: a
// value log is 64 MB and may not be held.
func walkLog(from io.Reader) (end int64, clean bool, err error) {
	r := bufio.NewReaderSize(from, 64<<10)
	if n, err := r.Discard(LogHeader); err != nil {
		return int64(n), false, ignoreEOF(err)
	}
	for end = LogHeader; ; {
		head, err := r.Peek(maxEntryHead)
		if err != nil && !errors.Is(err, io.EOF) {
			return end, false, err
		}
		h, ok := parseHead(head)
		if !ok {
			clean, err := onlyZeros(r)
			return end, clean, err
		}
		good, err := sumEntry(r, h)
		if err != nil || !good {
			return end, false, err
		}
		end += h.whole()
	}
}

// sumEntry reads one entry and compares its checksum.
func sumEntry(r io.Reader, h entryHeader) (good bool, err error) {
	sum := crc32.New(castagnoli())
	if _, err := io.CopyN(sum, r, h.whole()-crc32.Size); err != nil {
		return false, ignoreEOF(err)
	}
	var want [crc32.Size]byte
	if _, err := io.ReadFull(r, want[:]); err != nil {
		return false, ignoreEOF(err)
	}
	return sum.Sum32() == binary.BigEndian.Uint32(want[:]), nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func onlyZeros(r io.Reader) (bool, error) {
	var zero, buf [4096]byte
	for {
		n, err := r.Read(buf[:])
		if !bytes.Equal(buf[:n], zero[:n]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// CheckLog reads a whole log and says where it stops making sense. Each byte of it belongs to an entry under
// a checksum, so this finds flips in values that nothing names any more, too.
func CheckLog(path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	last, err := dataEnd(file)
	if err != nil {
		return err
	}
	end, clean, err := walkLog(io.LimitReader(file, last))
	if err == nil && !clean {
		err = fmt.Errorf("wrong from byte %d on", end)
	}
	return err
}

// entryAfter looks for an entry with all those bits of meta at any place of b but the first: a false one passes the
// CRC once in four billion places.
func entryAfter(b []byte, bits byte) bool {
	for at := 1; at < len(b); at++ {
		if b[at]&bits != bits {
			continue
		}
		h, ok := parseHead(b[at:])
		if !ok || h.whole() > int64(len(b)-at) {
			continue
		}
		end := at + int(h.whole()) - crc32.Size
		if crcOf(b[at:end]) == binary.BigEndian.Uint32(b[end:]) {
			return true
		}
	}
	return false
}

// Broken says where the log of a memtable stops making sense although a transaction's end still stands somewhere after
// that: damage, and not a tail torn by a power cut, which is nothing. 0 when it is not so.
func Broken(path string) (int64, error) {
	stop, rest, err := afterEntries(path)
	if err != nil || !entryAfter(rest, metaFinTxn) {
		return 0, err
	}
	return stop, nil
}

// Torn says where a value log stops making sense with no whole entry after that: there a kill or a power cut tore
// what was being written, and nothing acked is lost with it. 0 when it is not so. (Value logs have no ends of transactions.)
func Torn(path string) (int64, error) {
	stop, rest, err := afterEntries(path)
	if err != nil || len(rest) == 0 || entryAfter(rest, 0) {
		return 0, err
	}
	return stop, nil
}

// afterEntries is where a log's entries stop following each other, and what stands from there on: nothing when that is zeros.
func afterEntries(path string) (stop int64, rest []byte, err error) {
	end, err := LastData(path)
	if err != nil {
		return 0, nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	stop, clean, err := walkLog(io.LimitReader(file, end))
	if err != nil || clean || stop >= end {
		return stop, nil, err
	}
	rest = make([]byte, end-stop)
	_, err = file.ReadAt(rest, stop)
	return stop, rest, err
}

// ReadHead is the first bytes of a log, fewer when it is shorter.
func ReadHead(path string) (head []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	head = make([]byte, LogHeader)
	n, err := io.ReadFull(file, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}

// LastData is the end of the last page of a file that holds anything but zeros.
func LastData(path string) (end int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, err := dataEnd(file)
	if err != nil {
		return 0, err
	}
	const page = 4096
	buf, zero := make([]byte, 64*page), make([]byte, page)
	for end = (size + page - 1) / page * page; end > 0; {
		from := max(0, end-int64(len(buf)))
		n, err := file.ReadAt(buf[:end-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for p := (n - 1) / page * page; p >= 0 && n > 0; p -= page {
			if got := buf[p:min(n, p+page)]; !bytes.Equal(got, zero[:len(got)]) {
				return min(size, from+int64(p)+page), nil
			}
		}
		end = from
	}
	return 0, nil
}

// dataEnd is where the last blocks of a file end that were ever written. A log being written is mapped at twice its
// limit and mostly hole: reading that would fill the page cache with zeros.
func dataEnd(file *os.File) (end int64, err error) {
	for {
		from, err := unix.Seek(int(file.Fd()), end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // no data from here on
			break
		}
		if err != nil {
			return 0, err
		}
		if end, err = unix.Seek(int(file.Fd()), from, unix.SEEK_HOLE); err != nil {
			return 0, err
		}
	}
	_, err = file.Seek(0, io.SeekStart)
	return end, err
}
