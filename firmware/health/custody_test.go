package health

import (
	"slices"
	"testing"
	"time"

	"linekeep/ui/api"
	"linekeep/vault/custody/office"
	"linekeep/vault/rewrap"
)

func TestAlarmsAboutWhoCanHear(t *testing.T) {
	for _, c := range []struct {
		name   string
		people office.Status
		rewrap rewrap.Status
		alarms []string
	}{
		{name: "two hold the key", people: office.Status{Number: 2, Holders: 2}},
		{name: "one holds the key", people: office.Status{Number: 2, Holders: 1}, alarms: []string{"custody.holders"}},
		{name: "delegates do not count", people: office.Status{Number: 2, Holders: 1, Delegates: 3}, alarms: []string{"custody.holders"}},
		{name: "before hand-over", people: office.Status{Number: 1, Commissioning: true}, alarms: []string{"custody.commissioning"}},
		{name: "a grant waits", people: office.Status{Number: 2, Holders: 2, Waiting: 1}, alarms: []string{"custody.waiting"}},
		{name: "calls are being wrapped anew", people: office.Status{Number: 3, Holders: 2}, rewrap: rewrap.Status{Left: 9, Since: start()}},
		{name: "and nobody comes", people: office.Status{Number: 3, Holders: 2}, rewrap: rewrap.Status{Left: 9, Since: start().Add(-rewrap.Patience)},
			alarms: []string{"custody.rewrap"}},
		{name: "some cannot be wrapped at all", people: office.Status{Number: 3, Holders: 2}, rewrap: rewrap.Status{Damaged: 1, Since: start()},
			alarms: []string{"custody.damaged"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox()
			b.vault.People, b.vault.Rewrap = c.people, c.rewrap
			st := b.Health.Status(t.Context())
			if got := codes(st); !slices.Equal(got, c.alarms) {
				t.Errorf("alarms %v, want %v", got, c.alarms)
			}
			if st.Recording != api.Yes {
				t.Errorf("recording: %s", st.Recording)
			}
			b.pass(time.Second)
		})
	}
}
