package vault_test

import (
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/vault/catalog"
	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/talk"
)

// A number can be known only after sound of its call was stored. What was stored is ciphertext under a key that goes at once.
func TestARecordingOfAnExcludedNumberIsErasedAtOnce(t *testing.T) {
	v := newErasable(t, 1)
	k := talk.New(7, time.Now())
	groups := k.Groups(4, true, true)
	c := &groups[3].Closings[0]
	c.Reason, c.Number, c.Extension = segment.EndExcluded, "", ""
	epoch, err := v.chip.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v.Say(groups...)
	v.Settle()
	id := keys.ID{Shard: v.ids[0].Shard, Slot: v.ids[0].Slot + 1}
	if got := v.found(); len(got) != 1 || got[0] != v.ids[0] {
		t.Errorf("found %v, want only the other call %v", got, v.ids)
	}
	cert, err := v.Certificate(id)
	if err != nil || cert.Entry.Why != erasure.Mistake {
		t.Errorf("certificate %+v, %v", cert, err)
	}
	if now, err := v.chip.Epoch(t.Context()); err != nil || now <= epoch {
		t.Errorf("the chip's counter went from %d to %d, %v", epoch, now, err)
	}
	v.Stop()
	v.Start()
	if got := v.found(); len(got) != 1 {
		t.Errorf("found after a restart: %v", got)
	}
}

// A missed call is an entry of the catalogue and has no sound; nothing takes that for damage.
func TestACallThatCameToNothingIsFoundAndIsNoDamage(t *testing.T) {
	v := newErasable(t, 1)
	k := talk.New(7, time.Now())
	k.Parties = nil
	o, c := k.Opening(), k.Closing()
	c.Reason, c.Answered, c.Length = segment.EndMissed, false, 0
	v.Say(segment.Group{At: time.Now(), Openings: []segment.Opening{o}, Closings: []segment.Closing{c}})
	v.Settle()
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil {
		t.Fatal(err)
	}
	missed := rows[0]
	if missed.ID == v.ids[0] {
		missed = rows[1]
	}
	if missed.Reason != segment.EndMissed || missed.Number != k.Number || missed.Duration != 0 || len(missed.Parties) != 0 || missed.Gaps != 0 {
		t.Errorf("row %+v", missed)
	}
	report, err := v.Check(t.Context())
	if err != nil || len(report.Findings) != 0 {
		t.Errorf("check: %v, %v", report.Findings, err)
	}
	v.Stop()
	v.Start()
	if len(v.found()) != 2 {
		t.Error("the missed call is gone after a restart")
	}
}
