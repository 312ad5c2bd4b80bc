// Package box has the tests of the whole box in the rig: linekeepd as it is shipped, with the kernel's own drivers and a chip that the
// firmware has measured into.
//
//	In:    linekeepd and linekeepctl in the guest's root, a disk of ext4, /dev/tpmrm0
//	Out:   failures, each named as the promise it breaks
//	Owner: the tests; the daemon ends with the test that started it
//	Full:  the data disk has 4 GiB
package box
