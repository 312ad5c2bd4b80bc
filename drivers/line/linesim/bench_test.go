package linesim_test

import (
	"testing"

	"linekeep/drivers/line"
)

// BenchmarkFrame is what one channel of a simulated line costs per 20 ms: what a demo spends on not having a card.
func BenchmarkFrame(b *testing.B) {
	scripts := parseAll(b, busy)
	truth := sourceOf(b, 1, scripts).Truth(0)
	samples := make([]int16, line.FrameSamples)
	var at line.Position
	b.ReportAllocs()
	for b.Loop() {
		truth.Channel(int(at/line.FrameSamples&1), at, samples)
		at += line.FrameSamples
	}
}
