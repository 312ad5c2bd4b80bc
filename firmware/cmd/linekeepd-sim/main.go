// Command linekeepd-sim is the box on a laptop.
//
//	In:    nothing
//	Out:   nothing yet
//	Owner: none
//	Full:  nothing is kept
package main

func main() {}
