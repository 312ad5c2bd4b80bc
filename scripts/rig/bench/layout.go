// Package bench is what the tests in the rig's guest play the telephone network with: exchange, PBX and telephones on
// DAHDI's spans, the ISDN bus behind mISDN's cards, what a sound card hears; and the machine around them.
//
//	In:    the kernel's devices, as scripts/rig/init leaves them
//	Out:   sound, frames, rings and hooks on the ends of lines, whose taps the product opens; plugs and faults of QEMU's
//	Owner: the caller: every Channel, Feed and Socket is for one goroutine at a time, but may be read by one and written by another
//	Full:  nothing waits for longer than its Within; what a device has no room for is an error
//
// It is a second opinion: nothing here is used by the product, and it uses nothing of the product's.
package bench

// Tapped is a channel of DAHDI's with all that belongs to it, by DAHDI's channel numbers. The office's end and the exchange's
// hear each other. The taps hear one of them each and can send nothing that anybody hears: they are the product's.
type Tapped struct {
	Office, Exchange         int
	FromOffice, FromExchange int
}

// The spans that scripts/rig/system.conf makes, by number. Of each group the first is the office's, then come the
// exchange's, the tap of what the office sends, and the tap of what the exchange sends.
const (
	SpanPRI      = 1  // 31 channels: an E1 with its D channel at 16
	SpanAnalogue = 5  // 16 channels: 1-8 loop start, 9-10 E&M, 11-12 CAS, 13-16 clear
	SpanBRI      = 9  // 3 channels: B1, B2, D
	SpanFragile  = 13 // 2 channels, B and D: for tests that take a span away
)

// PRI gives timeslot n of the primary rate, 1 to 31; PRIDChannel is that of its D channel.
func PRI(n int) Tapped { return tapped(0, 31, n) }

// PRIDChannel is the timeslot of a primary rate's D channel.
const PRIDChannel = 16

// Loop gives analogue line n, 1 to 8: the office has a telephone (FXS signalling), the exchange a line card (FXO signalling).
func Loop(n int) Tapped { return tapped(124, 16, n) }

// EM gives E&M line n, 1 or 2.
func EM(n int) Tapped { return tapped(124, 16, 8+n) }

// CAS gives line n with raw signalling bits, 1 or 2.
func CAS(n int) Tapped { return tapped(124, 16, 10+n) }

// Clear gives channel n of the analogue group that has no signalling, 1 to 4.
func Clear(n int) Tapped { return tapped(124, 16, 12+n) }

// BRI gives channel n of the basic rate: 1 and 2 are B, 3 is D.
func BRI(n int) Tapped { return tapped(188, 3, n) }

// Fragile gives channel n of the group whose spans may be taken away: 1 is B, 2 is D.
func Fragile(n int) Tapped { return tapped(200, 2, n) }

func tapped(before, size, n int) Tapped {
	first := before + n
	return Tapped{Office: first, Exchange: first + size, FromOffice: first + 2*size, FromExchange: first + 3*size}
}

// Where the kernel's sound card that hears itself has its two ends, for ALSA: what is played at one is captured at the other.
const (
	LoopPlay    = "hw:Loopback,0,0"
	LoopCapture = "hw:Loopback,1,0"
)
