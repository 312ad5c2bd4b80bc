package alsa

import (
	"sync/atomic"
	"time"
)

const (
	// ringTime is how much sound a device's ring holds: 2 s, past the longest stall of a pump seen on a loaded
	// two-core machine (0.3 s) by far, and as long as the lines' own rings.
	ringTime = 2 * time.Second
	// ringChunks is how many pieces that may be: 20 ms each, or shorter where a device has so many channels
	// that 20 ms do not fit miniaudio's 4096 bytes. A power of two.
	ringChunks = 512
)

// chunk is one piece of sound as the device gave it.
type chunk struct {
	at      int64 // when, in ns since Run began
	frames  int   // sound frames in it
	dropped int   // sound frames before it that found the ring full
	overrun bool  // ALSA told of an overrun just before it
}

// ring carries chunks from the audio thread to the pump: one writer, one reader, no lock, no allocation.
type ring struct {
	frameBytes int
	data       []byte // a power of two long
	chunks     [ringChunks]chunk
	head       atomic.Uint64 // chunks written
	tail       atomic.Uint64 // chunks read
	freed      atomic.Uint64 // bytes read
	written    uint64        // bytes written; the writer's own
	read       uint64        // bytes read; the reader's own
	dropped    int           // the writer's own
}

func newRing(frameBytes, rateHz int) *ring {
	need := int(ringTime.Seconds()*float64(rateHz)) * frameBytes
	size := 4096
	for size < need {
		size *= 2
	}
	return &ring{frameBytes: frameBytes, data: make([]byte, size)}
}

// push copies sound in, or counts it as dropped. Only the audio thread calls it.
func (r *ring) push(at int64, sound []byte, frames int, overrun bool) {
	head := r.head.Load()
	if head-r.tail.Load() == ringChunks || r.written+uint64(len(sound))-r.freed.Load() > uint64(len(r.data)) {
		r.dropped += frames
		return
	}
	from := int(r.written) & (len(r.data) - 1)
	n := copy(r.data[from:], sound)
	copy(r.data, sound[n:])
	r.written += uint64(len(sound))
	r.chunks[head%ringChunks] = chunk{at: at, frames: frames, dropped: r.dropped, overrun: overrun}
	r.dropped = 0
	r.head.Store(head + 1)
}

// waiting is how many chunks can be looked at.
func (r *ring) waiting() int { return int(r.head.Load() - r.tail.Load()) }

// peek looks at a waiting chunk, 0 being the oldest.
func (r *ring) peek(i int) chunk { return r.chunks[(r.tail.Load()+uint64(i))%ringChunks] }

// sound is the oldest chunk's sound, in two parts where it lies across the ring's end.
func (r *ring) sound() (first, second []byte) {
	n := r.peek(0).frames * r.frameBytes
	from := int(r.read) & (len(r.data) - 1)
	first = r.data[from:min(from+n, len(r.data))]
	return first, r.data[:n-len(first)]
}

// pop gives the oldest chunk's room back.
func (r *ring) pop() {
	r.read += uint64(r.peek(0).frames * r.frameBytes)
	r.freed.Store(r.read)
	r.tail.Add(1)
}
