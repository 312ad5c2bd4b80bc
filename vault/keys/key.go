package keys

import "linekeep/vault/secret"

// KeySize is the length of every symmetric key, in bytes.
const KeySize = secret.Size

// Key is 32 secret bytes that cannot be shown.
type Key = secret.Key

// NewKey makes a random key.
func NewKey() Key { return secret.New() }

// KeyFrom copies a key out of b, which must be KeySize bytes. The caller wipes b.
func KeyFrom(b []byte) (Key, error) { return secret.From(b) }

// Info binds a key or a ciphertext to its purpose.
func Info(label string, context ...[]byte) []byte { return secret.Info(label, context...) }
