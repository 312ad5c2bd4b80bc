package custody

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

const (
	codeGroups = 8
	groupChars = 5
	codeChars  = codeGroups * groupChars // 40 characters of 5 bits
	checkBits  = 10
	// secretBits is the entropy of a code: so much that one HKDF is enough, no slow hash needed.
	secretBits  = codeChars*5 - checkBits // 190
	secretBytes = (secretBits + 7) / 8    // 24; the last two bits are zero
)

// alphabet is Crockford's base32: no I, L, O or U, so that what is read aloud or written by hand comes back.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ErrMistyped reports a code that cannot have been printed by any box: a character or more is wrong. A code
// that is whole but of another vault is ErrWrongCode.
var ErrMistyped = errors.New("custody: the recovery code is mistyped")

// Code is a recovery code: 190 random bits and a checksum of 10, as 8 groups of 5 characters. It cannot be
// printed but by Reveal.
type Code struct{ held secret.Key } // the secret, then zeros up to the length of a key

// NewCode makes a random code.
func NewCode() Code {
	var b [secretBytes]byte
	rand.Read(b[:])
	b[secretBytes-1] &^= 1<<(secretBytes*8-secretBits) - 1
	return codeOf(&b)
}

// codeOf moves a code out of b.
func codeOf(b *[secretBytes]byte) (c Code) {
	var padded [secret.Size]byte
	copy(padded[:], b[:])
	clear(b[:])
	defer clear(padded[:])
	held, err := secret.From(padded[:])
	if err != nil {
		panic("custody: " + err.Error()) // unreachable: it has the length of a key
	}
	return Code{held: held}
}

// use lends the 24 bytes of the code to f.
func (c Code) use(f func(b *[secretBytes]byte)) {
	if c.held.IsZero() {
		panic("custody: the zero Code was used")
	}
	c.held.Use(func(b []byte) { f((*[secretBytes]byte)(b)) })
}

// Reveal is the code in clear, "ABCDE-FGH12-...". It is for the sheet that is printed once, and for nothing else.
func (c Code) Reveal() string {
	symbols := c.symbols()
	var out strings.Builder
	for i, v := range symbols {
		if i > 0 && i%groupChars == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(alphabet[v])
	}
	return out.String()
}

// symbols are the code's 40 values of 5 bits: the secret, then its checksum.
func (c Code) symbols() [codeChars]byte {
	var symbols [codeChars]byte
	c.use(func(b *[secretBytes]byte) {
		sum := checksum(b)
		for i := range codeChars * 5 {
			var bit byte
			if i < secretBits {
				bit = b[i/8] >> (7 - i%8) & 1
			} else {
				bit = byte(sum >> (codeChars*5 - 1 - i) & 1)
			}
			symbols[i/5] = symbols[i/5]<<1 | bit
		}
	})
	return symbols
}

// checksum is a CRC of 10 bits (polynomial 0x233, as ATM uses; all ones to begin with) over the 190 bits: it
// finds every error within two neighbouring characters, two swapped ones too, and all but one in 1,024 of
// the rest. It takes nothing from the secret's strength.
func checksum(secret *[secretBytes]byte) uint16 {
	const polynomial, top, mask = 0x233, 1 << (checkBits - 1), 1<<checkBits - 1
	crc := uint16(mask)
	for i := range secretBits {
		bit := uint16(secret[i/8] >> (7 - i%8) & 1)
		high := crc >> (checkBits - 1) & 1
		crc = crc << 1 & mask
		if high^bit == 1 {
			crc ^= polynomial
		}
	}
	return crc
}

// ReadCode is ParseCode of what was typed into locked memory; what it copies on the way is erased. The caller wipes typed.
func ReadCode(typed secret.Password) (c Code, err error) {
	secret.Do(func() {
		typed.Use(func(b []byte) { c, err = ParseCode(string(b)) })
	})
	return c, err
}

// ParseCode reads a code as people type it: any case, spaces and dashes anywhere, O for 0, I and L for 1. The
// error wraps ErrMistyped and names the group where that can be told; it never repeats what was typed.
func ParseCode(s string) (Code, error) {
	var symbols []byte
	for _, r := range strings.ToUpper(s) {
		switch r {
		case ' ', '-', '\t', '\r', '\n':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		v := strings.IndexRune(alphabet, r)
		if v < 0 {
			return Code{}, fmt.Errorf("%w: group %d has a character that no code has", ErrMistyped, len(symbols)/groupChars+1)
		}
		symbols = append(symbols, byte(v))
		if len(symbols) > codeChars {
			return Code{}, fmt.Errorf("%w: more than %d characters%s", ErrMistyped, codeChars, oddGroup(s))
		}
	}
	if len(symbols) < codeChars {
		return Code{}, fmt.Errorf("%w: %d characters of %d%s", ErrMistyped, len(symbols), codeChars, oddGroup(s))
	}
	var b [secretBytes]byte
	var sum uint16
	for i := range codeChars * 5 {
		bit := symbols[i/5] >> (4 - i%5) & 1
		if i < secretBits {
			b[i/8] |= bit << (7 - i%8)
		} else {
			sum = sum<<1 | uint16(bit)
		}
	}
	if checksum(&b) != sum {
		clear(b[:])
		return Code{}, fmt.Errorf("%w: the checksum does not fit", ErrMistyped)
	}
	return codeOf(&b), nil
}

// oddGroup finds the first group that is not of five characters, when the code was typed in eight groups.
func oddGroup(s string) string {
	groups := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" -\t\r\n", r) })
	if len(groups) != codeGroups {
		return ""
	}
	for i, g := range groups {
		if len([]rune(g)) != groupChars {
			return fmt.Sprintf("; look at group %d", i+1)
		}
	}
	return ""
}

// Recovery is the key pair that a code stands for in one vault.
func (c Code) Recovery(vaultID [keys.VaultIDSize]byte) (p envelope.Private, err error) {
	secret.Do(func() {
		c.use(func(b *[secretBytes]byte) {
			var ikm []byte
			if ikm, err = hkdf.Key(sha256.New, b[:], vaultID[:], string(secret.Info("recovery key")), secret.Size); err != nil {
				err = fmt.Errorf("derive recovery key: %w", err)
				return
			}
			defer clear(ikm)
			p, err = envelope.Derive(ikm)
		})
	})
	return p, err
}

// Wipe overwrites the code.
func (c Code) Wipe() { c.held.Wipe() }

// Format writes the same words for every verb.
func (Code) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Code(hidden)") } // fmt.State keeps no errors

// LogValue hides the code from slog.
func (Code) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalJSON always gives an error.
func (Code) MarshalJSON() ([]byte, error) { return nil, secret.ErrNeverMarshalled }

// MarshalText always gives an error.
func (Code) MarshalText() ([]byte, error) { return nil, secret.ErrNeverMarshalled }
