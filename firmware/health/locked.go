package health

import (
	"errors"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/ui/api"
	"linekeep/vault/keys"
)

// lockedTitle is the title of each of these alarms, and so the box's sentence while one of them is up.
const lockedTitle = "The box records, but its vault is locked"

// lockedTodo is what helps, whatever closed the vault.
const lockedTodo = "Open the box's page in a browser, compare its certificate with the printed sheet, press the button on the box, and type the recovery code."

// lockedRules are the one alarm of a vault that does not open, in the words of what closed it. The first that fits counts.
func lockedRules() []rule {
	causes := []struct {
		is         []error
		text, todo string
	}{
		{[]error{keys.ErrOlder, keys.ErrRolledBack}, "Since %s. What is on the disk is older than the security chip has seen: an old copy was put back.",
			"Put the right disk back, then switch the box off and on. If there is none: " + lockedTodo},
		{[]error{keys.ErrAltered}, "Since %s. Both copies of its keys on the disk are damaged.",
			lockedTodo + " Then change the disk."},
		{[]error{tpm.ErrNotReady, tpm.ErrRefused}, "Since %s. The security chip was wiped, is another one, or does not trust what was started.",
			"If the program was changed, put the old one back. If the chip was wiped or changed: " + lockedTodo},
		{[]error{tpm.ErrOwned, tpm.ErrWrongAuth}, "Since %s. The security chip belongs to somebody else.",
			"Have the chip cleared in the box's set-up. Then: " + lockedTodo},
		{[]error{tpm.ErrUnavailable}, "Since %s. The security chip does not answer.",
			"Switch the box off and on. If it stays so, the chip has to be changed. Then: " + lockedTodo},
		{nil, "Since %s. What it needs to open is damaged.", "Ring whoever looks after the box: the log says why."},
	}
	rules := make([]rule, 0, len(causes))
	before := make([]error, 0, len(causes))
	for _, c := range causes {
		earlier := append([]error{}, before...)
		before = append(before, c.is...)
		rules = append(rules, rule{code: api.VaultLocked, severity: SeverityFault, title: lockedTitle,
			text: c.text + " New calls are safe. Until it is opened again no call can be found or heard.", todo: c.todo,
			box: func(f facts) (bool, time.Time) {
				why := f.vault.Locked
				return why != nil && !isAny(why, earlier) && (len(c.is) == 0 || isAny(why, c.is)), f.vault.LockedSince
			}})
	}
	return rules
}

func isAny(err error, of []error) bool {
	for _, e := range of {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
