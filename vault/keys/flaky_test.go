package keys

import (
	"context"
	"fmt"

	"linekeep/drivers/tpm"
)

// flakyMode is what happens to the call of the chip that is hit.
type flakyMode int

const (
	chipWell      flakyMode = iota
	chipLost                // the order is lost, once
	chipReply               // it is done and the reply is lost, once
	chipDead                // it is not done, and the chip is silent from then on
	chipDeadAfter           // it is done, and the chip is silent from then on
	chipModes
	chipStops // it is silent once the counter has moved: here hit counts moves alone
)

func (m flakyMode) String() string {
	return [...]string{"well", "lost", "reply lost", "dead", "dead after", "", "stops"}[m]
}

// flaky is a chip that fails at one call, of whatever kind.
type flaky struct {
	tpm.Sealer
	mode  flakyMode
	hit   int
	calls int
	moves int
	dead  bool
	die   func() // what makes a real one dead; may be nil
}

var errChip = fmt.Errorf("%w: by the test", tpm.ErrUnavailable)

// call makes one call, or not, as the mode wants.
func (f *flaky) call(do func() error) error {
	if f.dead {
		return errChip
	}
	f.calls++
	if f.mode == chipWell || f.mode == chipStops || f.calls-1 != f.hit {
		return do()
	}
	f.dead = f.mode == chipDead || f.mode == chipDeadAfter
	if f.mode == chipReply || f.mode == chipDeadAfter {
		_ = do() // nobody hears of it
	}
	if f.dead && f.die != nil {
		f.die()
	}
	return errChip
}

func (f *flaky) Seal(ctx context.Context, secret []byte, epoch uint64) (b tpm.Blob, err error) {
	err = f.call(func() error { b, err = f.Sealer.Seal(ctx, secret, epoch); return err })
	return b, err
}

func (f *flaky) Unseal(ctx context.Context, blob tpm.Blob, epoch uint64) (b []byte, err error) {
	err = f.call(func() error { b, err = f.Sealer.Unseal(ctx, blob, epoch); return err })
	return b, err
}

func (f *flaky) Epoch(ctx context.Context) (n uint64, err error) {
	err = f.call(func() error { n, err = f.Sealer.Epoch(ctx); return err })
	return n, err
}

func (f *flaky) Advance(ctx context.Context, owner []byte, from uint64) (n uint64, err error) {
	err = f.call(func() error { n, err = f.Sealer.Advance(ctx, owner, from); return err })
	if err == nil && f.mode == chipStops {
		f.moves++
		f.dead = f.moves-1 == f.hit
	}
	return n, err
}

func (f *flaky) Own(ctx context.Context, owner, lockout []byte) error {
	return f.call(func() error { return f.Sealer.Own(ctx, owner, lockout) })
}

func (f *flaky) Owned(ctx context.Context) (owner, lockout bool, err error) {
	err = f.call(func() error { owner, lockout, err = f.Sealer.Owned(ctx); return err })
	return owner, lockout, err
}
