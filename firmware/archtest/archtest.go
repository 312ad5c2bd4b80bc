// Package archtest keeps the shape of the tree: who may import whom, what the product's binary may hold, how long a
// file and a function may be. Everything is in its tests; each ban there has its reason.
//
//	In:    what `go list` and the source say of every package of the module
//	Out:   a test failure for each broken rule, with the reason for the rule
//	Owner: the tests; no goroutine
//	Full:  nothing is kept
package archtest
