package callerid

import (
	"strings"

	"linekeep/drivers/line"
)

// MaxKeys is the longest keypad form: three numbers of 20 digits and their letters.
const MaxKeys = 64

// KeypadEnd says whether a key ends the keypad form.
func KeypadEnd(key byte) bool { return key == '#' || key == 'C' }

// Keypad reads the form of caller ID that is made of keypad digits, up to and with its end:
//
//	A number [D redirecting] [B reason] C    Belgium, Sweden, Finland and others; reason 00 unavailable, 10 withheld
//	D number C                               Taiwan, Kuwait
//	A number #                               Denmark, Netherlands
//	D1#, D2#, D3#                            Denmark, Netherlands: withheld, from abroad, not known
//	number #                                 Denmark, Netherlands, older exchanges
//
// The last is also what a person dials who ends with #: it is for who calls this to be in the moment before the first ring.
func Keypad(keys string) (Message, error) {
	if len(keys) < 2 || len(keys) > MaxKeys {
		return Message{}, errFormat
	}
	body, end := keys[:len(keys)-1], keys[len(keys)-1]
	switch end {
	case '#':
		return hash(body)
	case 'C':
		return lettered(body)
	}
	return Message{}, errFormat
}

func hash(body string) (Message, error) {
	switch body {
	case "D1":
		return Message{NumberAbsent: Withheld}, nil
	case "D2", "D3":
		return Message{NumberAbsent: Unavailable}, nil
	}
	n, ok := plain(strings.TrimPrefix(body, "A"))
	if !ok || n == "" {
		return Message{}, errFormat
	}
	return Message{Number: n}, nil
}

func lettered(body string) (Message, error) {
	var m Message
	seen := map[byte]bool{}
	for body != "" {
		kind := body[0]
		next := strings.IndexAny(body[1:], "ABD")
		value := body[1:]
		if next >= 0 {
			value = body[1 : 1+next]
		}
		body = body[1+len(value):]
		n, ok := plain(value)
		if !ok || seen[kind] {
			return Message{}, errFormat
		}
		seen[kind] = true
		switch {
		case kind == 'A':
			m.Number = n
		case kind == 'D':
			m.Redirecting = n
		case kind == 'B' && value == "10":
			m.NumberAbsent = Withheld
		case kind == 'B' && value == "00":
			m.NumberAbsent = Unavailable
		default:
			return Message{}, errFormat
		}
	}
	if !seen['A'] && !seen['B'] { // where there is no A, D is the caller
		m.Number, m.Redirecting = m.Redirecting, ""
	}
	if m.Number == "" && m.NumberAbsent == Given {
		return Message{}, errFormat
	}
	return m, nil
}

// plain is a value of digits alone.
func plain(v string) (line.Number, bool) {
	if strings.Trim(v, "0123456789") != "" {
		return "", false
	}
	return line.Number(v), true
}
