package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"linekeep/vault"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/keys"
	"linekeep/vault/retention"
	"linekeep/vault/retention/hold"
	"linekeep/vault/retention/kept"
	"linekeep/vault/secret"
)

// RetentionOrder is one thing about how long recordings are kept. All but "list" take a Controller, who signs in for it.
type RetentionOrder struct {
	Do       string // one of RetentionOrders
	As       string
	Password secret.Password // never logged, never kept. Whoever asks wipes it
	Code     string

	Calls    []string  // of set
	Reason   string    // of set
	Restrict bool      // of set: nobody finds or plays them either
	Until    time.Time // of set; zero for until it is ended
	Hold     string    // of end
	Token    string    // of consent: what the status showed
}

// RetentionOrders are what can be ordered.
func RetentionOrders() []string { return []string{"list", "set", "end", "consent", "trust-clock"} }

// Retention is how it stands.
type Retention struct {
	Recordings                        int
	Young, Held, Frozen, InGrace, Due int       // recordings, by what becomes of them
	Unclassed                         int       // of a class the settings name no more
	Next                              time.Time `json:",omitzero"` // when the next recording's time is over
	Passed                            time.Time `json:",omitzero"` // when that was last looked at
	Clock                             time.Time // the retention clock
	Behind                            time.Duration
	Blocked                           *Blocked `json:",omitempty"`
	Stuck                             int
	Trouble                           string `json:",omitempty"`
	Holds                             []Hold `json:",omitempty"`
	Set                               string `json:",omitempty"` // the id of a hold that was set
}

// Blocked is a purge that waits for consent.
type Blocked struct {
	Recordings, Of int
	Bytes, OfBytes int64
	Token          string
}

// Hold is a hold or a restriction.
type Hold struct {
	ID       string
	Restrict bool
	Reason   string
	By       string
	Since    time.Time
	Until    time.Time `json:",omitzero"`
	Ended    time.Time `json:",omitzero"`
	EndBy    string    `json:",omitempty"`
	Calls    []string
}

// Retention does something about how long recordings are kept, and says how it stands then.
// Errors: ErrNotAllowed, ErrSignIn, ErrBadQuestion, ErrNoCall.
func (s *Service) Retention(ctx context.Context, who Caller, o RetentionOrder) (Retention, error) {
	if err := s.allow(ctx, who, ActRetention); err != nil {
		return Retention{}, err
	}
	if !slices.Contains(RetentionOrders(), o.Do) {
		return Retention{}, fmt.Errorf("%w: %q is nothing that can be done about retention", ErrBadQuestion, o.Do)
	}
	if len(o.Calls) > maxErased {
		return Retention{}, fmt.Errorf("%w: %d calls at once, at most %d", ErrBadQuestion, len(o.Calls), maxErased)
	}
	return s.vault.Retention(ctx, o)
}

func (o opened) Retention(ctx context.Context, order RetentionOrder) (Retention, error) {
	k := o.vault.Retention()
	if order.Do == "list" {
		if err := o.do(ctx, machine(), entry.RetentionShown, nil, done); err != nil {
			return Retention{}, err
		}
		return retentionOf(k), nil
	}
	who, by, err := o.controller(ctx, ActRetention, order.As, order.Password, order.Code)
	if err != nil {
		return Retention{}, err
	}
	set := ""
	err = kept.Ordered(ctx, o.vault.Audit(), retentionAct(who, order), func(ctx context.Context) (err error) {
		set, err = order.carryOut(ctx, k, by)
		return err
	})
	for _, bad := range []error{hold.ErrBad, hold.ErrNone, retention.ErrNothingAsked} {
		if errors.Is(err, bad) {
			return Retention{}, fmt.Errorf("%w: %w", ErrBadQuestion, err)
		}
	}
	if errors.Is(err, vault.ErrNotThere) {
		return Retention{}, fmt.Errorf("%w: %w", ErrNoCall, err)
	}
	if err != nil {
		return Retention{}, err
	}
	r := retentionOf(k)
	r.Set = set
	return r, nil
}

// carryOut does it, and gives the id of a hold that was set. Retention writes down what it is about to do: it knows it best.
func (o RetentionOrder) carryOut(ctx context.Context, k *retention.Keeper, by string) (set string, err error) {
	switch o.Do {
	case "set":
		return setHold(ctx, k, o, by)
	case "end":
		id, err := keys.ParseID(o.Hold)
		if err != nil {
			return "", fmt.Errorf("%w: %w", hold.ErrBad, err)
		}
		return "", k.EndHold(ctx, id, by)
	case "consent":
		return "", k.Consent(ctx, o.Token, by)
	}
	return "", k.Trust(ctx, by)
}

// retentionAct is what the log says of an order that is refused, or fails. Ids that are none are left out.
func retentionAct(who entry.Actor, order RetentionOrder) audit.Act {
	act := audit.Act{Who: who, What: entry.SettingChange, Details: audit.Details{audit.Say("asked", order.Do)}}
	switch {
	case order.Do == "set" && order.Restrict:
		act.What = entry.Restrict
	case order.Do == "set":
		act.What = entry.HoldSet
	case order.Do == "end":
		act.What = entry.HoldEnd
	case order.Do == "consent":
		act.What = entry.Consent
	}
	for _, text := range append(slices.Clone(order.Calls), order.Hold) {
		if id, err := keys.ParseID(text); err == nil {
			act.About = append(act.About, id)
		}
	}
	return act
}

func setHold(ctx context.Context, k *retention.Keeper, order RetentionOrder, by string) (string, error) {
	h := hold.Hold{Kind: hold.Keep, Reason: order.Reason, By: by, Until: order.Until}
	if order.Restrict {
		h.Kind = hold.Restrict
	}
	for _, call := range order.Calls {
		id, err := keys.ParseID(call)
		if err != nil {
			return "", fmt.Errorf("%w: %q is not the id of a call", hold.ErrBad, call)
		}
		h.Calls = append(h.Calls, id)
	}
	h, err := k.Hold(ctx, h)
	return h.ID.String(), err
}

func retentionOf(k *retention.Keeper) Retention {
	st := k.Status()
	r := Retention{Recordings: st.Recordings, Young: st.Counts[retention.Young], Held: st.Counts[retention.Held], Frozen: st.Counts[retention.Frozen],
		InGrace: st.Counts[retention.InGrace], Due: st.Counts[retention.Due], Unclassed: st.Unclassed, Next: st.Next, Passed: st.Passed, Clock: k.Now(),
		Behind: st.Behind, Stuck: st.Stuck}
	if st.Trouble != nil {
		r.Trouble = st.Trouble.Error()
	}
	if b := st.Blocked; b != nil {
		r.Blocked = &Blocked{Recordings: b.Recordings, Of: b.Of, Bytes: b.Bytes, OfBytes: b.OfBytes, Token: b.Token}
	}
	for _, h := range k.Holds() {
		one := Hold{ID: h.ID.String(), Restrict: h.Kind == hold.Restrict, Reason: h.Reason, By: h.By, Since: h.Since, Until: h.Until, Ended: h.Ended, EndBy: h.EndBy}
		for _, id := range h.Calls {
			one.Calls = append(one.Calls, id.String())
		}
		r.Holds = append(r.Holds, one)
	}
	return r
}
