package health

import "time"

// keepingRules are about how long recordings are kept. None of them stops one.
func keepingRules() []rule {
	return []rule{
		{code: "retention.blocked", severity: SeverityDue, title: "More than half of the recordings would expire at once",
			text: "Noticed at %s. Nothing is erased until a Controller has looked at it.",
			todo: "Look whether the box's date is right and whether that many calls are really that old. Then have a Controller consent: linekeepctl retention.",
			box:  func(f facts) (bool, time.Time) { return f.vault.Retention.Blocked != nil, time.Time{} }},
		{code: "retention.clock", severity: SeverityDue, title: "The box's date has jumped",
			text: "Noticed at %s. The clock by which recordings expire did not follow it, so nothing is erased early; recordings may be kept for longer.",
			todo: "Look whether the date is right. If the box was off for more than a week and the date is right, have a Controller say so: linekeepctl retention.",
			box:  func(f facts) (bool, time.Time) { return f.vault.Retention.DayOff(), time.Time{} }},
		{code: "retention.trouble", severity: SeverityDue, title: "Recordings whose time is over may not have been erased",
			text: "Noticed at %s. Nothing is lost; what should be gone may still be there.",
			todo: "Run a check of the vault. If that finds nothing, ring whoever looks after the box: the log says why.",
			box:  func(f facts) (bool, time.Time) { return f.vault.Retention.Trouble != nil, time.Time{} },
			why:  func(f facts) error { return f.vault.Retention.Trouble }},
		{code: "retention.class", severity: SeverityDue, title: "It is not said how long some recordings are kept",
			text: "Noticed at %s. Their class stands in the settings no more, so they are kept.",
			todo: "Put the class back into data.classes of the settings file.",
			box:  func(f facts) (bool, time.Time) { return f.vault.Retention.Unclassed > 0, time.Time{} }},
	}
}
