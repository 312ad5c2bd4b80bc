package recording

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/seal"
)

// Rewrap is the wrap of a recording under a later custody key than that of its opening. The opening stays as it is: the
// manifest has its hash.
type Rewrap struct {
	Custody uint32 // number of the custody key
	Wrap    []byte
}

// Append gives its bytes.
func (r Rewrap) Append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, r.Custody), r.Wrap...)
}

// ParseRewrap reads them. Errors: ErrForm.
func ParseRewrap(b []byte) (r Rewrap, err error) {
	s := cryptobyte.String(b)
	if !s.ReadUint32(&r.Custody) || len(s) != seal.WrapSize {
		return Rewrap{}, ErrForm
	}
	r.Wrap = s
	return r, nil
}
