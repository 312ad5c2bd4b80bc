package bus

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/google/go-tpm/tpm2"
	"golang.org/x/crypto/cryptobyte"
)

// Trace is all that crossed, in order.
type Trace []Exchange

// Contains says whether the bytes crossed in clear, in one command or response.
func (t Trace) Contains(needle []byte) bool {
	return slices.ContainsFunc(t, func(e Exchange) bool {
		return bytes.Contains(e.Command, needle) || bytes.Contains(e.Response, needle)
	})
}

// Eavesdropper has a trace and knows everything about the chip that is public. It assumes of each session that its key comes from
// nothing secret (no salt, a salt that crossed in clear or is a public value, an authorisation it guesses), decrypts what the session hid,
// and checks guesses of authorisations against each HMAC that crossed.
type Eavesdropper struct {
	Public  [][]byte          // values it tries as salts and keys
	Guesses [][]byte          // authorisations it tries; the empty one always
	Names   map[uint32][]byte // of persistent keys and indices, by handle

	sessions map[uint32]*session
	found    Found
}

// Found is what it found out.
type Found struct {
	Plain    [][]byte // parameters as decrypted under each assumption: mostly nonsense
	Guessed  [][]byte // authorisations that an HMAC proved right
	Sessions int      // sessions that it saw used
}

// session is one it saw begin.
type session struct {
	keys                   [][]byte // what its key may be
	nonceCaller, nonceChip []byte
}

// area is one session's part of a command or response.
type area struct {
	handle      uint32
	nonce, hmac []byte
	attributes  byte
}

const (
	attrDecrypt = 1 << 5 // the command's first parameter is encrypted
	attrEncrypt = 1 << 6 // the response's is
	tagSessions = 0x8002
	passwordRS  = 0x40000009
	sessionMin  = 0x02000000 // HMAC and policy sessions
	sessionMax  = 0x04000000
)

// handles is how many handles a command begins with, of those that are sent with sessions here.
func handles(cc CC) (count int, known bool) {
	switch cc {
	case tpm2.TPMCCCreate, tpm2.TPMCCLoad, tpm2.TPMCCUnseal, tpm2.TPMCCSign, tpm2.TPMCCHierarchyChanegAuth, tpm2.TPMCCCreatePrimary,
		tpm2.TPMCCNVDefineSpace, tpm2.TPMCCDictionaryAttackParameters, tpm2.TPMCCDictionaryAttackLockReset, tpm2.TPMCCClear:
		return 1, true
	case tpm2.TPMCCNVRead, tpm2.TPMCCNVIncrement, tpm2.TPMCCPolicySecret, tpm2.TPMCCEvictControl:
		return 2, true
	case tpm2.TPMCCPolicyNV, tpm2.TPMCCNVCertify:
		return 3, true
	}
	return 0, false
}

// Read goes through a trace.
func (e *Eavesdropper) Read(trace Trace) Found {
	e.sessions = make(map[uint32]*session)
	e.found = Found{}
	names := make(map[uint32][]byte)
	for _, x := range trace {
		if len(x.Response) < headerSize || binary.BigEndian.Uint32(x.Response[6:]) != 0 {
			e.refusedCommand(x, names)
			continue
		}
		switch x.Code() {
		case tpm2.TPMCCStartAuthSession:
			e.begin(x)
		case tpm2.TPMCCLoad, tpm2.TPMCCCreatePrimary: // Load, CreatePrimary: which handle an object has
			noteName(x, names)
			e.use(x, names)
		default:
			e.use(x, names)
		}
	}
	return e.found
}

// begin notes a session, and what its key may be.
func (e *Eavesdropper) begin(x Exchange) {
	command := cryptobyte.String(x.Command[headerSize:])
	response := cryptobyte.String(x.Response[headerSize:])
	var key, bind, handle uint32
	var caller, salt, chip cryptobyte.String
	if !command.ReadUint32(&key) || !command.ReadUint32(&bind) || !command.ReadUint16LengthPrefixed(&caller) ||
		!command.ReadUint16LengthPrefixed(&salt) || !response.ReadUint32(&handle) || !response.ReadUint16LengthPrefixed(&chip) {
		return
	}
	s := &session{nonceCaller: caller, nonceChip: chip, keys: [][]byte{nil}}
	salts := append([][]byte{nil, make([]byte, sha256.Size), salt}, e.Public...)
	if x, ok := point(salt); ok {
		salts = append(salts, x)
	}
	for _, known := range salts { // the salt stands before the authorisation of what the session is bound to: we bind to nothing
		s.keys = append(s.keys, tpm2.KDFa(crypto.SHA256, known, "ATH", chip, caller, 8*sha256.Size))
	}
	e.sessions[handle] = s
}

// point is the abscissa of the one-time key that a salt was made with.
func point(salt []byte) ([]byte, bool) {
	var x cryptobyte.String
	s := cryptobyte.String(salt)
	ok := s.ReadUint16LengthPrefixed(&x)
	return x, ok
}

// noteName learns the name of an object from the response that gives it a handle.
func noteName(x Exchange, names map[uint32][]byte) {
	s := cryptobyte.String(x.Response[headerSize:])
	var handle, size uint32
	if !s.ReadUint32(&handle) || !s.ReadUint32(&size) || uint64(size) > uint64(len(s)) {
		return
	}
	parameters := s[:size]
	if x.Code() == tpm2.TPMCCLoad {
		var name cryptobyte.String
		if parameters.ReadUint16LengthPrefixed(&name) {
			names[handle] = name
		}
	}
}

// parsed is a command taken apart.
type parsed struct {
	names      [][]byte
	areas      []area
	parameters []byte
}

