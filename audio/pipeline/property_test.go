package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// TestP02_WhateverALineDoesEverySampleIsRecordedOrAMarkedGapAtItsPlace runs hostile lines against hostile sinks.
func TestP02_WhateverALineDoesEverySampleIsRecordedOrAMarkedGapAtItsPlace(t *testing.T) {
	seeds := uint64(10)
	if os.Getenv("LONG") == "1" {
		seeds = 300
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { hostile(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func hostile(t *testing.T, rng *rand.Rand) {
	lines := make([]*fakeLine, 1+rng.IntN(4))
	var configs []LineConfig
	for i := range lines {
		lines[i] = hostileLine(rng)
		cfg := quick()
		if rng.IntN(3) == 0 {
			cfg.MaxLength = time.Minute
		}
		lc := LineConfig{ID: fmt.Sprint("line ", i), Class: "standard", Line: lines[i], Call: cfg}
		if rng.IntN(2) == 0 {
			lc.Lookback = time.Duration(rng.IntN(3000)) * time.Millisecond
		}
		configs = append(configs, lc)
	}
	sink := newMemSink(t)
	var calm atomic.Bool // the sink takes everything at the end, so that every recording can be looked at whole
	mood := rand.New(rand.NewPCG(rng.Uint64(), 2))
	sink.commit = func(*segment.Group) error {
		switch {
		case calm.Load():
		case mood.IntN(40) == 0:
			<-time.After(time.Duration(mood.IntN(9000)) * time.Millisecond)
		case mood.IntN(8) == 0:
			return errors.New("disk in a bad mood")
		}
		return nil
	}
	p := run(t, configs, sink, stampEncoder, 0, func(p *Pipeline) {
		for range 30 {
			wait(time.Duration(rng.IntN(8000)) * time.Millisecond)
			id := fmt.Sprint("line ", rng.IntN(len(lines)))
			if rng.IntN(2) == 0 {
				p.Pause(id)
			} else {
				p.Resume(id)
			}
		}
		calm.Store(true)
		wait(10 * time.Second)
	})
	for i, l := range lines {
		checkLine(t, p, l, configs[i], sink)
	}
	if len(sink.order) == 0 {
		t.Error("nothing was recorded at all")
	}
}

// hostileLine speaks, is silent, loses any number of samples with and without sound after it, and goes away.
func hostileLine(rng *rand.Rand) *fakeLine {
	l := &fakeLine{info: line.Info{Channels: 1 + rng.IntN(2), Signals: rng.IntN(2) == 0}}
	for l.end().Duration() < 150*time.Second {
		switch rng.IntN(8) {
		case 0:
			l.lose(1+line.Samples(rng.IntN(3000)), line.Cause(1+rng.IntN(3)))
		case 1:
			for range rng.IntN(40) { // many small ones
				l.add(line.Samples(rng.IntN(3)), line.Cause(1+rng.IntN(3)), rng.IntN(3) > 0, rng.IntN(2) == 0)
			}
		case 2:
			l.add(1+line.Samples(rng.IntN(20_000)), line.CauseOverrun, true, true)
		case 3:
			l.say(false, time.Duration(rng.IntN(3000))*time.Millisecond)
		default:
			l.say(true, time.Duration(rng.IntN(4000))*time.Millisecond)
		}
		if rng.IntN(4) == 0 {
			kinds := []line.Kind{line.Seized, line.Released, line.Seized, line.Released, line.Ringing, line.Down, line.Up}
			l.events = append(l.events, line.Event{Kind: kinds[rng.IntN(len(kinds))], At: l.end() - line.Samples(rng.IntN(100))})
		}
	}
	l.ends = rng.IntN(2) == 0
	return l
}

// checkLine compares the recordings of a line with what the line said.
func checkLine(t *testing.T, p *Pipeline, l *fakeLine, cfg LineConfig, sink *memSink) {
	t.Helper()
	lost := make([]line.Cause, l.end()) // CauseNone where there was sound
	for _, f := range l.frames {
		for at := f.Start - f.Lost; at < f.Start; at++ {
			lost[at] = f.Cause
		}
	}
	var end line.Position // of the recording before
	for _, id := range sink.order {
		k := sink.calls[id]
		if k.opening.Line != cfg.ID || k.opening.Parties == nil { // nil: a call that came to nothing
			continue
		}
		if k.closing == nil {
			t.Errorf("call %d has no end", id)
			continue
		}
		if len(k.opening.Parties) != l.info.Channels {
			t.Errorf("call %d: parties %v for %d channels", id, k.opening.Parties, l.info.Channels)
		}
		begin := line.In(k.opening.Start.Sub(l.start))
		if begin < end {
			t.Errorf("call %d begins at %d, the one before ended at %d", id, begin, end)
		}
		if k.opening.Continues != 0 && begin != end {
			t.Errorf("call %d continues at %d, the one before ended at %d", id, begin, end)
		}
		for channel, party := range k.opening.Parties {
			checkTrack(t, k, party, channel, begin, lost)
		}
		end = begin + k.closing.Length
	}
}

func checkTrack(t *testing.T, k *kept, party segment.Party, channel int, begin line.Position, lost []line.Cause) {
	t.Helper()
	call := k.opening.Call
	if k.at[party] != k.closing.Length || !k.last[party] {
		t.Errorf("call %d %v: %d samples, the length is %d (ended: %v)", call, party, k.at[party], k.closing.Length, k.last[party])
	}
	wrong := 0
	for _, piece := range k.pieces[party] {
		switch {
		case piece.Tail:
			continue
		case piece.Packet != nil:
			at := line.Position(binary.BigEndian.Uint32(piece.Packet[3:]))
			if at != begin+piece.At || piece.Packet[1] != byte(channel) {
				t.Errorf("call %d %v: packet at %d holds channel %d of %d", call, party, begin+piece.At, piece.Packet[1], at)
				wrong++
			}
			for s := range piece.Len {
				if lost[begin+piece.At+s] != line.CauseNone {
					t.Errorf("call %d %v: sound at %d, which was lost", call, party, begin+piece.At+s)
					wrong++
					break
				}
			}
		default:
			for s := range piece.Len {
				at := begin + piece.At + s
				cause := lost[at]
				gone := cause != line.CauseNone
				swallowed := piece.Cause == segment.CauseQueue || piece.Cause == segment.CauseStore // see maxOwedGaps
				if gone && segment.Cause(cause) != piece.Cause && !swallowed || !gone && piece.Cause < 16 {
					t.Errorf("call %d %v: gap at %d says %v, the line said %v (%v)", call, party, at, piece.Cause, cause, gone)
					wrong++
					break
				}
			}
		}
		if wrong > 3 {
			t.Fatalf("call %d %v: and more", call, party)
		}
	}
}
