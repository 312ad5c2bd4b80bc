package words_test

import (
	"testing"
	"unicode/utf8"

	"linekeep/vault/catalog/words"
)

func TestP08_ANameIsFoundHoweverItIsWritten(t *testing.T) {
	for text, want := range map[string]string{
		"Zoë O'Brien": "zoe obrien", "ZOË  O’BRIEN": "zoe obrien", "Jørgen Łukasz Müller-Straße": "jorgen lukasz muller strasse",
		"B.T. Ltd.": "bt ltd", "": "", "山田 太郎": "山田 太郎", "Ａｎｎ": "ann", "Þórður": "thordur", "ann": "ann",
	} {
		if got := words.Fold(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	name := words.Fold("Zoë van der Meer")
	for asked, want := range map[string]bool{"zoe": true, "meer ZOË": true, "mee": true, "eer": false, "zoe smith": false, "": false, "-": false, "v d m": true} {
		if got := words.Match(name, words.Fold(asked)); got != want {
			t.Errorf("%q: got %v, want %v", asked, got, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Zoë O'Brien")
	f.Add("\xff\u0130\u0345ß")
	f.Fuzz(func(t *testing.T, s string) {
		once := words.Fold(s)
		if !utf8.ValidString(once) {
			t.Errorf("%q: %q is no text", s, once)
		}
		if once != "" && !words.Match(once, once) {
			t.Errorf("%q does not match itself", once)
		}
	})
}
