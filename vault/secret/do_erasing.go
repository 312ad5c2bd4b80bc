//go:build goexperiment.runtimesecret

package secret

import (
	"runtime"
	"runtime/secret"
)

// Erases says whether this program was built so that Do erases.
const Erases = true

// Do calls f, and erases what it leaves behind: registers and stack before Do returns, what it put on the heap as soon
// as the garbage collector finds that nobody holds it any more. So copies of a key that ciphers and their like make
// inside f are gone once they are dropped and Collect was called. Goroutines that f starts are not erased.
func Do(f func()) { secret.Do(f) }

// Collect has the garbage collector find, and so erase, what was dropped inside Do; for the end of a session. It takes
// some milliseconds of one core, and others go on meanwhile.
func Collect() {
	runtime.GC()
	runtime.GC() // what was dropped while the first was under way
}
