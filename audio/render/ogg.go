package render

import (
	"fmt"
	"io"
	"iter"

	"linekeep/audio/ogg"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

const (
	// long and short are the two packets of silence that gaps are filled with.
	long  line.Samples = segment.PacketSamples
	short line.Samples = segment.PacketSamples / 2
	// early is how much before its place a packet may stand, and so, with gaps of any length and silence that comes
	// in steps of short, how much after it: 5 ms. It never adds up, and it takes a gap to move anything at all.
	early = short / 2
)

// Ogg writes the tracks as one Ogg Opus file of exactly the given length: one track as mono, two as stereo, office
// left. Comments stand in the file for all to read, "NAME=value".
func Ogg(w io.Writer, length line.Samples, tracks []Track, comments ...string) error {
	tracks, err := arrange(length, tracks)
	if err != nil {
		return err
	}
	out, err := ogg.NewWriter(w, len(tracks), comments...)
	if err != nil {
		return err
	}
	var queues []*packets
	for _, t := range tracks {
		q := newPackets(t)
		defer q.stop()
		queues = append(queues, q)
	}
	if err := copyPackets(out, queues, length+segment.Lookahead); err != nil {
		return err
	}
	return out.Close(length)
}

// copyPackets writes packets of all tracks, side by side, until they last to end.
func copyPackets(out *ogg.Writer, queues []*packets, end line.Samples) error {
	for now := line.Samples(0); now < end; {
		step := long
		sounding := false
		for _, q := range queues {
			if err := q.fetch(); err != nil {
				return err
			}
			sounding = sounding || q.due(now)
		}
		for _, q := range queues {
			// All are silent, and one begins before a long packet of silence would be over.
			if !sounding && q.next != nil && q.at < now+long-early {
				step = short
			}
		}
		var side [2][]byte
		for i, q := range queues {
			side[i] = q.take(now, step)
		}
		var err error
		if len(queues) == 1 {
			err = out.Mono(side[0])
		} else {
			err = out.Stereo(side[0], side[1])
		}
		if err != nil {
			return err
		}
		now += step
	}
	return nil
}

// packets is a track as packets with places. One is looked at ahead.
type packets struct {
	pull  func() (segment.Piece, error, bool)
	stop  func()
	tail  []byte // stands before next, if there is the time
	next  []byte // nil when none is known
	at    line.Samples
	ended bool

	silence20, silence10 []byte
}

func newPackets(t Track) *packets {
	q := &packets{silence20: ogg.Silence20(), silence10: ogg.Silence10()}
	q.pull, q.stop = iter.Pull2(t.pieces())
	return q
}

// fetch looks for the next packet, over gaps and tails. What a segment's pieces point to stays as it is until the next
// segment is asked for, and the tail of a segment may be needed after that: so it is copied.
func (q *packets) fetch() error {
	for q.next == nil && !q.ended {
		p, err, ok := q.pull()
		switch {
		case err != nil:
			return err
		case !ok:
			q.ended = true
		case p.Tail:
			q.tail = append([]byte(nil), p.Packet...)
		case p.Packet != nil:
			if len(p.Packet) == 0 {
				return fmt.Errorf("%w: an empty packet at %d", ErrTracks, p.At)
			}
			q.next, q.at = p.Packet, p.At
		}
	}
	return nil
}

// due says whether the track has a packet for now: its next one, or a tail with time to sound.
func (q *packets) due(now line.Samples) bool {
	return q.next != nil && q.at <= now+early || q.tail != nil && (q.next == nil || q.at >= now+long-early)
}

// take gives what the track has for now, which is silence if it has nothing.
func (q *packets) take(now, step line.Samples) []byte {
	tail, next := q.tail, q.next
	q.tail = nil // it sounds now or not at all
	switch {
	case next != nil && q.at <= now+early && step == long:
		q.next = nil
		return next
	case tail != nil && step == long && (next == nil || q.at >= now+long-early):
		return tail
	case step == long:
		return q.silence20
	}
	return q.silence10
}
