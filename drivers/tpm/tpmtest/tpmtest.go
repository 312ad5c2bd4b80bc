// Package tpmtest has what tests need of a security chip: the suite that every Sealer passes, a private
// software TPM, and a sealer in memory.
//
//	In:    a way to open a Sealer
//	Out:   failures of the test, each named as the promise it breaks
//	Owner: the test; what was started ends with it
//	Full:  one swtpm per Start, a process of some 5 MB
package tpmtest
