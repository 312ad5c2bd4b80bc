// Package e2e has the tests of the whole box: linekeepd-sim as a process of its own, killed, cut from power, filled to
// the brim and searched, and sixteen sound cards up to the encoder.
//
//	In:    the programs as they are built, a software TPM, loop-mounted file systems
//	Out:   failures, each named as the promise it breaks
//	Owner: the tests; every process they start ends with them
//	Full:  some hundred megabytes of temporary files, and a sparse image of 1 GiB
package e2e
