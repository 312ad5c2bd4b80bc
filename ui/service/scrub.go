package service

import (
	"context"
	"errors"
	"fmt"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/check"
	"linekeep/vault/scrub"
	"linekeep/vault/secret"
)

// The things that can be asked of the reading again.
const (
	ScrubStatus = "status" // how far it is
	ScrubNow    = "now"    // the rest of this month's pass at once
	ScrubDeep   = "deep"   // all of it, opened with a Controller's key
)

// Scrubbing asks to read the vault again. Deep takes a Controller, who signs in for it.
type Scrubbing struct {
	Do       string
	As       string
	Password secret.Password // never logged, never kept. Whoever asks wipes it
	Code     string
}

// Scrubbed is how far the reading is, or what a deep one found.
type Scrubbed struct {
	scrub.Status
	Of     int           // shares
	Report *check.Report `json:",omitempty"` // of a deep one
}

// Scrub reads the vault again, or says how far that is. Errors: ErrBadQuestion, ErrSignIn, ErrNotAllowed.
func (s *Service) Scrub(ctx context.Context, who Caller, o Scrubbing) (Scrubbed, error) {
	if err := s.allow(ctx, who, ActScrub); err != nil {
		return Scrubbed{}, err
	}
	switch o.Do {
	case ScrubStatus, ScrubNow:
	case ScrubDeep:
		if err := s.take(ctx); err != nil {
			return Scrubbed{}, err
		}
		defer s.give()
	default:
		return Scrubbed{}, fmt.Errorf("%w: a scrub is status, now or deep, not %q", ErrBadQuestion, o.Do)
	}
	return s.vault.Scrub(ctx, o)
}

func (o opened) Scrub(ctx context.Context, q Scrubbing) (Scrubbed, error) {
	switch q.Do {
	case ScrubNow:
		if err := o.do(ctx, machine(), entry.Check, nil, func() error { o.vault.Scrub(); return nil }, audit.Say("asked", q.Do)); err != nil {
			return Scrubbed{}, err
		}
	case ScrubDeep:
		return o.deep(ctx, q)
	}
	return Scrubbed{Status: o.vault.Status().Scrub, Of: scrub.Shares}, nil
}

// deep opens everything with a Controller's key.
func (o opened) deep(ctx context.Context, q Scrubbing) (Scrubbed, error) {
	defer secret.Collect() // deferred first: the last thing, when nobody holds anything any more
	session, _, err := o.signIn(ctx, ActScrub, q.As, q.Password, q.Code)
	if err != nil {
		return Scrubbed{}, err
	}
	defer session.End()
	if !session.Holds() {
		err := fmt.Errorf("%w: %s holds no custody key", ErrNotAllowed, q.As)
		return Scrubbed{}, errors.Join(err, o.denied(ctx, entry.Somebody(session.Person), ActScrub))
	}
	var report check.Report
	err = o.do(ctx, entry.Somebody(session.Person), entry.Check, nil, func() (err error) {
		report, err = o.vault.CheckHearing(ctx, session)
		return err
	}, audit.Say("asked", q.Do))
	if errors.Is(err, check.ErrStop) {
		err = fmt.Errorf("%w: the session ended before everything was read", ErrSignIn)
	}
	return Scrubbed{Status: o.vault.Status().Scrub, Of: scrub.Shares, Report: &report}, err
}
