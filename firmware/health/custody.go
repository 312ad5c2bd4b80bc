package health

import (
	"errors"
	"time"
)

// enoughHolders is how many people should hold the custody key: if the only one falls ill, nobody can answer a request
// without the recovery code.
const enoughHolders = 2

// custodyRules are about who can hear recordings. None of them stops one.
func custodyRules() []rule {
	return []rule{
		{code: "custody.commissioning", severity: SeverityDue, title: "The box is not handed over yet",
			text: "Noticed at %s. It records, but whoever has the box can hear what it recorded, and all of that is erased at the hand-over.",
			todo: "Enter the Data Controller and hand the box over to them.",
			box:  func(f facts) (bool, time.Time) { return f.vault.People.Commissioning, time.Time{} }},
		{code: "custody.holders", severity: SeverityDue, title: "Fewer than two people hold the key of the recordings",
			text: "Noticed at %s. If the one who holds it cannot come, nobody can hear a recording but with the recovery code.",
			todo: "Enter a second Data Controller. Once they have claimed their account, the first one admits them.",
			box: func(f facts) (bool, time.Time) {
				p := f.vault.People
				return p.Number > 0 && !p.Commissioning && p.Holders < enoughHolders, time.Time{}
			}},
		{code: "custody.waiting", severity: SeverityDue, title: "Something authorised waits for the Controller",
			text: "Since %s. A Director has signed it; it can be heard once a Controller has signed in.",
			todo: "Ask a Data Controller to sign in.",
			box:  func(f facts) (bool, time.Time) { return f.vault.People.Waiting > 0, time.Time{} }},
		{code: "custody.damaged", severity: SeverityDue, title: "Some recordings cannot be brought under the new recovery code",
			text: "Noticed at %s. They are too damaged for it. The earlier code is still worth something as long as they are there.",
			todo: "Have the box checked: the check names them. They cannot be heard any more; erase them, and the earlier code is worth nothing.",
			box:  func(f facts) (bool, time.Time) { return f.vault.Rewrap.Damaged > 0, time.Time{} }},
		{code: "custody.rewrap", severity: SeverityDue, title: "Recordings are still under the earlier recovery code",
			text: "Since %s. Until they are moved, the earlier code is worth keeping safe.",
			todo: "Ask a Data Controller to sign in, and to stay signed in for a while. If that does not help, the log says why.",
			box: func(f facts) (bool, time.Time) {
				r := f.vault.Rewrap
				return r.Stalled(f.now), r.Since
			},
			why: func(f facts) error {
				if f.vault.Rewrap.Error == "" {
					return nil
				}
				return errors.New(f.vault.Rewrap.Error)
			}},
	}
}
