//go:build !goexperiment.runtimesecret

package wire

// Erased calls f. What it leaves on stack and heap stays until it is used again.
func Erased(f func()) { f() }
