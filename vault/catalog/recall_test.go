package catalog_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/number"
	"linekeep/vault/keys"
)

// subscriber is a number as its plan has it, by which the answer is known without asking package number.
type subscriber struct{ country, area, local string }

func (s subscriber) plain() string { return "+" + s.country + s.area + s.local }

// written is one of the ways in which lines and people write it.
func (s subscriber) written(r *rand.Rand) string {
	var ways []string
	for _, plus := range []string{"+", "00"} {
		ways = append(ways, plus+s.country+s.area+s.local, plus+s.country+" "+s.area+" "+s.local, plus+s.country+"-"+s.area+"-"+s.local[:3]+"-"+s.local[3:])
	}
	if s.country == "44" {
		ways = append(ways, "0"+s.area+s.local, "0"+s.area+" "+s.local, "(0"+s.area+") "+s.local, "0"+s.area+"-"+s.local[:3]+" "+s.local[3:],
			"+44 (0)"+s.area+" "+s.local, "0044 (0)"+s.area+s.local, "44"+s.area+s.local, s.area+s.local, "1410"+s.area+s.local,
			"*31#0"+s.area+s.local, "tel:+44-"+s.area+"-"+s.local, strings.Map(func(c rune) rune { return c - '0' + '０' }, "0"+s.area+s.local))
	}
	return anyOf(r, ways...)
}

// start is the way in which a person writes the beginning of such numbers.
func (s subscriber) start(r *rand.Rand) string {
	ways := []string{"+" + s.country + s.area, "00" + s.country + " " + s.area, "+" + s.country + " " + s.area[:2]}
	if s.country == "44" {
		ways = append(ways, "0"+s.area, "(0"+s.area+")", "+44 (0)"+s.area, "0044 (0)"+s.area, "0"+s.area+" "+s.local[:2])
	}
	return anyOf(r, ways...)
}

func subscribers(r *rand.Rand, n int) []subscriber {
	all := make([]subscriber, n)
	for i := range all {
		switch r.IntN(7) {
		case 0, 1:
			all[i] = subscriber{"44", "1632", fmt.Sprintf("960%03d", r.IntN(1000))}
		case 2:
			all[i] = subscriber{"44", "20", fmt.Sprintf("79460%03d", r.IntN(1000))}
		case 3:
			all[i] = subscriber{"44", "7700", fmt.Sprintf("900%03d", r.IntN(1000))}
		case 4:
			all[i] = subscriber{"44", "113", fmt.Sprintf("4960%03d", r.IntN(1000))}
		case 5:
			all[i] = subscriber{"49", "30", fmt.Sprintf("23125%03d", r.IntN(1000))}
		default:
			all[i] = subscriber{"1", "202", fmt.Sprintf("5550%03d", r.IntN(1000))}
		}
	}
	return all
}

// knownCall is a call and what is known of it, written plainly.
type knownCall struct {
	id                 keys.ID
	start              time.Time
	plain, ext, name   string
	tag, matter, class string
	incoming, answered bool
	seconds            int
}

// known makes n calls whose numbers are written in many ways.
func known(tb testing.TB, s *site, n int) ([]catalog.Row, []knownCall, []subscriber) {
	tb.Helper()
	r := rand.New(rand.NewPCG(2026, 11))
	people := subscribers(r, 1500)
	rows, calls := s.rows(tb, n), make([]knownCall, n)
	for i := range rows {
		k := knownCall{id: rows[i].ID, start: rows[i].Start, plain: "withheld", ext: fmt.Sprint(200 + r.IntN(30)), seconds: r.IntN(3600), class: "standard",
			incoming: r.IntN(2) == 0, answered: r.IntN(3) > 0}
		text := anyOf(r, "withheld", "P", "anonymous")
		switch r.IntN(20) {
		case 0:
		case 1:
			k.plain, text = "", anyOf(r, "", "unavailable")
		case 2:
			k.plain = anyOf(r, "999", "1471", "116123", "215")
			text = k.plain
		default:
			p := people[r.IntN(len(people))]
			k.plain, text = p.plain(), p.written(r)
		}
		name := anyOf(r, "", "", "", "Zoë O'Brien", "zoe OBRIEN", "Hartley & Rowe", "José Núñez-Smith", "Smith, Adam")
		k.name = map[string]string{"Zoë O'Brien": "zoe obrien", "zoe OBRIEN": "zoe obrien", "Hartley & Rowe": "hartley rowe",
			"José Núñez-Smith": "jose nunez smith", "Smith, Adam": "smith adam"}[name]
		rows[i].Tags, rows[i].Cases = nil, nil
		if r.IntN(30) == 0 {
			k.tag, k.matter = "complaint", fmt.Sprint("2026-", r.IntN(50))
			rows[i].Tags, rows[i].Cases = []string{"Complaint"}, []string{k.matter}
		}
		rows[i].Number, rows[i].Extension, rows[i].Name, rows[i].Plain = line.Number(text), line.Number(k.ext), name, ""
		rows[i].Class, rows[i].Answered, rows[i].Duration = k.class, k.answered, time.Duration(k.seconds)*time.Second
		rows[i].Direction = line.Outgoing
		if k.incoming {
			rows[i].Direction = line.Incoming
		}
		calls[i] = k
	}
	return rows, calls, people
}