func (e *Eavesdropper) parse(x Exchange, names map[uint32][]byte) (parsed, bool) {
	var p parsed
	count, known := handles(x.Code())
	if !known || binary.BigEndian.Uint16(x.Command) != tagSessions {
		return p, false
	}
	s := cryptobyte.String(x.Command[headerSize:])
	for range count {
		var handle uint32
		if !s.ReadUint32(&handle) {
			return p, false
		}
		name := binary.BigEndian.AppendUint32(nil, handle)
		if other, ok := e.Names[handle]; ok {
			name = other
		} else if other, ok := names[handle]; ok {
			name = other
		}
		p.names = append(p.names, name)
	}
	var size uint32
	if !s.ReadUint32(&size) || uint64(size) > uint64(len(s)) {
		return p, false
	}
	p.areas, p.parameters = areas(s[:size], true), s[size:]
	return p, true
}

func areas(s cryptobyte.String, command bool) (list []area) {
	for !s.Empty() {
		var a area
		var nonce, proof cryptobyte.String
		if command && !s.ReadUint32(&a.handle) {
			return list
		}
		if !s.ReadUint16LengthPrefixed(&nonce) || !s.ReadUint8(&a.attributes) || !s.ReadUint16LengthPrefixed(&proof) {
			return list
		}
		a.nonce, a.hmac = nonce, proof
		list = append(list, a)
	}
	return list
}

// refusedCommand learns from a command that the chip refused: its HMAC is as good to guess at, and its nonces do not count.
func (e *Eavesdropper) refusedCommand(x Exchange, names map[uint32][]byte) {
	if p, ok := e.parse(x, names); ok {
		e.attackCommand(x.Code(), p)
	}
}

// use attacks a command and its response.
func (e *Eavesdropper) use(x Exchange, names map[uint32][]byte) {
	p, ok := e.parse(x, names)
	if !ok {
		return
	}
	e.attackCommand(x.Code(), p)
	s := cryptobyte.String(x.Response[headerSize:])
	if code := x.Code(); code == tpm2.TPMCCLoad || code == tpm2.TPMCCCreatePrimary {
		s = s[4:] // a handle
	}
	var size uint32
	if !s.ReadUint32(&size) || uint64(size) > uint64(len(s)) {
		return
	}
	parameters := s[:size]
	for i, a := range areas(s[size:], false) {
		if i >= len(p.areas) {
			return
		}
		session := e.sessions[p.areas[i].handle]
		if session == nil {
			continue
		}
		session.nonceChip = a.nonce
		if p.areas[i].attributes&attrEncrypt != 0 {
			e.decrypt(session, parameters, session.nonceChip, p.areas[i].nonce)
		}
	}
}

func (e *Eavesdropper) attackCommand(cc CC, p parsed) {
	for i, a := range p.areas {
		session := e.sessions[a.handle]
		if session == nil || a.handle == passwordRS || a.handle < sessionMin || a.handle >= sessionMax {
			continue
		}
		e.found.Sessions++
		session.nonceCaller = a.nonce
		if a.attributes&attrDecrypt != 0 {
			e.decrypt(session, p.parameters, a.nonce, session.nonceChip)
		}
		e.guess(cc, p, i)
	}
}

// decrypt tries every key on the first parameter.
func (e *Eavesdropper) decrypt(s *session, parameters cryptobyte.String, newer, older []byte) {
	var hidden cryptobyte.String
	if !parameters.ReadUint16LengthPrefixed(&hidden) {
		return
	}
	for _, key := range s.keys {
		for _, auth := range append([][]byte{nil}, e.Guesses...) {
			const keySize = 16
			material := tpm2.KDFa(crypto.SHA256, slices.Concat(key, auth), "CFB", newer, older, 8*(keySize+aes.BlockSize))
			block, err := aes.NewCipher(material[:keySize])
			if err != nil {
				continue // unreachable: the length is right
			}
			plain := make([]byte, len(hidden))
			cipher.NewCFBDecrypter(block, material[keySize:]).XORKeyStream(plain, hidden) //nolint:staticcheck // the chip's mode, of the attacker's choice
			e.found.Plain = append(e.found.Plain, plain)
		}
	}
}

// guess tries every key and every authorisation on the HMAC of the command's i-th session.
func (e *Eavesdropper) guess(cc CC, p parsed, i int) {
	s := e.sessions[p.areas[i].handle]
	sum := sha256.New()
	sum.Write(binary.BigEndian.AppendUint32(nil, uint32(cc)))
	for _, name := range p.names {
		sum.Write(name)
	}
	sum.Write(p.parameters)
	hashed := sum.Sum(nil)
	var others []byte // the first session's HMAC covers the nonces of those that encrypt (TPM 2.0 Part 1, 19.6.5)
	if i == 0 {
		for _, a := range p.areas[1:] {
			if other := e.sessions[a.handle]; other != nil {
				others = append(others, other.nonceChip...)
			}
		}
	}
	for _, key := range s.keys {
		for _, auth := range append([][]byte{nil}, e.Guesses...) {
			mac := hmac.New(sha256.New, slices.Concat(key, auth))
			for _, part := range [][]byte{hashed, p.areas[i].nonce, s.nonceChip, others, {p.areas[i].attributes}} {
				mac.Write(part)
			}
			if hmac.Equal(mac.Sum(nil), p.areas[i].hmac) {
				e.found.Guessed = append(e.found.Guessed, auth)
			}
		}
	}
}

// Holds says whether something was found out: a decrypted parameter with the bytes in it, or an authorisation that was guessed.
func (f Found) Holds(needle []byte) bool {
	has := func(b []byte) bool { return bytes.Contains(b, needle) }
	return slices.ContainsFunc(f.Plain, has) || slices.ContainsFunc(f.Guessed, has)
}
