//go:build cgo

package alsatest

/*
#include <malloc.h>

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}
*/
import "C"

// CHeapBytes is how much of C's heap is in use in this process. Go's own memory is not part of it.
func CHeapBytes() int { return int(C.in_use()) }