// answer is what a search must find: neither more nor less.
func answer(t *testing.T, s *site, q catalog.Query, calls []knownCall, is func(*knownCall) bool) {
	t.Helper()
	want := map[keys.ID]bool{}
	for i := range calls {
		if is(&calls[i]) {
			want[calls[i].id] = true
		}
	}
	found := 0
	for row, err := range s.Find(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if !want[row.ID] {
			t.Fatalf("%s: found %s, number %q, which is none of the answer", reveal(q), row.ID, row.Number.Reveal())
		}
		found++
	}
	if found != len(want) {
		t.Errorf("%s: found %d of %d", reveal(q), found, len(want))
	}
}

// reveal shows what was asked: these numbers are nobody's.
func reveal(q catalog.Query) string {
	var all []string
	for _, p := range q.Numbers {
		all = append(all, fmt.Sprint(p.Part, " ", p.Text.Reveal()))
	}
	return fmt.Sprintf("%q %+v", all, q)
}

// TestP08_KnownAnswersAreFoundInEveryWrittenForm: of 100,000 calls whose numbers are written in some twenty ways, a search in
// any way finds all there are, and no other.
func TestP08_KnownAnswersAreFoundInEveryWrittenForm(t *testing.T) {
	s := newSite(t, catalog.MaxBlockRows)
	rows, calls, people := known(t, s, 100_000)
	for batch := range slices.Chunk(rows, catalog.MaxBlockRows) {
		mustFile(t, s, batch)
	}
	s.reopen(t)
	r := rand.New(rand.NewPCG(5, 6))
	yes := true
	numbered := func(part number.Part, text string, is func(plain string) bool) {
		t.Helper()
		answer(t, s, catalog.Query{Numbers: []number.Pattern{{Text: line.Number(text), Part: part}}}, calls, func(k *knownCall) bool { return is(k.plain) })
	}
	for i := range 120 {
		p := people[r.IntN(len(people))]
		numbered(number.Whole, p.written(r), func(plain string) bool { return plain == p.plain() })
		if i < 25 {
			text := p.start(r)
			begins := "+" + p.country + p.area
			switch {
			case text == "+"+p.country+" "+p.area[:2]:
				begins = "+" + p.country + p.area[:2]
			case strings.HasSuffix(text, " "+p.local[:2]) && strings.HasPrefix(text, "0"+p.area):
				begins += p.local[:2]
			}
			numbered(number.Start, text, func(plain string) bool { return strings.HasPrefix(plain, begins) })
			end := p.local[len(p.local)-2-r.IntN(4):]
			numbered(number.End, end, func(plain string) bool { return strings.HasSuffix(plain, end) })
		}
	}
	for _, short := range []string{"999", "1471", "116123", "215"} {
		numbered(number.Whole, short, func(plain string) bool { return plain == short })
	}
	for _, text := range []string{"withheld", "anonymous"} {
		numbered(number.Whole, text, func(plain string) bool { return plain == "withheld" })
	}
	answer(t, s, catalog.Query{Withheld: &yes}, calls, func(k *knownCall) bool { return k.plain == "withheld" })
	answer(t, s, catalog.Query{Extensions: []string{"203"}}, calls, func(k *knownCall) bool { return k.ext == "203" })
	for asked, folded := range map[string][]string{"ZOË": {"zoe obrien"}, "smith": {"smith adam", "jose nunez smith"}, "Nuñez jose": {"jose nunez smith"}, "rowe": {"hartley rowe"}} {
		answer(t, s, catalog.Query{Words: asked}, calls, func(k *knownCall) bool { return slices.Contains(folded, k.name) })
	}
	answer(t, s, catalog.Query{Tags: []string{"COMPLAINT"}, Cases: []string{"2026-7", "2026-9"}}, calls, func(k *knownCall) bool { return k.matter == "2026-7" || k.matter == "2026-9" })
	aPerson(t, s, calls, people, r)
}

// aPerson: everything about one individual, of whom two numbers, an extension of a time and a name are known; with other
// criteria beside.
func aPerson(t *testing.T, s *site, calls []knownCall, people []subscriber, r *rand.Rand) {
	t.Helper()
	in := line.Incoming
	for range 5 {
		a, b := people[r.IntN(len(people))], people[r.IntN(len(people))]
		from := calls[r.IntN(len(calls))].start
		to := from.AddDate(0, 0, 9)
		q := catalog.Query{Person: []catalog.Party{
			{Numbers: []number.Pattern{{Text: line.Number(a.written(r))}, {Text: line.Number(b.written(r))}}},
			{Extensions: []string{"211"}, From: from, To: to}, {Names: []string{"zoe o'brien"}, To: from},
		}}
		theirs := func(k *knownCall) bool {
			return k.plain == a.plain() || k.plain == b.plain() || k.ext == "211" && !k.start.Before(from) && k.start.Before(to) ||
				k.name == "zoe obrien" && k.start.Before(from)
		}
		answer(t, s, q, calls, theirs)
		q.Direction, q.MinDuration = &in, 20*time.Minute
		answer(t, s, q, calls, func(k *knownCall) bool { return theirs(k) && k.incoming && k.seconds >= 20*60 })
	}
}
