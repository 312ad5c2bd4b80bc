// Package rule says which calls of a line are kept.
//
// Stage: line -> call -> [rule] -> encode -> seal -> store -> search -> release.
//
//	In:    call.Facts, as far as they are known
//	Out:   Verdict; it may change while a call is up, as more becomes known
//	Owner: plain values; no goroutine
//	Full:  nothing is kept here
package rule

import (
	"fmt"
	"slices"
	"strings"

	"linekeep/audio/call"
	"linekeep/drivers/line"
)

// Mode is what is recorded of a line.
type Mode uint8

// The modes. Always is the zero value: what nobody has thought about is recorded (policy P02).
const (
	Always   Mode = iota
	OnDemand      // only what somebody asks for while the call is up, from that moment on
	Never
)

// Modes are the names of all, for whoever must choose.
func Modes() []string { return []string{Always: "always", OnDemand: "on demand", Never: "never"} }

func (m Mode) String() string {
	if names := Modes(); int(m) < len(names) {
		return names[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// ParseMode reads what String writes.
func ParseMode(s string) (Mode, error) {
	names := Modes()
	if i := slices.Index(names, s); i >= 0 {
		return Mode(i), nil
	}
	return 0, fmt.Errorf("%q is no recording rule: %s", s, strings.Join(names, ", "))
}

// Rule is that of one line.
type Rule struct {
	Mode     Mode
	Withheld Mode // of calls whose number is kept back; Always leaves them to Mode
	// Excluded says whether a number, of either end, is never to be recorded: a private line, or somebody who objected. Nil is nobody.
	// It may be asked from any goroutine.
	Excluded func(line.Number) bool
}

// Verdict says what becomes of a call, and why.
type Verdict uint8

// The verdicts. The numbers are written to disk (the day's tally) and never given another meaning.
const (
	Record   Verdict = 0
	Excluded Verdict = 1 // one of its numbers is
	ByLine   Verdict = 2 // the line is never recorded
	Withheld Verdict = 3 // the number is kept back, and such calls are not recorded
	NotAsked Verdict = 4 // nobody has asked for it yet
)

func (v Verdict) String() string {
	names := [...]string{Record: "recorded", Excluded: "excluded number", ByLine: "line never recorded", Withheld: "withheld number",
		NotAsked: "not asked for"}
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// Of judges a call by what is known of it; asked says that somebody wants it recorded. An excluded number beats that.
func (r Rule) Of(f call.Facts, asked bool) Verdict {
	if r.excluded(f) {
		return Excluded
	}
	mode, never := r.Mode, ByLine
	if f.Withheld && r.Withheld > mode {
		mode, never = r.Withheld, Withheld
	}
	switch {
	case mode == Never:
		return never
	case mode == OnDemand && !asked:
		return NotAsked
	}
	return Record
}

func (r Rule) excluded(f call.Facts) bool {
	if r.Excluded == nil {
		return false
	}
	for _, n := range []line.Number{f.Number, f.Extension} {
		if n != "" && r.Excluded(n) {
			return true
		}
	}
	return slices.ContainsFunc(f.Notes, func(n call.Note) bool { return n.Number != "" && r.Excluded(n.Number) })
}
