package number

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"linekeep/drivers/line"
)

// Part says which part of a number is known.
type Part uint8

// The parts there are.
const (
	Whole Part = iota // the number, in any written form
	Start             // how it begins, in any written form: 01632, +44 1632, 0044 (0)1632
	End               // its last digits
)

// Pattern is a number to look for, as a person typed it.
type Pattern struct {
	Text line.Number
	Part Part
}

// Matcher is a pattern made ready to be compared with plain forms. The zero Matcher matches nothing.
type Matcher struct {
	part   Part
	plain  []string // any of these
	packed []Key    // the same where they can be packed; 0 where not
}

// Compile makes a pattern ready. Errors: ErrPattern.
func (r Rules) Compile(p Pattern) (Matcher, error) {
	m := Matcher{part: p.Part}
	text := clean(p.Text.Reveal())
	switch p.Part {
	case Whole:
		m.add(r.Plain(p.Text).Reveal())
	case Start:
		r.starts(&m, text)
	case End:
		m.add(dialable(text))
		// Somebody who types all of a number gets it: in its plain form it ends otherwise, without the 0.
		if e164 := r.e164(text); e164 != "" {
			m.add(e164)
		}
	default:
		return m, fmt.Errorf("%w: part %d of a number", ErrPattern, p.Part)
	}
	if len(m.plain) == 0 {
		return m, fmt.Errorf("%w: no digits", ErrPattern)
	}
	return m, nil
}

// starts adds what a plain form begins with: the digits as typed, for what is no number of a plan, and the plain form of
// what they are the start of.
func (r Rules) starts(m *Matcher, text string) {
	text = strings.ReplaceAll(text, "(0)", "") // +44 (0)1632: the 0 is only for those within the country
	keys := dialable(text)
	if keys == "" {
		return
	}
	m.add(keys)
	country := strconv.Itoa(phonenumbers.GetCountryCodeForRegion(r.Country))
	trunk := phonenumbers.GetNddPrefixForRegion(r.Country, true)
	abroad := r.abroad()
	switch {
	case strings.HasPrefix(keys, "+"):
		if rest, ok := strings.CutPrefix(keys, "+"+country+trunk); ok && trunk != "" {
			m.add("+" + country + rest)
		}
	case abroad != "" && strings.HasPrefix(keys, abroad):
		r.starts(m, "+"+keys[len(abroad):])
	case trunk != "" && strings.HasPrefix(keys, trunk):
		m.add("+" + country + keys[len(trunk):])
	default:
		m.add("+" + country + keys) // without the 0, as ISDN gives a national number
	}
}

// abroad is what is dialled before a foreign country's code, such as 00. The library has it as a pattern, and shows
// it only in how it writes a foreign number down.
func (r Rules) abroad() string {
	other, foreign := "DE", "+49301234567"
	if r.Country == other {
		other, foreign = "GB", "+441632960018"
	}
	n, err := phonenumbers.Parse(foreign, other)
	if err != nil {
		return ""
	}
	before, _, ok := strings.Cut(phonenumbers.FormatOutOfCountryCallingNumber(n, r.Country), " "+foreign[1:3]+" ")
	if !ok {
		return ""
	}
	return digits(before)
}

func (m *Matcher) add(plain string) {
	if plain == "" || plain == "+" {
		return
	}
	for _, p := range m.plain {
		if p == plain {
			return
		}
	}
	k, _ := Pack(line.Number(plain)) // 0 where it cannot be
	m.plain, m.packed = append(m.plain, plain), append(m.packed, k)
}

// Match says whether a plain form matches.
func (m Matcher) Match(plain line.Number) bool {
	text := plain.Reveal()
	for _, p := range m.plain {
		switch {
		case m.part == Whole && text == p,
			m.part == Start && strings.HasPrefix(text, p) && plain != Withheld,
			m.part == End && strings.HasSuffix(text, p) && plain != Withheld:
			return true
		}
	}
	return false
}

// MatchKey is Match for a packed plain form.
func (m Matcher) MatchKey(k Key) bool {
	for _, p := range m.packed {
		if p == 0 {
			continue
		}
		switch m.part {
		case Whole:
			if k == p {
				return true
			}
		case Start:
			if k.startsWith(p) {
				return true
			}
		case End:
			if k.endsWith(p) {
				return true
			}
		}
	}
	return false
}

// MatchText is Match for a plain form as text.
func (m Matcher) MatchText(plain string) bool { return m.Match(line.Number(plain)) }
