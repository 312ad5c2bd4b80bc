package tone

import "linekeep/audio/tone/spandsp"

// country is how one country's exchanges sound.
type country struct {
	code   string // ISO 3166
	source string
	caller int // the receiver of caller ID
	tones  []sound
}

// sound is one tone as the books write it: frequencies in Hz, "/" and ms, 0 for silence; without a length it goes on.
type sound struct {
	tone    Tone
	cadence string
}

const (
	supplement  = "ITU-T E.180 supplement 2 (1994), as in the ITU Operational Bulletin 781 (2003)"
	information = "950/330,1400/330,1800/330,0/1000" // E.180 section 9
	double      = "400+450/400,0/200,400+450/400,0/2000"
)

// countries are those whose tones are known here. Where the supplement names several forms the first is taken; where it has
// none for a tone, there is none here, so that nothing is told that no exchange said.
func countries() []country {
	const clip, class = spandsp.CLIP, spandsp.CLASS
	return []country{
		{"GB", supplement + "; BT SIN 350", clip, []sound{{Dial, "350+440"}, {Ringing, double}, {Busy, "400/375,0/375"},
			{Congestion, "400/400,0/350,400/225,0/525"}, {Unobtainable, "400"}, {Information, information}}},
		{"IE", supplement, clip, []sound{{Dial, "425"}, {Ringing, double}, {Busy, "425/500,0/500"}, {Information, information}}},
		{"DE", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/4000"}, {Busy, "425/480,0/480"},
			{Congestion, "425/240,0/240"}, {Information, information}}},
		{"FR", supplement + "; congestion as DAHDI has it: the supplement has none", clip, []sound{{Dial, "440"}, {Ringing, "440/1500,0/3500"},
			{Busy, "440/500,0/500"}, {Congestion, "440/250,0/250"}, {Information, information}}},
		{"ES", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1500,0/3000"}, {Busy, "425/200,0/200"},
			{Congestion, "425/200,0/200,425/200,0/200,425/200,0/600"}, {Information, information}}},
		{"IT", supplement, clip, []sound{{Dial, "425/200,0/200,425/600,0/1000"}, {Ringing, "425/1000,0/4000"}, {Busy, "425/500,0/500"},
			{Congestion, "425/200,0/200"}, {Information, information}}},
		{"NL", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/4000"}, {Busy, "425/500,0/500"},
			{Congestion, "425/250,0/250"}, {Information, information}}},
		{"US", supplement + "; Telcordia GR-506", class, []sound{{Dial, "350+440"}, {Ringing, "440+480/2000,0/4000"},
			{Busy, "480+620/500,0/500"}, {Congestion, "480+620/250,0/250"}, {Information, information}}},
		{"AT", supplement, clip, []sound{{Dial, "420"}, {Ringing, "420/1000,0/5000"}, {Busy, "420/400,0/400"},
			{Congestion, "420/200,0/200"}, {Information, "950/330,1450/330,1850/330,0/1000"}}},
		{"BE", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/3000"}, {Busy, "425/500,0/500"},
			{Congestion, "425/167,0/167"}, {Information, "900/330,1400/330,1800/330,0/1000"}}},
		{"CH", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/4000"}, {Busy, "425/500,0/500"},
			{Congestion, "425/200,0/200"}, {Information, information}}},
		{"CZ", supplement, clip, []sound{{Dial, "425/330,0/330,425/660,0/660"}, {Ringing, "425/1000,0/4000"}, {Busy, "425/330,0/330"},
			{Congestion, "425/165,0/165"}, {Information, information}}},
		{"DK", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/4000"}, {Busy, "425/500,0/500"},
			{Congestion, "425/200,0/200"}, {Information, information}}},
		{"FI", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/4000"}, {Busy, "425/300,0/300"},
			{Congestion, "425/200,0/200"}}},
		{"NO", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/4000"}, {Busy, "425/500,0/500"},
			{Congestion, "425/200,0/200"}, {Information, information}}},
		{"PL", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/4000"}, {Busy, "425/500,0/500"},
			{Information, information}}},
		{"PT", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/5000"}, {Busy, "425/500,0/500"},
			{Congestion, "425/200,0/200"}, {Information, information}}},
		{"SE", supplement, clip, []sound{{Dial, "425"}, {Ringing, "425/1000,0/5000"}, {Busy, "425/250,0/250"},
			{Congestion, "425/250,0/750"}, {Information, information}}},
	}
}

func find(code string) (country, bool) {
	for _, c := range countries() {
		if c.code == code {
			return c, true
		}
	}
	return country{}, false
}

// Countries are the codes that a Config may name.
func Countries() []string {
	var codes []string
	for _, c := range countries() {
		codes = append(codes, c.code)
	}
	return codes
}

// Source says where the tones of a country are written down; empty for one that is not known.
func Source(code string) string {
	c, _ := find(code)
	return c.source
}
