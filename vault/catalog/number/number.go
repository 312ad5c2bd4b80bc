// Package number brings telephone numbers that are written in many ways into one form, so that a search finds them all.
//
// Stage: line -> call -> encode -> seal -> store -> [search] -> release.
//
//	In:    a number as a line gave it or as a person typed it, and the country the box stands in
//	Out:   one plain form for all written forms of a number; patterns that match it whole, at its start or at its end
//	Owner: plain values; no goroutine
//	Full:  a number is what stands in its first maxText bytes; no network sends more than 32 digits
//
// What a number means is libphonenumber's to know (its Go port, github.com/nyaruka/phonenumbers): plans change several
// times a year, and it follows them. Package number decides only what to do where a line gives something else than a number
// of the plan, and each rule below says why.
package number

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"

	"linekeep/drivers/line"
)

// Withheld is the plain form of a number that the caller kept back. It is not the same as none: an empty number was never
// told, by a line that has no caller ID for instance.
const Withheld line.Number = "withheld"

// maxText is how much of a text is looked at.
const maxText = 64

// ErrPattern reports a number to look for in which there is nothing to look for.
var ErrPattern = errors.New("number: nothing to look for")

// Rules are how numbers are written where the box stands.
type Rules struct {
	Country string // ISO 3166, such as GB: whose numbers are written without a country code
	// Area is the area code, with or without its 0, that local numbers are dialled without; empty where all numbers are dialled
	// whole. It is added to a local number that was dialled.
	Area string
}

// Defaults are those of Great Britain.
func Defaults() Rules { return Rules{Country: "GB"} }

// Validate names every fault.
func (r Rules) Validate() error {
	var errs []error
	if phonenumbers.GetCountryCodeForRegion(r.Country) == 0 {
		errs = append(errs, fmt.Errorf("country: %q is no country with telephone numbers, such as GB", r.Country))
	}
	if r.Area != "" && (digits(r.Area) != r.Area || len(r.Area) > 6) {
		errs = append(errs, fmt.Errorf("area: %q is not an area code, such as 01632", r.Area))
	}
	return errors.Join(errs...)
}

// withheldWords are what lines and switches send in place of a number that was kept back: "P" is the reason for absence of
// a Caller ID message (ETSI EN 300 659-3), "anonymous" SIP's (RFC 3323), the rest is what people and makers write.
func withheldWord(text string) bool {
	switch strings.ToLower(text) {
	case "withheld", "p", "anonymous", "private", "restricted", "number withheld", "private number", "anonymous@anonymous.invalid":
		return true
	}
	return false
}

// absentWord are what they send where nobody knows the number.
func absentWord(text string) bool {
	switch strings.ToLower(text) {
	case "", "o", "unavailable", "unknown", "not available":
		return true
	}
	return false
}

// Plain is the one form of n: +441632960018 for every way to write that; the digits alone for what is no number of any plan,
// such as 999, 1471, an extension, or a code with * and #; Withheld; or nothing where nobody knows it.
func (r Rules) Plain(n line.Number) line.Number {
	text := clean(n.Reveal())
	switch {
	case withheldWord(text):
		return Withheld
	case absentWord(text):
		return ""
	}
	dialled := r.withoutService(text)
	if e164 := r.e164(dialled); e164 != "" {
		return line.Number(e164)
	}
	if d := dialable(dialled); d != "" {
		return line.Number(d)
	}
	return line.Number(strings.ToLower(text)) // a SIP name, say
}

// clean folds full-width and Arabic digits and odd blanks into plain ones.
func clean(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	text = norm.NFKC.String(strings.ToValidUTF8(text, ""))
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case unicode.IsControl(c), unicode.Is(unicode.Cf, c): // pasted out of documents: direction marks, soft hyphens
			return -1
		case unicode.IsDigit(c):
			return '0' + digitOf(c)
		}
		return c
	}, text))
}

// digitOf is the value of a decimal digit of any script: in Unicode's table of them they stand in tens, from 0 to 9.
func digitOf(c rune) rune {
	for _, r := range unicode.Nd.R16 {
		if uint16(c) >= r.Lo && uint16(c) <= r.Hi && c <= 0xffff {
			return (c - rune(r.Lo)) % 10
		}
	}
	for _, r := range unicode.Nd.R32 {
		if uint32(c) >= r.Lo && uint32(c) <= r.Hi {
			return (c - rune(r.Lo)) % 10
		}
	}
	return 0 // not reached: whoever asks has seen that it is a digit
}

// withoutService takes off what a caller dials before a number to hide or show their own, so that calls to a number are
// found whether or not it was hidden: *31# and #31# (ETSI EN 300 738) everywhere, 141 and 1470 in Britain (Ofcom's
// numbering plan gives both to the caller's line identity alone).
func (r Rules) withoutService(text string) string {
	prefixes := []string{"*31#", "#31#"}
	if r.Country == "GB" {
		prefixes = append(prefixes, "1470", "141")
	}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(text, p); ok && len(digits(rest)) >= 5 { // 1471 and 1415 are services themselves
			return rest
		}
	}
	return text
}

// e164 is the number with its country code, or nothing where it is none of a plan.
func (r Rules) e164(text string) string {
	if strings.ContainsAny(text, "*#") {
		return "" // keypad codes: libphonenumber would drop these keys and find a number in the rest
	}
	n, err := phonenumbers.Parse(text, r.Country)
	if err != nil {
		return ""
	}
	switch phonenumbers.IsPossibleNumberWithReason(n) {
	case phonenumbers.IS_POSSIBLE:
		return phonenumbers.Format(n, phonenumbers.E164)
	case phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return r.local(text)
	case phonenumbers.TOO_LONG:
		// Keys pressed straight after the number, into a menu: they come as more of it.
		if phonenumbers.TruncateTooLongNumber(n) {
			return phonenumbers.Format(n, phonenumbers.E164)
		}
	}
	return ""
}

// local adds the area code. What begins with 0 or 1 is an operator's or a service's number and never local; under five
// digits it is an extension or a short code.
func (r Rules) local(text string) string {
	d := digits(text)
	if r.Area == "" || len(d) < 5 || d[0] == '0' || d[0] == '1' {
		return ""
	}
	n, err := phonenumbers.Parse(r.Area+d, r.Country)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return ""
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

// digits are the digits of a text.
func digits(text string) string {
	return strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, text)
}

// dialable are the keys of a text, or nothing where it has letters: then it is a name.
func dialable(text string) string {
	if strings.ContainsFunc(text, unicode.IsLetter) {
		return ""
	}
	keys := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c == '*' || c == '#' {
			return c
		}
		return -1
	}, text)
	if strings.HasPrefix(text, "+") && digits(keys) == keys && keys != "" {
		return "+" + keys // of a country that no plan is known of
	}
	return keys
}
