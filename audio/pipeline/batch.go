package pipeline

import (
	"slices"

	"linekeep/audio/segment"
)

// batch is a group whose buffers are used again and again.
type batch struct{ segment.Group }

// add copies s behind the segments of b, into the buffers of the segment that once stood there.
func (b *batch) add(s *segment.Segment) *segment.Segment {
	n := len(b.Segments)
	if n < cap(b.Segments) {
		b.Segments = b.Segments[:n+1]
	} else {
		b.Segments = append(b.Segments, segment.Segment{})
	}
	d := &b.Segments[n]
	sizes, data, peaks, gaps := d.Sizes[:0], d.Data[:0], d.Peaks[:0], d.Gaps[:0]
	*d = *s
	d.Sizes = append(sizes, s.Sizes...)
	d.Data = append(data, s.Data...)
	d.Peaks = append(peaks, s.Peaks...)
	d.Gaps = append(gaps, s.Gaps...)
	return d
}

// find gives the segment of a track, of which a group has at most one, or nil.
func (b *batch) find(call segment.Call, party segment.Party) *segment.Segment {
	i := slices.IndexFunc(b.Segments, func(s segment.Segment) bool { return s.Call == call && s.Party == party })
	if i < 0 {
		return nil
	}
	return &b.Segments[i]
}

func (b *batch) clear() {
	b.Openings, b.Segments, b.Closings = b.Openings[:0], b.Segments[:0], b.Closings[:0]
}

func (b *batch) empty() bool { return len(b.Openings)+len(b.Segments)+len(b.Closings) == 0 }

// batches are all groups there are. One is being built, one may be with the sink, and the others wait: so
// whenever the queue has room for the one that is built, another is free.
type batches struct {
	building *batch
	queue    chan *batch // queueGroups: see there
	free     chan *batch // all of them fit, so giving one back never waits
}

func newBatches(lines, channels int) batches {
	const all = queueGroups + 2
	b := batches{building: newBatch(lines, channels), queue: make(chan *batch, queueGroups), free: make(chan *batch, all)}
	for range all - 1 {
		b.free <- newBatch(lines, channels)
	}
	return b
}

// newBatch has room for two recordings of each line: one that ends and one that begins.
func newBatch(lines, channels int) *batch {
	b := &batch{segment.Group{
		Openings: make([]segment.Opening, 0, 2*lines),
		Segments: make([]segment.Segment, channels, 2*channels),
		Closings: make([]segment.Closing, 0, 2*lines),
	}}
	for i := range b.Segments {
		b.Segments[i] = newTrack().seg
	}
	b.clear()
	return b
}
