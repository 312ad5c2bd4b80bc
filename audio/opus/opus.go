// Package opus turns 20 ms of telephone sound into an Opus packet and back, with the reference library, libopus.
//
// Stage: line -> call -> [encode] -> seal -> store -> search -> release.
//
//	In:    160 samples of linear PCM at 8 kHz, one channel
//	Out:   one packet of at most segment.MaxPacket bytes; from a Decoder the samples again
//	Owner: no goroutine; an Encoder or Decoder is used by one goroutine at a time
//	Full:  nothing is kept from one call to the next but the codec's own state
//
// It is the one package of the sound's way that needs cgo, so nothing else imports it but the programs and
// their tests: the pipeline and the renderer say what they need of a codec in small interfaces of their own.
//
// The settings are a telephone recorder's: 8 kHz in and narrowband out, one mono stream for each party,
// 20 ms packets (measured: 10 to 60 ms cost the same CPU), speech mode, complexity 5 (complexity 10 costs
// 1.7 times the CPU), 24 kbit/s, and no DTX, so that quiet sound is kept as it was.
package opus
