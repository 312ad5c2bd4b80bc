// Package guest has the tests that run inside the rig's machine, against real drivers of the kernel. Those of this package
// show that the rig itself is what it says, so that a test of the product that fails there is the product's fault.
//
//	In:    the machine as scripts/rig/init leaves it
//	Out:   failures, each named as the promise it breaks
//	Owner: the tests
//	Full:  a test program has nine minutes, the machine ten
package guest
