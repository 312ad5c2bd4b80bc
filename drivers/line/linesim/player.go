package linesim

import (
	"math"

	"linekeep/drivers/line"
)

// player knows what sounds on a line at any place. Going forwards is cheap; going back begins with the first round.
type player struct {
	script *Script
	sounds *Sounds
	seed   uint64
	noise  int64      // the size of a uniform noise, times 2^15 over full scale
	hum    [160]int16 // 50 Hz and its third harmonic: both come round in 160 samples
	round  int
	plan   plan
}

func newPlayer(script *Script, sounds *Sounds, seed uint64) *player {
	p := &player{script: script, sounds: sounds, seed: seed}
	p.noise = int64(math.Round(ratio(script.noise) * math.Sqrt(3) * 32768)) // a uniform noise of size a has the RMS a/√3
	if script.hum != 0 {
		size := ratio(script.hum) * math.Sqrt2 * 32768
		for i := range p.hum {
			turn := 2 * math.Pi * float64(i) / float64(len(p.hum))
			p.hum[i] = int16(size * (0.95*math.Sin(turn) + 0.3*math.Sin(3*turn)))
		}
	}
	p.plan.build(script, sounds, seed, 0, 0)
	return p
}

// seek makes p.plan the round that pos lies in. A script that does not loop has one round, which never ends.
func (p *player) seek(pos line.Position) {
	if pos < p.plan.from {
		p.round = 0
		p.plan.build(p.script, p.sounds, p.seed, 0, 0)
	}
	for p.script.loops && pos >= p.plan.to {
		p.next()
	}
}

func (p *player) next() {
	p.round++
	p.plan.build(p.script, p.sounds, p.seed, p.round, p.plan.to)
}

// end is where the round ends that pos lies in.
func (p *player) end(pos line.Position) line.Position {
	p.seek(pos)
	if !p.script.loops {
		return math.MaxInt64
	}
	return p.plan.to
}

// voice adds what one side says from pos on to dst.
func (p *player) voice(side line.Side, pos line.Position, dst []int16) {
	for len(dst) > 0 {
		n := min(line.Samples(len(dst)), p.end(pos)-pos)
		for i := range p.plan.items {
			if it := &p.plan.items[i]; it.side == side {
				it.add(pos, dst[:n])
			}
		}
		pos, dst = pos+n, dst[n:]
	}
}

func (it *item) add(pos line.Position, dst []int16) {
	from, to := max(pos, it.at), min(pos+line.Samples(len(dst)), it.at+line.Samples(len(it.clip)))
	for at := from; at < to; at++ {
		s := int32(dst[at-pos]) + int32(it.clip[at-it.at])*it.gain>>12
		dst[at-pos] = int16(min(math.MaxInt16, max(math.MinInt16, s)))
	}
}

// channel is what a channel of the line gives from pos on, in the line's law.
func (p *player) channel(channel int, pos line.Position, dst []int16) {
	seed := mix(p.seed ^ uint64(channel)<<56)
	for i := range dst {
		at := pos + line.Position(i)
		v := int64(int16(mix(seed+uint64(at>>2)) >> (at & 3 * 16)))
		dst[i] = int16(v*p.noise>>15) + p.hum[at%160]
	}
	p.voice(line.Side(channel), pos, dst)
	if p.script.channels == 1 {
		p.voice(line.Remote, pos, dst)
	}
	compress(p.script.law, dst)
}
