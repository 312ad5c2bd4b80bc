// Package render turns the segments of a recording into files that people can play.
//
// Stage: store -> search -> [release].
//
//	In:    the segments of one party track, or of two, and the length of the recording
//	Out:   Ogg Opus, the packets as they were recorded, or WAV, decoded; on an io.Writer
//	Owner: no goroutine is left; the caller's iterators are run to where they are needed and then stopped
//	Full:  one segment of each track is in memory at a time
//
// The length said at the recording's end is the authority: a file lasts exactly that long. Gaps are silence, and so is
// what a track lacks at its end or between two segments. Where nothing is decoded nothing is lost: the Ogg file has
// the very packets that are in the vault.
package render

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// ErrTracks reports tracks that do not make a recording.
var ErrTracks = errors.New("render: not the tracks of one recording")

// Track is one party of a recording: its segments in order. An error in the sequence ends the rendering with it.
type Track struct {
	Party    segment.Party
	Segments iter.Seq2[segment.Segment, error]
}

// arrange puts the office before the caller: left and right, in every file.
func arrange(length line.Samples, tracks []Track) ([]Track, error) {
	if length < 0 || len(tracks) < 1 || len(tracks) > 2 {
		return nil, fmt.Errorf("%w: %d tracks, length %d", ErrTracks, len(tracks), length)
	}
	tracks = slices.SortedFunc(slices.Values(tracks), func(a, b Track) int { return int(a.Party) - int(b.Party) })
	if len(tracks) == 2 && (tracks[0].Party != segment.Office || tracks[1].Party != segment.Caller) {
		return nil, fmt.Errorf("%w: %v and %v", ErrTracks, tracks[0].Party, tracks[1].Party)
	}
	return tracks, nil
}

// pieces walks a whole track. What is missing between two segments comes as a gap without a cause.
func (t Track) pieces() iter.Seq2[segment.Piece, error] {
	return func(yield func(segment.Piece, error) bool) {
		at := line.Samples(0)
		for s, err := range t.Segments {
			switch {
			case err != nil:
				yield(segment.Piece{}, fmt.Errorf("read %v track: %w", t.Party, err))
				return
			case s.Party != t.Party || s.Start < at:
				yield(segment.Piece{}, fmt.Errorf("%w: segment of %v at %d in the track of %v at %d", ErrTracks, s.Party, s.Start, t.Party, at))
				return
			case s.Start > at && !yield(segment.Piece{At: at, Len: s.Start - at}, nil):
				return
			}
			for p := range s.Pieces() {
				if !yield(p, nil) {
					return
				}
			}
			at = s.Start + s.Len
		}
	}
}
