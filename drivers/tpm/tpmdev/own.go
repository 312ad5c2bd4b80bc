package tpmdev

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev/wire"
)

// lockoutRecovery is how long the chip takes no authorisation of the lockout after a wrong one. Nobody types that
// authorisation: it has 32 random bytes and comes out of the key backup.
const lockoutRecovery = 24 * time.Hour

// limits is what the chip says about its authorisations and its lockout.
type limits struct {
	ownerSet, lockoutSet, locked bool
	failed                       uint32
	max, interval, recovery      uint32 // the last two in seconds
}

// right says whether the lockout's limits are as we set them.
func (m limits) right() bool {
	return m.max == tpm.LockoutAfter && m.interval == uint32(tpm.LockoutForgives/time.Second) && m.recovery == uint32(lockoutRecovery/time.Second)
}

// The bits of TPMA_PERMANENT (TPM 2.0 Part 2, 8.6).
const (
	permanentOwner   = 1 << 0
	permanentLockout = 1 << 2
	permanentLocked  = 1 << 9
)

func (l *link) limits() (limits, error) {
	var m limits
	permanent, err := l.properties(tpm2.TPMPTPermanent, 1)
	if err != nil {
		return m, err
	}
	bits := permanent[0]
	m.ownerSet, m.lockoutSet, m.locked = bits&permanentOwner != 0, bits&permanentLockout != 0, bits&permanentLocked != 0
	lockout, err := l.properties(tpm2.TPMPTLockoutCounter, 4) // the four follow one another
	if err != nil {
		return m, err
	}
	m.failed, m.max, m.interval, m.recovery = lockout[0], lockout[1], lockout[2], lockout[3]
	return m, nil
}

// properties reads some that follow one another.
func (l *link) properties(from tpm2.TPMPT, count int) ([]uint32, error) {
	response, err := tpm2.GetCapability{Capability: tpm2.TPMCapTPMProperties, Property: uint32(from), PropertyCount: uint32(count)}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("read properties: %w", err)
	}
	list, err := response.CapabilityData.Data.TPMProperties()
	if err != nil {
		return nil, fmt.Errorf("read properties: %w", err)
	}
	values := make([]uint32, count)
	for i := range values {
		if i >= len(list.TPMProperty) || list.TPMProperty[i].Property != from+tpm2.TPMPT(i) {
			return nil, fmt.Errorf("%w: property %#x is missing", tpm.ErrUnavailable, from+tpm2.TPMPT(i))
		}
		values[i] = list.TPMProperty[i].Value
	}
	return values, nil
}

// setLimits sets the lockout's limits while its authorisation is empty.
func (l *link) setLimits(key storage) error {
	parameters := binary.BigEndian.AppendUint32(nil, tpm.LockoutAfter)
	parameters = binary.BigEndian.AppendUint32(parameters, uint32(tpm.LockoutForgives/time.Second))
	parameters = binary.BigEndian.AppendUint32(parameters, uint32(lockoutRecovery/time.Second))
	if err := l.lockoutCommand(ccParameters, key.salted(), parameters); err != nil {
		return fmt.Errorf("set limits of the lockout: %w", err)
	}
	return nil
}

// unlock forgives all failures.
func (l *link) unlock(key storage, lockout []byte) error {
	value := authValue(lockout)
	defer clear(value)
	var err error
	wire.Erased(func() { err = l.lockoutCommand(ccLockReset, key.salted(tpm2.Auth(value)), nil) })
	if wrongAuth(err) {
		return fmt.Errorf("%w: %w", tpm.ErrWrongAuth, err)
	}
	return err
}

// own sets the owner's and then the lockout's authorisation. One that is set already is tried: the lockout's only where the owner's
// is ours, because a wrong one bars it for a day.
func (l *link) own(key storage, owner, lockout []byte) error {
	m, err := l.limits()
	if err != nil {
		return err
	}
	if m.lockoutSet && !m.ownerSet {
		return fmt.Errorf("%w: of the lockout", tpm.ErrOwned)
	}
	for _, one := range []struct {
		hierarchy tpm2.TPMHandle
		set       bool
		auth      []byte
	}{{tpm2.TPMRHOwner, m.ownerSet, owner}, {tpm2.TPMRHLockout, m.lockoutSet, lockout}} {
		if len(one.auth) == 0 {
			continue
		}
		if !one.set {
			if err := l.changeAuth(key, one.hierarchy, one.auth); err != nil {
				return err
			}
			continue
		}
		if err := l.prove(key, one.hierarchy, one.auth); errors.Is(err, tpm.ErrWrongAuth) {
			return fmt.Errorf("%w: %w", tpm.ErrOwned, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// changeAuth sets a hierarchy's authorisation, which is empty. The new value crosses under a session of its own: a session that
// proves the old authorisation gets its response under the new one (TPM 2.0 Part 1, 19.6.5), which go-tpm does not know of.
func (l *link) changeAuth(key storage, hierarchy tpm2.TPMHandle, auth []byte) error {
	value := authValue(auth)
	defer clear(value)
	var err error
	wire.Erased(func() {
		_, err = tpm2.HierarchyChangeAuth{
			AuthHandle: tpm2.AuthHandle{Handle: hierarchy, Name: tpm2.HandleName(hierarchy), Auth: tpm2.PasswordAuth(nil)},
			NewAuth:    tpm2.TPM2BAuth{Buffer: value},
		}.Execute(l, key.encryptIn())
	})
	if err != nil {
		return fmt.Errorf("set authorisation %#x: %w", hierarchy, err)
	}
	return nil
}

// shutPlatform gives the platform's hierarchy a random authorisation that nobody keeps: with an empty one anybody on the machine
// could clear the chip. It lasts until the chip's next start, so each Open does it. Where the board's firmware did it
// first, as it should, the chip refuses, and that is as good.
func (l *link) shutPlatform() error {
	key, err := l.anySalt()
	if err != nil {
		return err
	}
	auth := make([]byte, tpm.AuthSize)
	rand.Read(auth)
	defer clear(auth)
	var code tpm2.TPMRC
	if err := l.changeAuth(key, tpm2.TPMRHPlatform, auth); err != nil && (!errors.As(err, &code) || code.IsWarning()) {
		return fmt.Errorf("shut the platform hierarchy: %w", err)
	}
	return l.flushOther(key)
}

// anySalt is the storage key; on a chip without one, or with a stranger's in its place, it is a key of the null hierarchy, which lasts for this link.
func (l *link) anySalt() (storage, error) {
	key, err := l.lookStorage()
	if err != nil && !errors.Is(err, tpm.ErrRefused) || err == nil && len(key.Name.Buffer) > 0 {
		return key, err
	}
	made, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHNull, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(l)
	if err != nil {
		return key, fmt.Errorf("make a key to salt with: %w", err)
	}
	l.Keep(made.ObjectHandle)
	public, err := made.OutPublic.Contents()
	if err != nil {
		return key, fmt.Errorf("make a key to salt with: %w", err)
	}
	return storage{NamedHandle: tpm2.NamedHandle{Handle: made.ObjectHandle, Name: made.Name}, public: *public}, nil
}

func (l *link) flushOther(key storage) error {
	if key.Handle == storageHandle {
		return nil
	}
	return l.Flush(key.Handle)
}
