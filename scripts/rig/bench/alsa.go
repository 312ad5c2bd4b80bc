package bench

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// Sound says how samples are laid out for aplay and arecord: signed, 16 bits, little endian.
type Sound struct {
	RateHz, Channels int
}

func (s Sound) arguments(device string) []string {
	return []string{"-q", "-D", device, "-t", "raw", "-f", "S16_LE", "-r", strconv.Itoa(s.RateHz), "-c", strconv.Itoa(s.Channels)}
}

// Play plays a file of raw samples, by aplay, until its end.
func (s Sound) Play(ctx context.Context, device, file string) error {
	out, err := exec.CommandContext(ctx, "aplay", append(s.arguments(device), file)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("aplay on %s: %w\n%s", device, err, out)
	}
	return nil
}

// Record captures for so long, by arecord, into a file of raw samples.
func (s Sound) Record(ctx context.Context, device, file string, long time.Duration) error {
	args := append(s.arguments(device), "-d", strconv.Itoa(int(long.Seconds())), file)
	out, err := exec.CommandContext(ctx, "arecord", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("arecord on %s: %w\n%s", device, err, out)
	}
	return nil
}
