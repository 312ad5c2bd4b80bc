package kept

import (
	"context"
	"slices"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/retention"
)

// Audit writes acts of retention into the audit log. Of many recordings it takes several entries, in one piece.
func Audit(log *audit.Log) func(context.Context, retention.Act) error {
	return func(ctx context.Context, a retention.Act) error {
		one := audit.Act{Who: entry.Actor{Kind: entry.Box}, What: action(a.Deed), Under: a.Hold, Details: audit.Details{audit.Say("what", a.What)}}
		if a.By != "" {
			one.Who.Kind = entry.Machine
			one.Details = append(one.Details, audit.Say("by", a.By))
		}
		if a.Reason != "" {
			one.Details = append(one.Details, audit.Say("reason", a.Reason))
		}
		var acts []audit.Act
		for ids := range slices.Chunk(a.Calls, entry.MaxAbout) {
			one.About = ids
			acts = append(acts, one)
		}
		if len(acts) == 0 {
			acts = append(acts, one)
		}
		_, err := log.Append(ctx, acts...)
		return err
	}
}

func action(d retention.Deed) entry.Action {
	switch d {
	case retention.HoldSet:
		return entry.HoldSet
	case retention.HoldEnd:
		return entry.HoldEnd
	case retention.RestrictionSet:
		return entry.Restrict
	case retention.RestrictionEnd:
		return entry.Unrestrict
	case retention.Vouch:
		return entry.SettingChange
	}
	return entry.Expire
}
