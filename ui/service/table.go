package service

import (
	"fmt"
	"slices"
)

// Caller is who asks. The roles of people (policy.md) join these when there are accounts.
type Caller string

// The callers there are.
const (
	Visitor Caller = "visitor" // a browser, not signed in
	Machine Caller = "machine" // root of the box, by the unix socket of mode 0600
)

// Act is something that can be asked. Each way in names its act, and an act that is not in the table is nobody's.
type Act string

// The acts there are.
const (
	ActStatus Act = "status"
	ActLines  Act = "lines"
	ActCalls  Act = "calls"
	ActSearch Act = "search"
	ActCheck  Act = "check"
	ActScrub  Act = "scrub"
	ActPlay   Act = "play"
	ActKeys   Act = "keys"
	// ActErase erases a call for good.
	ActErase Act = "erase"
	// ActRetention is holds and restrictions, and a Controller's word about what expires.
	ActRetention Act = "retention"
	// ActPeople is everything about people. Who may do it says, beside this table, the session of whoever signs in for it.
	ActPeople Act = "people"
	// ActRecover opens a locked vault: with the code and the button, so whoever has both may.
	ActRecover Act = "recover"
	// ActAudit reads and verifies the audit log, and has a checkpoint given out.
	ActAudit Act = "audit"
	// ActPress presses the button of a box that has none: linekeepd-sim's.
	ActPress Act = "press"
)

// Acts are all of them, for tests and for the list of endpoints.
func Acts() []Act {
	return []Act{ActStatus, ActLines, ActCalls, ActSearch, ActCheck, ActScrub, ActPlay, ActKeys, ActErase, ActRetention, ActPeople, ActRecover, ActAudit, ActPress}
}

// callers is the permission table. Calls, search, play and erase are the machine's for now, so that the spine can be tried from end
// to end; the register takes them away from it and gives them to cases, grants and a Controller's signature (P07, P13).
func callers(a Act) []Caller {
	switch a {
	case ActStatus, ActLines, ActRecover:
		return []Caller{Visitor, Machine}
	case ActCheck, ActScrub, ActCalls, ActSearch, ActPlay, ActKeys, ActErase, ActRetention, ActPeople, ActAudit, ActPress:
		return []Caller{Machine}
	}
	return nil
}

// unwritten are the acts that leave no entry in the audit log, and why. Of every other one an entry stands in it before it is done.
func unwritten() map[Act]string {
	return map[Act]string{
		ActStatus:  "tells nothing of any call or person, and is asked for every second",
		ActLines:   "as status",
		ActPress:   "a finger on the box; what the button allows is written down",
		ActRecover: "the log does not open before the keys do: vault.Recover writes it down as soon as they did, and what was refused before is kept until then",
	}
}

func allowed(who Caller, a Act) error {
	if !slices.Contains(callers(a), who) {
		return fmt.Errorf("%w: %s for %s", ErrNotAllowed, a, who)
	}
	return nil
}
