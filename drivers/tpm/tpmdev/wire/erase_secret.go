//go:build goexperiment.runtimesecret

package wire

import "runtime/secret"

// Erased calls f, a command that carries a secret or an authorisation, and erases the copies that the library makes of it on its
// way: see vault/secret, whose Do this is for those who may not import it.
func Erased(f func()) { secret.Do(f) }
