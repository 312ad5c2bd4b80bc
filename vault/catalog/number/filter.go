package number

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
)

// Filter tells of a set of numbers only whether one may be in it: ten bits a number (a Bloom filter: one set in a hundred
// seems to have a number it has not), and which of the 10,000 last fours there are. It says much about the numbers, so it is
// kept where they are kept: sealed.
type Filter struct {
	words []uint64 // nil when there are no numbers
	ends  []uint64 // a bit for each last four; nil likewise
}

const (
	filterBits   = 10 // a number
	filterHashes = 7
	endings      = 10_000
	endingDigits = 4
	maxNumbers   = 1 << 16
)

// NewFilter makes the filter of plain forms.
func NewFilter(packed []Key, texts []string) (f Filter) {
	n := len(packed) + len(texts)
	if n == 0 {
		return f
	}
	f.words = make([]uint64, (n*filterBits+63)/64)
	f.ends = make([]uint64, (endings+63)/64)
	for _, k := range packed {
		f.add(k.Plain().Reveal())
	}
	for _, t := range texts {
		f.add(t)
	}
	return f
}

func (f Filter) add(plain string) {
	for bit := range f.bits(plain) {
		f.words[bit/64] |= 1 << (bit % 64)
	}
	if end, ok := ending(plain); ok {
		f.ends[end/64] |= 1 << (end % 64)
	}
}

// bits are the places of a number: its SHA-256 begins with two numbers of eight bytes, a and b, and they are
// a, a+b, a+2b ... modulo how many bits there are.
func (f Filter) bits(plain string) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		sum := sha256.Sum256([]byte(plain))
		a, b := binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])
		for range filterHashes {
			if !yield(a % uint64(64*len(f.words))) {
				return
			}
			a += b
		}
	}
}

// ending is the last four of a text that ends with so many digits.
func ending(plain string) (end int, ok bool) {
	if len(plain) < endingDigits {
		return 0, false
	}
	for _, c := range []byte(plain[len(plain)-endingDigits:]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		end = 10*end + int(c-'0')
	}
	return end, true
}

// May says whether a number that matches may be in the set.
func (f Filter) May(m Matcher) bool {
	if len(f.words) == 0 {
		return false
	}
	for _, p := range m.plain {
		switch m.part {
		case Whole:
			if f.has(p) {
				return true
			}
		case End:
			if end, ok := ending(p); !ok || f.ends[end/64]&(1<<(end%64)) != 0 {
				return true
			}
		case Start:
			return true
		}
	}
	return false
}

func (f Filter) has(plain string) bool {
	for bit := range f.bits(plain) {
		if f.words[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

// AddTo writes the filter: number of words 2, each 8; number of last fours 2, each 2, in order, or all 10,000 bits when
// those take less.
func (f Filter) AddTo(b *cryptobyte.Builder) {
	b.AddUint16(uint16(len(f.words)))
	for _, w := range f.words {
		b.AddUint64(w)
	}
	if len(f.words) == 0 {
		return
	}
	n := 0
	for _, w := range f.ends {
		n += bits.OnesCount64(w)
	}
	b.AddUint16(uint16(n))
	if n > 4*len(f.ends) {
		for _, w := range f.ends {
			b.AddUint64(w)
		}
		return
	}
	for end := range endings {
		if f.ends[end/64]&(1<<(end%64)) != 0 {
			b.AddUint16(uint16(end))
		}
	}
}

// ReadFilter undoes AddTo.
func ReadFilter(s *cryptobyte.String) (f Filter, ok bool) {
	var n, ends uint16
	if !s.ReadUint16(&n) || int(n) > maxNumbers*filterBits/64 {
		return f, false
	}
	if n == 0 {
		return f, true
	}
	f.words, f.ends = make([]uint64, n), make([]uint64, (endings+63)/64)
	if !readWords(s, f.words) || !s.ReadUint16(&ends) {
		return f, false
	}
	if int(ends) > 4*len(f.ends) {
		return f, readWords(s, f.ends)
	}
	for range ends {
		var end uint16
		if !s.ReadUint16(&end) || end >= endings {
			return f, false
		}
		f.ends[end/64] |= 1 << (end % 64)
	}
	return f, true
}

func readWords(s *cryptobyte.String, into []uint64) bool {
	for i := range into {
		if !s.ReadUint64(&into[i]) {
			return false
		}
	}
	return true
}
