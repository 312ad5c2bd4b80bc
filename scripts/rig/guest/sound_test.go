//go:build rig

package guest

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"linekeep/scripts/rig/bench"
)

func TestTheSoundCardHearsBitExactWhatIsPlayed(t *testing.T) {
	if err := bench.LoadALSA(); err != nil {
		t.Fatal(err)
	}
	played, captured := filepath.Join(t.TempDir(), "played"), filepath.Join(t.TempDir(), "captured")
	sound := bench.Sound{RateHz: 8000, Channels: 2}
	pcm := make([]byte, 3*8000*4)
	rand.Read(pcm)
	silence := make([]byte, 2*8000*4)
	if err := os.WriteFile(played, append(bytes.Clone(pcm), silence...), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- sound.Record(t.Context(), bench.LoopCapture, captured, 8*time.Second) }()
	if err := sound.Play(t.Context(), bench.LoopPlay, played); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	heard, err := os.ReadFile(captured)
	if err != nil {
		t.Fatal(err)
	}
	// What was played before the card was captured is not there: all after it must be.
	tail := pcm[len(pcm)-8000*4:]
	at := bytes.Index(heard, tail)
	if at < 0 {
		t.Fatalf("the last second is not in the %d bytes that were heard", len(heard))
	}
	began := max(0, at+len(tail)-len(pcm))
	if got := heard[began : at+len(tail)]; !bytes.HasSuffix(pcm, got) || len(got) < len(pcm)*3/4 {
		t.Errorf("what was heard before it is not what was played (%d bytes of %d)", len(got), len(pcm))
	}
}
