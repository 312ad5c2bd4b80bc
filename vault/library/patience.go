package library

import (
	"errors"
	"slices"

	"linekeep/vault/folder"
)

// patience is how many times in a row, a second apart, somebody who reads may be in the way before that is an error: a month that is being
// dropped, or listened to, is read for seconds or minutes, and the journal has room for hours.
const patience = 600

// Patience tells what is in the way of somebody who writes from what is only being read. The zero Patience is ready for use.
type Patience struct{ waited int }

// Bears says whether err is nothing to tell of yet: all that it joins is folder.ErrBusy, or also, and it has not lasted. Ask it once for
// each attempt, nil too.
func (p *Patience) Bears(err, also error) bool {
	if p.waited++; err == nil || !awaited(err, also) {
		p.waited = 0
	}
	return p.waited > 0 && p.waited <= patience
}

func awaited(err, also error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok { // each of those it joins is looked at
		return !slices.ContainsFunc(many.Unwrap(), func(e error) bool { return !awaited(e, also) })
	}
	if one := errors.Unwrap(err); one != nil {
		return awaited(one, also)
	}
	return errors.Is(err, folder.ErrBusy) || errors.Is(err, also)
}
