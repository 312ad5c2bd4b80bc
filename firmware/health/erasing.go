package health

import "time"

const (
	// counterLasts is how often a chip's counter can be written: what makers of TPMs promise is 100,000 times.
	counterLasts = 100_000
	// counterWorn is when that must be told: at 20 a day the rest lasts for more than two years.
	counterWorn = counterLasts * 8 / 10
)

// erasingRules are about what was ordered to be erased, and about the keys.
func erasingRules() []rule {
	return []rule{
		{code: "erasure.waits", severity: SeverityDue, title: "Something that was ordered to be erased is not erased yet",
			text: "Since %s. Nobody can find it or hear it, but its keys are still on the box.",
			todo: "Switch the box off and on: its security chip may not have answered. If it stays so, ring whoever looks after the box: the log says why.",
			box: func(f facts) (bool, time.Time) {
				e := f.vault.Erasing
				return e.Failed != nil, e.Since
			}},
		{code: "counter.busy", severity: SeverityDue, title: "More was erased today than the security chip should count",
			text: "Since %s. Each erasure wears the chip a little, so what is ordered now is refused at once and erased once an hour.",
			todo: "Nothing, if today was out of the ordinary. If this comes every day, order erasures together.",
			box: func(f facts) (bool, time.Time) {
				w := f.vault.Erasing.Wear
				return w.Budget > 0 && w.Today >= w.Budget, time.Time{}
			}},
		{code: "counter.worn", severity: SeverityDue, title: "The security chip is wearing out",
			text: "Noticed at %s. It has counted four fifths of the erasures it is made for. When it can count no more, nothing can be erased.",
			todo: "Have the box changed within a year. Keep the recovery code at hand: it opens the recordings on another box.",
			box:  func(f facts) (bool, time.Time) { return f.vault.Erasing.Wear.Total >= counterWorn, time.Time{} }},
		{code: "keys.backup", severity: SeverityDue, title: "The copy of the keys for the recovery code is out of date",
			text: "Since %s. If the security chip failed now, the newest recordings could not be opened with the recovery code.",
			todo: "Run a check of the vault, and think of changing the disk. The log says why it could not be written.",
			box: func(f facts) (bool, time.Time) {
				return f.vault.Erasing.Backup.Err != nil, time.Time{}
			}},
	}
}
