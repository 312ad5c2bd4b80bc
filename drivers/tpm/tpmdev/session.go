package tpmdev

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev/wire"
)

const (
	nonceBytes  = 16  // of a session: half a SHA-256, as TPM 2.0 Part 1, 19.6.3 asks for at least
	wireKeyBits = 128 // AES on the wire
)

// salted starts a session, for one command, whose secret only the storage key can read. Everything that proves an authorisation
// or carries a secret goes over one: whoever reads along finds no key, and no hash of an authorisation to guess at.
func (s storage) salted(options ...tpm2.AuthOption) tpm2.Session {
	return tpm2.HMAC(tpm2.TPMAlgSHA256, nonceBytes, append(options, tpm2.Salted(s.Handle, s.public))...)
}

// encryptIn is a session of its own that hides a command's first parameter, encryptOut the response's.
func (s storage) encryptIn() tpm2.Session {
	return s.salted(tpm2.AESEncryption(wireKeyBits, tpm2.EncryptIn))
}

func (s storage) encryptOut() tpm2.Session {
	return s.salted(tpm2.AESEncryption(wireKeyBits, tpm2.EncryptOut))
}

// policy starts a policy session, salted likewise, and notes it to be flushed.
func (l *link) policy(options ...tpm2.AuthOption) (tpm2.Session, error) {
	session, _, err := tpm2.PolicySession(l, tpm2.TPMAlgSHA256, nonceBytes, options...)
	if err != nil {
		return nil, fmt.Errorf("start policy session: %w", err)
	}
	l.Keep(session.Handle())
	return session, nil
}

// authValue is an authorisation as the chip gets it. A TPM takes no notice of zero bytes at the end of one (TPM 2.0 Part 1,
// 19.6.4.3), and go-tpm v0.9.8 cuts it off at the first zero byte anywhere (hmacKeyFromAuthValue): one in eight random
// authorisations would be refused, and a few would be hardly any. So none of ours has one: 0 becomes 1, which costs
// an authorisation of 32 bytes less than a fifth of a bit. The caller wipes what it gets.
func authValue(auth []byte) []byte {
	value := append([]byte(nil), auth...)
	for i, b := range value {
		if b == 0 {
			value[i] = 1
		}
	}
	return value
}

// checkAuth refuses what is not as long as every authorisation of ours.
func checkAuth(auth []byte) error {
	if len(auth) != tpm.AuthSize {
		return fmt.Errorf("an authorisation has %d bytes, not %d", tpm.AuthSize, len(auth))
	}
	return nil
}

// wrongAuth says of an error whether the chip took the authorisation for wrong: BAD_AUTH where wrong ones are not counted, AUTH_FAIL
// where they are.
func wrongAuth(err error) bool {
	return errors.Is(err, tpm2.TPMRCBadAuth) || errors.Is(err, tpm2.TPMRCAuthFail)
}

// prove has the chip check an authorisation of one of its hierarchies, and changes nothing.
func (l *link) prove(key storage, hierarchy tpm2.TPMHandle, auth []byte) error {
	trial, err := l.policy(tpm2.Trial())
	if err != nil {
		return err
	}
	if err := l.policySecret(key, trial, hierarchy, auth); err != nil {
		return err
	}
	return l.Flush(trial.Handle())
}

// policySecret adds to a policy session that an authorisation of a hierarchy was proved.
func (l *link) policySecret(key storage, session tpm2.Session, hierarchy tpm2.TPMHandle, auth []byte) error {
	value := authValue(auth)
	defer clear(value)
	var err error
	wire.Erased(func() {
		_, err = tpm2.PolicySecret{
			AuthHandle:    tpm2.AuthHandle{Handle: hierarchy, Name: tpm2.HandleName(hierarchy), Auth: key.salted(tpm2.Auth(value))},
			PolicySession: session.Handle(),
			NonceTPM:      session.NonceTPM(),
		}.Execute(l)
	})
	switch {
	case wrongAuth(err):
		return fmt.Errorf("%w: %w", tpm.ErrWrongAuth, err)
	case err != nil:
		return fmt.Errorf("prove authorisation: %w", err)
	}
	return nil
}

// The commands that go-tpm v0.9.8 lacks (TPM 2.0 Part 2, 6.5.2).
const (
	ccLockReset  tpm2.TPMCC = 0x139 // TPM2_DictionaryAttackLockReset
	ccParameters tpm2.TPMCC = 0x13a // TPM2_DictionaryAttackParameters
)

const (
	tagSessions  = 0x8002 // TPM_ST_SESSIONS
	maxParameter = 64     // far above what these commands carry
)

// lockoutCommand sends a command of the lockout hierarchy that has no response, as go-tpm would over the session given: it
// computes the HMAC over the command, and checks the chip's over the response.
func (l *link) lockoutCommand(cc tpm2.TPMCC, session tpm2.Session, parameters []byte) (err error) {
	if len(parameters) > maxParameter {
		return errors.New("too many parameters")
	}
	if err := session.Init(l); err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	defer func() {
		if err != nil && session.Handle() != tpm2.TPMRHNull {
			err = errors.Join(err, session.CleanupFailure(l))
		}
	}()
	if err := session.NewNonceCaller(); err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	names := []tpm2.TPM2BName{tpm2.HandleName(tpm2.TPMRHLockout)}
	proof, err := session.Authorize(cc, parameters, nil, names, 0)
	if err != nil {
		return fmt.Errorf("authorise: %w", err)
	}
	command, err := frame(cc, tpm2.TPMRHLockout, tpm2.Marshal(*proof), parameters)
	if err != nil {
		return err
	}
	response, err := l.Send(command)
	if err != nil {
		return err
	}
	if code := tpm2.TPMRC(binary.BigEndian.Uint32(response[6:])); code != tpm2.TPMRCSuccess {
		return code
	}
	s := cryptobyte.String(response[wire.ResponseHeader:])
	var size uint32
	if !s.ReadUint32(&size) || size != 0 {
		return fmt.Errorf("%w: a response where there is none", tpm.ErrUnavailable)
	}
	answer, err := tpm2.Unmarshal[tpm2.TPMSAuthResponse](s)
	if err != nil {
		return fmt.Errorf("read response: %w: %w", tpm.ErrUnavailable, err)
	}
	if err := session.Validate(tpm2.TPMRCSuccess, cc, nil, names, 0, answer); err != nil {
		return fmt.Errorf("the response is not the chip's: %w: %w", tpm.ErrUnavailable, err)
	}
	return nil
}

// frame is a command with one handle and one session (TPM 2.0 Part 1, 18).
func frame(cc tpm2.TPMCC, handle tpm2.TPMHandle, proof, parameters []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16(tagSessions)
	b.AddUint32(uint32(wire.ResponseHeader + 4 + 4 + len(proof) + len(parameters)))
	b.AddUint32(uint32(cc))
	b.AddUint32(uint32(handle))
	b.AddUint32(uint32(len(proof)))
	b.AddBytes(proof)
	b.AddBytes(parameters)
	command, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("build command: %w", err)
	}
	return command, nil
}
