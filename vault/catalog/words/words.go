// Package words compares names as people write them: by their words, without regard to capitals and accents.
//
//	In:    a name as a line or a person gave it, or words to look for
//	Out:   folded words
//	Owner: plain values; no goroutine
//	Full:  a text of any length is taken
package words

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// letters are those that Unicode takes for letters of their own, and people who write the name elsewhere leave plain.
func letters() *strings.Replacer {
	return strings.NewReplacer("ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe", "ı", "i", "ŋ", "ng", "ħ", "h", "ŧ", "t")
}

// Fold gives the words of a text, each folded, with single blanks between. Apostrophes and full stops join what stands
// beside them (O'Brien is obrien, B.T. is bt); all other signs part it (Smith-Jones is two words).
func Fold(text string) string {
	plain := true
	for i := range len(text) {
		if c := text[i]; c >= 0x80 || (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			plain = false
			break
		}
	}
	if plain {
		return text
	}
	text = letters().Replace(cases.Fold().String(norm.NFKD.String(strings.ToValidUTF8(text, " "))))
	text = strings.Map(func(c rune) rune {
		switch {
		case unicode.Is(unicode.Mn, c), c == '\'', c == '’', c == '.', c == 'ʼ', c == '`':
			return -1
		case unicode.IsLetter(c), unicode.IsDigit(c):
			return c
		}
		return ' '
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// Match says whether every word of asked is the beginning of a word of name; both are folded. Nothing asked matches nothing.
func Match(name, asked string) bool {
	if asked == "" {
		return false
	}
	for word := range strings.SplitSeq(asked, " ") {
		if !strings.HasPrefix(name, word) && !strings.Contains(name, " "+word) {
			return false
		}
	}
	return true
}
