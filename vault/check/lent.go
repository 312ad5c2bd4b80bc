package check

import (
	"context"
	"errors"

	"linekeep/vault/library"
)

var (
	// errWent reports a month whose time was over while it was read.
	errWent = errors.New("check: the month was dropped")
	// errAsked stops a reader because somebody wants the folder.
	errAsked = errors.New("check: the folder is wanted")
)

type (
	// ending carries an error that ends the check through a folder's walk.
	ending struct{ error }
	// unreadable is an error of a folder, which does not end the check.
	unreadable struct{ error }
	// shut is why a folder does not open.
	shut struct{ error }
)

// lent is a month's folder that is being read. Whoever moves recordings may want to write there at any time: then it is let go,
// and the reading goes on behind them, in the folder as it is then.
type lent struct {
	r    *run
	name string
	loan *library.Loan
}

// borrow takes the folder. Errors: errWent, shut, those of ctx.
func (l *lent) borrow(ctx context.Context) error {
	loan, err := l.r.v.Library.Months.Borrow(ctx, l.name)
	switch {
	case err == nil:
		l.loan = loan
		l.r.errors(l.name, meansFolder, loan.Folder.Findings())
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !l.r.v.Library.Months.Has(l.name):
		return errWent
	default:
		return shut{err}
	}
}

func (l *lent) giveBack() {
	if l.loan != nil {
		l.loan.Return()
		l.loan = nil
	}
}

func (l *lent) asked() bool {
	select {
	case <-l.loan.Asked:
		return true
	default:
		return false
	}
}

// yield lets whoever wants the folder have it first. Errors: as borrow.
func (l *lent) yield(ctx context.Context) error {
	if !l.asked() {
		return ctx.Err()
	}
	l.giveBack()
	return l.borrow(ctx)
}

// verify has the folder compare its files with what they were; the values were read already. Asked for the folder it begins anew
// afterwards: whoever wanted it keeps it open in a way that suits both, so that comes once.
func (l *lent) verify(ctx context.Context) error {
	for {
		found := l.loan.Folder.VerifyFiles(ctx, func(ctx context.Context) error {
			if l.asked() {
				return errAsked
			}
			return ctx.Err()
		})
		if err := ctx.Err(); err != nil {
			return err
		}
		if n := len(found); n == 0 || !errors.Is(found[n-1], errAsked) {
			l.r.errors(l.name, meansFolder, found)
			return nil
		}
		if err := l.yield(ctx); err != nil {
			return err
		}
	}
}
