package number

import (
	"strconv"

	"linekeep/drivers/line"
)

// Key is a plain form in eight bytes: from the top, 3 bits of zero, 1 bit that is set after a +, 4 bits of length, 56 bits
// of the digits as one number. Plain forms of 1 to 15 digits have one, with or without + (no number of any plan has more:
// ITU-T E.164); 0 is none. Keys of one length sort as their digits do.
type Key uint64

const (
	maxDigits  = 15
	plusBit    = Key(1) << 60
	lengthAt   = 56
	digitsMask = Key(1)<<lengthAt - 1
)

// Pack packs a plain form; false where it is none of 1 to 15 digits.
func Pack(plain line.Number) (Key, bool) {
	text := plain.Reveal()
	var k Key
	if len(text) > 0 && text[0] == '+' {
		k, text = plusBit, text[1:]
	}
	if len(text) == 0 || len(text) > maxDigits {
		return 0, false
	}
	var n Key
	for i := range len(text) {
		d := text[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + Key(d)
	}
	return k | Key(len(text))<<lengthAt | n, true
}

// Valid says whether Pack can have given the key.
func (k Key) Valid() bool {
	n := k.length()
	return k>>61 == 0 && n > 0 && n <= maxDigits && k&digitsMask < power(n)
}

// Plain undoes Pack.
func (k Key) Plain() line.Number {
	text := strconv.FormatUint(uint64(k&digitsMask), 10)
	for len(text) < k.length() {
		text = "0" + text
	}
	if k&plusBit != 0 {
		text = "+" + text
	}
	return line.Number(text)
}

func (k Key) length() int { return int(k >> lengthAt & 15) }

func (k Key) startsWith(p Key) bool {
	return k&plusBit == p&plusBit && k.length() >= p.length() && k&digitsMask/power(k.length()-p.length()) == p&digitsMask
}

// endsWith compares digits; a + in the pattern is the number's first and cannot be found further in.
func (k Key) endsWith(p Key) bool {
	if p&plusBit != 0 {
		return k == p
	}
	return k.length() >= p.length() && k&digitsMask%power(p.length()) == p&digitsMask
}

// power is ten to the n-th.
func power(n int) Key {
	return [...]Key{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}[n]
}
