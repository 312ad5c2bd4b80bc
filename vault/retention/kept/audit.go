package kept

import (
	"context"
	"slices"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/register/ledger"
	"linekeep/vault/retention"
)

// order is somebody's order to retention, and what the log has of it.
type order struct {
	who   entry.Actor
	begun bool
	first uint64
}

type orderKey struct{}

// Ordered has retention do what somebody ordered. The entry before the act is retention's own, which knows what it is about; it
// names who ordered it. Where the order is refused or fails, whether before that entry or after it, another one says so, as of act.
func Ordered(ctx context.Context, log *audit.Log, act audit.Act, do func(context.Context) error) error {
	o := &order{who: act.Who}
	err := do(context.WithValue(ctx, orderKey{}, o))
	switch {
	case err == nil:
		return nil
	case o.begun:
		return log.Undone(ctx, act, o.first, err)
	}
	return log.Unbegun(ctx, act, err)
}

// Audit writes acts of retention into the audit log. Of many recordings it takes several entries, in one piece.
func Audit(log *audit.Log) func(context.Context, retention.Act) error {
	return func(ctx context.Context, a retention.Act) error {
		first, err := log.Append(ctx, acts(ctx, a)...)
		return begun(ctx, a, first, err)
	}
}

// Register is where holds are kept, with the entries of the audit log that name them.
type Register struct{ *ledger.Ledger }

var _ retention.Register = Register{}

// Commit makes changes, and says in the log what they are.
func (r Register) Commit(ctx context.Context, a retention.Act, changes ...ledger.Change) error {
	first, err := r.CommitAll(ctx, acts(ctx, a), changes...)
	return begun(ctx, a, first, err)
}

func acts(ctx context.Context, a retention.Act) (all []audit.Act) {
	one := audit.Act{Who: entry.Actor{Kind: entry.Box}, What: action(a.Deed), Under: a.Hold, Details: audit.Details{audit.Say("what", a.What)}}
	if a.By != "" { // what ends by itself under somebody's order is still the box's doing
		one.Who.Kind = entry.Machine
		if o, ordered := ctx.Value(orderKey{}).(*order); ordered {
			one.Who = o.who
		}
		one.Details = append(one.Details, audit.Say("by", a.By))
	}
	if a.Reason != "" {
		one.Details = append(one.Details, audit.Say("reason", a.Reason))
	}
	for ids := range slices.Chunk(a.Calls, entry.MaxAbout) {
		one.About = ids
		all = append(all, one)
	}
	if len(all) == 0 {
		all = append(all, one)
	}
	return all
}

// begun takes note of the entry that began an order.
func begun(ctx context.Context, a retention.Act, first uint64, err error) error {
	if o, ordered := ctx.Value(orderKey{}).(*order); ordered && err == nil && a.By != "" && !o.begun {
		o.begun, o.first = true, first
	}
	return err
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
	case retention.Consent:
		return entry.Consent
	case retention.HoldWrite:
		return entry.Register
	case retention.Vouch:
		return entry.SettingChange
	}
	return entry.Expire
}
