package library

import (
	"context"
	"errors"
	"fmt"
	"time"

	"linekeep/vault/folder"
)

// claimTime is how long whoever wants a folder waits until those it was lent to give it back. They look after each minute of
// sound that they read, which takes a slow disk a tenth of a second; a log that is being hashed takes it a second or two.
const claimTime = 3 * time.Second

// briefTime is how long they wait for somebody who does not give way. Most read for a moment: a list of a month, a recording that is
// carried elsewhere. Whoever listens for an hour is not waited for.
const briefTime = 300 * time.Millisecond

// Loan is a folder that was lent to somebody who reads for hours, and lets go of it when it is wanted.
type Loan struct {
	Folder *folder.Folder
	Asked  <-chan struct{} // closed when somebody wants it
	months *Months
	month  *month
}

// Borrow lends a folder for reading to somebody who looks at Asked all along, and then gives it back. While somebody wants it, and
// while it is being removed, it waits. Errors: folder.ErrMissing, those of ctx.
func (m *Months) Borrow(ctx context.Context, name string) (*Loan, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.claims[name] > 0 || m.retiring[name] {
		if err := m.await(ctx, nil); err != nil {
			return nil, err
		}
	}
	mo, err := m.opened(ctx, name, false)
	if err != nil {
		return nil, err
	}
	if mo.lent == 0 {
		mo.asked = make(chan struct{})
	}
	mo.users++
	mo.lent++
	return &Loan{Folder: mo.f, Asked: mo.asked, months: m, month: mo}, nil
}

// Return gives the folder back.
func (l *Loan) Return() {
	l.months.mu.Lock()
	l.month.lent--
	l.months.mu.Unlock()
	l.months.release(l.month)
}

// claim has those who were lent a folder give it back: nil = nobody has it open, or fits says that they may keep it as it is.
// Somebody else who reads in it is given a moment to end. Errors: folder.ErrBusy where it does not come back in time. The lock is held,
// but while it waits.
func (m *Months) claim(ctx context.Context, name string, fits func(*month) bool) error {
	free := func(mo *month) bool { return mo == nil || mo.users == 0 || fits(mo) }
	mo := m.open[name]
	if free(mo) {
		return nil
	}
	m.claims[name]++
	defer func() {
		if m.claims[name]--; m.claims[name] == 0 {
			delete(m.claims, name)
		}
		m.tell()
	}()
	late, brief := time.NewTimer(claimTime), time.NewTimer(briefTime)
	defer late.Stop()
	defer brief.Stop()
	for ; !free(mo); mo = m.open[name] {
		until := brief.C
		if mo.lent > 0 {
			until = late.C
			mo.ask()
		}
		if err := m.await(ctx, until); errors.Is(err, folder.ErrBusy) {
			return err
		} else if err != nil {
			return errors.Join(folder.ErrBusy, err)
		}
	}
	return nil
}

func (mo *month) ask() {
	select {
	case <-mo.asked:
	default:
		close(mo.asked)
	}
}

var errLate = fmt.Errorf("%w: it was not given back in time", folder.ErrBusy)

// await waits until something changes hands. The lock is held before and after.
func (m *Months) await(ctx context.Context, late <-chan time.Time) error {
	changed := m.changed
	m.mu.Unlock()
	defer m.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-late:
		return errLate
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell wakes whoever waits. The lock is held.
func (m *Months) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}
