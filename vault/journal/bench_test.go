package journal

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkGroup192KB commits what 32 calls of two parties say in a tick, and prints what it cost.
func BenchmarkGroup192KB(b *testing.B) {
	j, _ := open(b, config(b, b.TempDir()))
	rs := records(1, 64, 3000)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		appendGroup(b, j, Group{At: start}, rs)
		took = append(took, time.Since(start))
		for i := range rs {
			j.Release(rs[i].Pos)
		}
		if err := j.Sweep(); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	_, _, w := j.Status()
	b.ReportMetric(float64(w.Bytes)/float64(w.Payload), "bytes/payload-byte")
}
