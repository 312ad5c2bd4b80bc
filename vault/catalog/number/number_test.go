package number_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/line"
	"linekeep/vault/catalog/number"
)

func gb() number.Rules { return number.Rules{Country: "GB", Area: "01632"} }

func TestP08_EveryWrittenFormOfANumberIsOnePlainForm(t *testing.T) {
	for want, forms := range map[line.Number][]line.Number{
		"+441632960018": {"01632 960018", "01632960018", "(01632) 960018", "01632-960-018", "+441632960018", "+44 1632 960018", "+44 (0)1632 960018",
			"+44(0) 1632-960018", "00441632960018", "0044 (0)1632 960018", "441632960018", "1632960018", "tel:+44-1632-960018", " 01632\u00a0960018 ",
			"０１６３２９６００１８", "٠١٦٣٢٩٦٠٠١٨", "\u202a+44 1632 960018\u202c", "14101632960018", "1470 01632 960018", "*31#01632960018", "#31#+441632960018",
			"960018", "01632 960018 ext 12"},
		"+442072193000":     {"020721930001", "020 7219 3000 22"}, // keys for a menu, pressed straight after
		"+442079460018":     {"020 7946 0018", "+44 20 7946 0018", "(020) 79460018", "0044 20 7946 0018"},
		"+447700900123":     {"07700 900123", "+44 7700 900 123", "0044-7700-900123"},
		"+493012345678":     {"+49 30 12345678", "0049 30 12345678", "+49 (0)30 12345678"},
		"+12025550143":      {"+1 202-555-0143", "001 (202) 555 0143"},
		"999":               {"999"},
		"1471":              {"1471"},
		"201":               {"201", " 201 "},
		"*21*201#":          {"*21*201#"},
		number.Withheld:     {"withheld", "Withheld", "P", "anonymous", "Private", "NUMBER WITHHELD"},
		"":                  {"", "  ", "O", "unavailable", "Unknown"},
		"reception@example": {"Reception@Example"},
	} {
		for _, form := range forms {
			if got := gb().Plain(form); got != want {
				t.Errorf("%q: got %q, want %q", form.Reveal(), got.Reveal(), want.Reveal())
			}
		}
	}
	for form, want := range map[line.Number]line.Number{"030 12345678": "+493012345678", "0044 1632 960018": "+441632960018"} {
		if got := (number.Rules{Country: "DE"}).Plain(form); got != want {
			t.Errorf("in Germany %q: got %q, want %q", form.Reveal(), got.Reveal(), want.Reveal())
		}
	}
}

func TestPatternsMatchInEveryWrittenForm(t *testing.T) {
	plain := []line.Number{"+441632960018", "+442079460018", "+4916329600", "999", "01", "1632", number.Withheld, "*21*201#", ""}
	for _, c := range []struct {
		part  number.Part
		texts []line.Number
		want  []line.Number
	}{
		{number.Whole, []line.Number{"01632 960018", "+44 1632 960018", "0044 (0)1632 960018"}, []line.Number{"+441632960018"}},
		{number.Whole, []line.Number{"withheld", "anonymous"}, []line.Number{number.Withheld}},
		{number.Start, []line.Number{"01632", "+44 1632", "0044 1632", "+44 (0)1632", "(01632)"}, []line.Number{"+441632960018"}},
		{number.Start, []line.Number{"1632"}, []line.Number{"+441632960018", "1632"}},
		{number.Start, []line.Number{"0"}, []line.Number{"+441632960018", "+442079460018", "01"}},
		{number.Start, []line.Number{"+49", "0049"}, []line.Number{"+4916329600"}},
		{number.Start, []line.Number{"*21*"}, []line.Number{"*21*201#"}},
		{number.End, []line.Number{"0018", "00 18", "-018"}, []line.Number{"+441632960018", "+442079460018"}},
		{number.End, []line.Number{"01632 960018"}, []line.Number{"+441632960018"}},
		{number.End, []line.Number{"01#"}, []line.Number{"*21*201#"}},
		{number.End, []line.Number{"99"}, []line.Number{"999"}},
	} {
		for _, text := range c.texts {
			m, err := gb().Compile(number.Pattern{Text: text, Part: c.part})
			if err != nil {
				t.Fatal(err)
			}
			var got []line.Number
			for _, p := range plain {
				k, packed := number.Pack(p)
				if m.Match(p) {
					got = append(got, p)
				}
				if packed && m.MatchKey(k) != m.Match(p) {
					t.Errorf("part %d of %q: packed, %q matches otherwise", c.part, text.Reveal(), p.Reveal())
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("part %d of %q: got %q, want %q", c.part, text.Reveal(), reveal(got), reveal(c.want))
			}
		}
	}
	for _, p := range []number.Pattern{{}, {Text: "+", Part: number.Start}, {Text: "()", Part: number.End}, {Text: "1", Part: 9}} {
		if _, err := gb().Compile(p); !errors.Is(err, number.ErrPattern) {
			t.Errorf("%+v: %v, want ErrPattern", p, err)
		}
	}
}

func reveal(ns []line.Number) string {
	var all []string
	for _, n := range ns {
		all = append(all, n.Reveal())
	}
	return strings.Join(all, " ")
}

func TestRulesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, r := range []number.Rules{{}, {Country: "gb"}, {Country: "ZZ"}, {Country: "GB", Area: "(01632)"}, {Country: "GB", Area: "016329600"}} {
		if r.Validate() == nil {
			t.Errorf("%+v is taken", r)
		}
	}
	if err := errors.Join(gb().Validate(), number.Defaults().Validate()); err != nil {
		t.Error(err)
	}
}

