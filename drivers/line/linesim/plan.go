package linesim

import (
	"slices"
	"strings"

	"linekeep/drivers/line"
)

// plan is one round of a script, laid out on the line's timeline. Building one again takes the memory of the last.
type plan struct {
	from, to line.Position
	items    []item
	events   []line.Event // Heard is filled in by the line
	holes    []hole
	calls    []Call
}

// item is a piece of sound on one channel.
type item struct {
	at   line.Position
	clip []int16
	side line.Side
	gain int32 // 4096 is 1
}

// hole is a stretch that the line does not give.
type hole struct {
	from, to line.Position
	cause    line.Cause
}

// Call is one call of a script, as it really was.
type Call struct {
	From, To          line.Position // from the seizure, or the first ring, to the hang-up
	Direction         line.Direction
	Number, Extension line.Number
	Answered          bool
	AnsweredAt        line.Position // if Answered
}

// builder lays out a round.
type builder struct {
	*plan
	script *Script
	sounds *Sounds
	seed   uint64
	call   *Call
}

func (p *plan) build(script *Script, sounds *Sounds, seed uint64, round int, from line.Position) {
	p.from, p.to = from, from
	p.items, p.events, p.holes, p.calls = p.items[:0], p.events[:0], p.holes[:0], p.calls[:0]
	b := builder{plan: p, script: script, sounds: sounds, seed: mix(seed + uint64(round)<<32)}
	for i := range script.steps {
		b.step(&script.steps[i], uint64(i))
	}
	for _, h := range p.holes {
		p.to = max(p.to, h.to) // a hole ends in the round it began in
	}
	slices.SortStableFunc(p.holes, func(a, b hole) int { return int(a.from - b.from) })
}

func (b *builder) step(st *step, index uint64) {
	lasts := st.lasts.pick(mix(b.seed + 2*index))
	from := b.to + st.after.pick(mix(b.seed+2*index+1))
	switch st.verb {
	case idle, pause:
		b.to += lasts
	case call:
		b.begin(st)
	case ring:
		b.ring(st.count)
	case answer:
		b.answer()
	case say:
		b.say(st)
	case keys:
		b.press(st.number, b.script.signals != noSignals)
	case click:
		b.sound(b.sounds.click, line.Office, 0)
		b.to += line.Samples(len(b.sounds.click))
	case hangup:
		b.hangUp()
	case lose:
		b.holes = append(b.holes, hole{from, from + lasts, line.CauseOverrun})
	case unplug:
		b.holes = append(b.holes, hole{from, from + lasts, line.CauseGone})
	}
}

func (b *builder) tell(e line.Event) {
	if b.script.signals != noSignals {
		e.At = b.to
		b.events = append(b.events, e)
	}
}

func (b *builder) sound(clip []int16, side line.Side, gain float64) {
	if len(clip) > 0 {
		b.items = append(b.items, item{at: b.to, clip: clip, side: side, gain: int32(4096*ratio(gain) + 0.5)})
	}
}

// begin begins a call as its line would tell it. A digital line is seized by either side and knows both numbers. An
// analogue one is seized by the office alone: outgoing calls are dialled, incoming ones only ring, after the number.
func (b *builder) begin(st *step) {
	b.calls = append(b.calls, Call{From: b.to, Direction: st.direction, Number: st.number, Extension: st.extension})
	b.call = &b.calls[len(b.calls)-1]
	incoming := st.direction == line.Incoming
	if b.script.signals == digital {
		b.tell(line.Event{Kind: line.Seized, Direction: st.direction})
		b.number(line.Office, st.extension)
		b.number(line.Remote, st.number)
		return
	}
	if incoming {
		b.number(line.Remote, st.number)
		return
	}
	b.tell(line.Event{Kind: line.Seized})
	b.to += line.RateHz / 2 // to take up the receiver, and hear that the line is free
	b.press(st.number, true)
}

func (b *builder) number(side line.Side, number line.Number) {
	if number != "" {
		b.tell(line.Event{Kind: line.Numbered, Side: side, Number: number})
	}
}

func (b *builder) ring(count int) {
	for range count {
		if b.call.Direction == line.Incoming || b.script.signals == digital {
			b.tell(line.Event{Kind: line.Ringing, Direction: b.call.Direction})
		}
		if b.call.Direction != line.Incoming {
			b.sound(b.sounds.ringBack, line.Remote, 0)
		}
		b.to += line.Samples(len(b.sounds.ringBack))
	}
}

func (b *builder) answer() {
	b.call.Answered, b.call.AnsweredAt = true, b.to
	switch {
	case b.script.signals == digital:
		b.tell(line.Event{Kind: line.Answered})
	case b.call.Direction == line.Incoming:
		b.tell(line.Event{Kind: line.Seized})
	}
}

func (b *builder) say(st *step) {
	longest := 0
	for side, name := range st.clips {
		clip := b.sounds.clips[name]
		b.sound(clip, line.Side(side), st.gain)
		longest = max(longest, len(clip))
	}
	b.to += line.Samples(longest)
}

// press sounds the keys, and tells them where the line does.
func (b *builder) press(number line.Number, tell bool) {
	for _, key := range []byte(number.Reveal()) {
		i := strings.IndexByte(dtmfKeys, key)
		if i < 0 {
			continue // the + of an international number is no key
		}
		if tell {
			b.tell(line.Event{Kind: line.Digit, Digit: key})
		}
		b.sound(b.sounds.dtmf[i], line.Office, 0)
		b.to += line.Samples(len(b.sounds.dtmf[i]))
	}
}

func (b *builder) hangUp() {
	b.call.To = b.to
	if b.script.signals == digital || b.call.Answered || b.call.Direction != line.Incoming {
		b.tell(line.Event{Kind: line.Released})
	}
	b.call = nil
}

// mix is the finaliser of splitmix64: one well-spread number from another, so that everything random is a function of
// the seed and the place.
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
