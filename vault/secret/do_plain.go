//go:build !goexperiment.runtimesecret

package secret

import "runtime"

// Erases says whether this program was built so that Do erases. It was not: scripts/env sets GOEXPERIMENT=runtimesecret.
const Erases = false

// Do calls f. What it leaves on stack and heap stays until it is used again.
func Do(f func()) { f() }

// Collect has the garbage collector find what was dropped.
func Collect() { runtime.GC() }