// FuzzPlain: any text has a plain form, which is its own plain form's whole pattern, and packing changes nothing.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"01632 960018", "+44 (0)1632 960018", "withheld", "*31#960018", "٠١٦٣٢", "tel:+1;ext=3", "+", "1470", "\xff\xfe", "😀1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		plain := gb().Plain(line.Number(s))
		if k, ok := number.Pack(plain); ok && (k.Plain() != plain || !k.Valid()) {
			t.Errorf("%q: plain %q, packed %q", s, plain.Reveal(), k.Plain().Reveal())
		}
		for _, part := range []number.Part{number.Whole, number.Start, number.End} {
			m, err := gb().Compile(number.Pattern{Text: line.Number(s), Part: part})
			if err != nil {
				continue
			}
			if part == number.Whole && !m.Match(plain) {
				t.Errorf("%q does not match itself, %q", s, plain.Reveal())
			}
			if k, ok := number.Pack(plain); ok && m.MatchKey(k) != m.Match(plain) {
				t.Errorf("%q, part %d: packed, it matches otherwise", s, part)
			}
		}
	})
}

// TestAFilterNeverHidesANumber: what was put in may always be there, and few others.
func TestAFilterNeverHidesANumber(t *testing.T) {
	var packed []number.Key
	for i := range 3000 {
		k, _ := number.Pack(line.Number(fmt.Sprintf("+44%d", 1_632_000_000+i*7919)))
		packed = append(packed, k)
	}
	f := number.NewFilter(packed, []string{"withheld", "*21*201#"})
	var b cryptobyte.Builder
	f.AddTo(&b)
	s := cryptobyte.String(b.BytesOrPanic())
	back, ok := number.ReadFilter(&s)
	if !ok || !s.Empty() {
		t.Fatal("the filter is not read back")
	}
	may := func(part number.Part, text line.Number) bool {
		m, err := gb().Compile(number.Pattern{Text: text, Part: part})
		if err != nil {
			t.Fatal(err)
		}
		return back.May(m)
	}
	wrong := 0
	for i, k := range packed {
		plain := k.Plain().Reveal()
		if !may(number.Whole, line.Number("0"+plain[3:])) || !may(number.End, line.Number(plain[8:])) || !may(number.End, "1") || !may(number.Start, "+44") {
			t.Fatalf("%s is hidden", plain)
		}
		if may(number.Whole, line.Number(fmt.Sprintf("+49%d", 301_000_000+i))) {
			wrong++
		}
	}
	if wrong > 90 {
		t.Errorf("%d of 3000 numbers that are not there seem to be, want about 30", wrong)
	}
	if !may(number.Whole, "anonymous") || !may(number.Whole, "*21*201#") || may(number.Whole, "999") {
		t.Error("a text is hidden, or one that is not there seems to be")
	}
}

func FuzzReadFilter(f *testing.F) {
	f.Add([]byte{0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 4, 210})
	m, err := gb().Compile(number.Pattern{Text: "01632 961234"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := cryptobyte.String(b)
		got, ok := number.ReadFilter(&s)
		if !ok {
			return
		}
		got.May(m)
		var w cryptobyte.Builder
		got.AddTo(&w)
		again := cryptobyte.String(w.BytesOrPanic())
		if back, ok := number.ReadFilter(&again); !ok || back.May(m) != got.May(m) {
			t.Error("a filter that was read is not written the same")
		}
	})
}
