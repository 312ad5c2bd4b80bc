package rule_test

import (
	"testing"

	"linekeep/audio/call"
	"linekeep/audio/rule"
	"linekeep/drivers/line"
)

func TestTheRuleOfALineDecidesWhatIsKept(t *testing.T) {
	private := func(n line.Number) bool { return n == "07700900123" }
	plain, mine := call.Facts{Number: "01632960018"}, call.Facts{Number: "07700900123"}
	withheld := call.Facts{Withheld: true}
	for _, tt := range []struct {
		name  string
		rule  rule.Rule
		facts call.Facts
		asked bool
		want  rule.Verdict
	}{
		{"nobody thought about it", rule.Rule{}, plain, false, rule.Record},
		{"a withheld number follows the line", rule.Rule{}, withheld, false, rule.Record},
		{"never", rule.Rule{Mode: rule.Never}, plain, true, rule.ByLine},
		{"on demand, not asked", rule.Rule{Mode: rule.OnDemand}, plain, false, rule.NotAsked},
		{"on demand, asked", rule.Rule{Mode: rule.OnDemand}, plain, true, rule.Record},
		{"excluded beats asked", rule.Rule{Mode: rule.OnDemand, Excluded: private}, mine, true, rule.Excluded},
		{"excluded", rule.Rule{Excluded: private}, mine, false, rule.Excluded},
		{"not excluded", rule.Rule{Excluded: private}, plain, false, rule.Record},
		{"an excluded extension", rule.Rule{Excluded: private}, call.Facts{Extension: "07700900123"}, false, rule.Excluded},
		{"excluded is who took the call", rule.Rule{Excluded: private},
			call.Facts{Notes: []call.Note{{Note: line.Connected, Number: "07700900123"}}}, false, rule.Excluded},
		{"withheld, never", rule.Rule{Withheld: rule.Never}, withheld, false, rule.Withheld},
		{"withheld, on demand, asked", rule.Rule{Withheld: rule.OnDemand}, withheld, true, rule.Record},
		{"a line never recorded stays so for withheld numbers", rule.Rule{Mode: rule.Never, Withheld: rule.OnDemand}, withheld, true, rule.ByLine},
		{"an unknown number is nobody's", rule.Rule{Excluded: func(line.Number) bool { return true }}, call.Facts{}, false, rule.Record},
	} {
		if got := tt.rule.Of(tt.facts, tt.asked); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestModesAreReadAsTheyAreWritten(t *testing.T) {
	for _, name := range rule.Modes() {
		if m, err := rule.ParseMode(name); err != nil || m.String() != name {
			t.Errorf("%q: %v, %v", name, m, err)
		}
	}
	if _, err := rule.ParseMode("sometimes"); err == nil {
		t.Error(`"sometimes" is taken for a rule`)
	}
}
