package seal

import (
	"fmt"

	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

// labelGrant keeps a data key in a grant apart from every other box under a recording's slot.
const labelGrant = "grant wrap"

// Rewrap takes a wrap to another custody key. Errors: ErrAltered, as Unwrap.
func Rewrap(vaultID [keys.VaultIDSize]byte, slot keys.Slot, from envelope.Private, to envelope.Public, wrap []byte) ([]byte, error) {
	d, err := Unwrap(vaultID, slot, from, wrap)
	if err != nil {
		return nil, err
	}
	defer d.Wipe()
	return Wrap(vaultID, slot, to, d)
}

// WrapGranted wraps a data key to the account of a grant's holder, and that under the recording's slot: so it ends with the
// recording, too. It is bound to the vault, the grant and the recording.
func WrapGranted(vaultID [keys.VaultIDSize]byte, slot keys.Slot, grant keys.ID, account envelope.Public, d DataKey) ([]byte, error) {
	at := [][]byte{vaultID[:], grant.Append(nil), slot.ID.Append(nil)}
	inner, err := account.Wrap(keys.Info("grant key", at...), d.key())
	if err != nil {
		return nil, fmt.Errorf("wrap data key of %s to an account: %w", slot.ID, err)
	}
	outer := slot.Wrap()
	defer outer.Wipe()
	return Box(outer, inner, append([][]byte{[]byte(labelGrant)}, at...)...), nil
}

// UnwrapGranted gives back the data key. Errors: ErrAltered.
func UnwrapGranted(vaultID [keys.VaultIDSize]byte, slot keys.Slot, grant keys.ID, account envelope.Private, wrap []byte) (DataKey, error) {
	at := [][]byte{vaultID[:], grant.Append(nil), slot.ID.Append(nil)}
	outer := slot.Wrap()
	defer outer.Wipe()
	inner, err := OpenBox(outer, wrap, append([][]byte{[]byte(labelGrant)}, at...)...)
	if err != nil {
		return DataKey{}, fmt.Errorf("unwrap granted key of %s, outer layer: %w", slot.ID, err)
	}
	key, err := account.Unwrap(keys.Info("grant key", at...), inner)
	if err != nil {
		return DataKey{}, fmt.Errorf("unwrap granted key of %s, inner layer: %w: %w", slot.ID, ErrAltered, err)
	}
	return dataKey(key), nil
}
