// Package uptime tells which start of the machine it is, and how long ago that was: a clock that nobody can set.
//
//	In:    what the kernel says
//	Out:   the start's id, and the time since then, sleep included; zeros for what it does not say
//	Owner: plain values; no goroutine
//	Full:  nothing is kept
package uptime
