// Command bench measures the sound's way against what it is meant to beat, in one run on one input, and prints a
// table of rows "name | value | aim | met?".
//
//	In:    recorded telephone speech (Debian's asterisk-core-sounds-en-wav), ffmpeg, a C compiler with libopus
//	Out:   the table on the standard output; exit status 1 if an aim is missed
//	Owner: runs itself and the others as children, one at a time, and reads what CPU time each took
//	Full:  keeps 25 minutes of sound, 24 MB
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"linekeep/drivers/line"
)

// inputLength is how much speech everybody encodes.
const inputLength = 25 * time.Minute

// options are what the command line says.
type options struct {
	sounds  string
	repeats int
	seconds int
	child   string
	lines   int
	garbage int
	profile string
	workers int
	fast    bool
	ignore  bool
	contest bool
}

func main() {
	var o options
	flag.StringVar(&o.sounds, "sounds", "/usr/share/asterisk/sounds/en_US_f_Allison", "folder of 8 kHz mono WAV files")
	flag.IntVar(&o.repeats, "repeats", 3, "how often each contender runs; the medians are compared")
	flag.IntVar(&o.seconds, "seconds", 10, "how long the runs last that only measure the pipeline")
	flag.StringVar(&o.child, "child", "", "record FILE for a while and print what it took (used by this command itself)")
	flag.IntVar(&o.lines, "lines", 32, "with -child: how many lines of two parties; 0 is one line of one")
	flag.IntVar(&o.garbage, "garbage", 0, "with -child: megabytes of garbage made each second")
	flag.IntVar(&o.workers, "workers", 0, "with -child: how many encode at once; 0 is one for each CPU")
	flag.BoolVar(&o.fast, "fast", false, "with -child: all sound is heard at once, not in real time")
	flag.StringVar(&o.profile, "profile", "", "with -child: write a CPU profile here")
	flag.BoolVar(&o.contest, "contest", false, "only compare with the others")
	flag.BoolVar(&o.ignore, "report-only", false, "exit 0 even if an aim is missed")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	ctx := context.Background()
	if o.child != "" {
		return record(ctx, o)
	}
	folder, err := os.MkdirTemp("", "linekeep-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	missed, err := compare(ctx, o, folder)
	err = errors.Join(err, os.RemoveAll(folder))
	if err == nil && missed > 0 && !o.ignore {
		err = fmt.Errorf("%d aims missed", missed)
	}
	return err
}

// compare runs everything and prints the table. It says how many aims were missed.
func compare(ctx context.Context, o options, folder string) (missed int, err error) {
	input := filepath.Join(folder, "speech.raw")
	if err := concatenate(o.sounds, input); err != nil {
		return 0, err
	}
	loop := filepath.Join(folder, "opusloop")
	if out, err := exec.CommandContext(ctx, "cc", "-O2", "-o", loop, "scripts/bench/opusloop/opusloop.c", "-lopus").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("compile the bare loop: %w: %s", err, out)
	}
	t := table{}
	t.head()
	if err := contest(ctx, o, &t, input, loop, folder); err != nil {
		return t.missed, err
	}
	if o.contest {
		return t.missed, nil
	}
	err = alone(ctx, o, &t, input)
	return t.missed, err
}

// contest lets the pipeline, ffmpeg and the bare loop encode the same speech, in turn. The others do it in one go, so
// the pipeline does too: its lines have all their sound at once, and one worker takes it. A processor that sleeps
// between two ticks forgets its caches and is slower after it: measured, up to 20 % with the bare loop itself. What
// real time costs is in the rows of alone.
func contest(ctx context.Context, o options, t *table, input, loop, folder string) error {
	const lines = 32
	long := o
	long.seconds, long.fast, long.workers = 600, true, 1
	var ours, ffmpegs, loops []float64
	for range o.repeats {
		m, err := child(ctx, long, input, lines, 0)
		if err != nil {
			return err
		}
		hours := m.TrackSeconds / 3600
		ours = append(ours, m.CPU/hours)
		hours = inputLength.Hours()
		cpu, err := spent(exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-y", "-f", "s16le", "-ar", "8000", "-ac", "1", "-i", input,
			"-c:a", "libopus", "-compression_level", "5", "-application", "voip", "-b:a", "24k", filepath.Join(folder, "ffmpeg.ogg")))
		if err != nil {
			return err
		}
		ffmpegs = append(ffmpegs, cpu/hours)
		if cpu, err = spent(exec.CommandContext(ctx, loop, input)); err != nil {
			return err
		}
		loops = append(loops, cpu/hours)
	}
	a, b, c := median(ours), median(ffmpegs), median(loops)
	t.row("pipeline in one go, CPU s per hour of a party track", a, "%.1f", none)
	t.row("ffmpeg libopus level 5, CPU s per hour", b, "%.1f", none)
	t.row("bare libopus loop in C, CPU s per hour", c, "%.1f", none)
	t.row("bare loop / ffmpeg: the least that these settings allow", c/b, "%.2f", none)
	t.row("pipeline / ffmpeg", a/b, "%.2f", 0.7)
	t.row("pipeline / bare loop", a/c, "%.2f", 1.1)
	return nil
}

// alone measures what only the pipeline has.
func alone(ctx context.Context, o options, t *table, input string) error {
	for _, lines := range []int{0, 8, 32} {
		m, err := child(ctx, o, input, lines, 0)
		if err != nil {
			return err
		}
		aim := none
		if lines == 32 {
			aim = 0.53 // the best of the sketches measured before the design, with 64 tracks
		}
		t.row(fmt.Sprintf("real time, CPU %% of a core for a party track, %d of them", max(1, 2*lines)), 100*m.CPU/m.TrackSeconds, "%.2f", aim)
		if lines == 32 {
			t.row("allocations per frame", m.Allocations, "%.2f", 0.005) // 0 as far as it is printed
			t.row("memory of the process with 64 tracks, MB", m.Resident, "%.0f", none)
		}
	}
	m, err := child(ctx, o, input, 32, 50)
	if err != nil {
		return err
	}
	t.row("groups dropped, 32 lines beside 50 MB/s of garbage", float64(m.Dropped), "%.0f", 0)
	t.row("samples lost, 32 lines beside 50 MB/s of garbage", float64(m.Lost), "%.0f", 0)
	return nil
}

const none = -1.0 // no aim

// table prints rows, and counts the aims that were missed.
type table struct{ missed int }

func (*table) head() {
	fmt.Println("| name | value | aim | met? |")
	fmt.Println("|---|---|---|---|")
}

func (t *table) row(name string, value float64, format string, aim float64) {
	aimed, met := "", ""
	if aim != none {
		aimed, met = "≤ "+fmt.Sprintf(format, aim), "yes"
		if value > aim {
			met = "NO"
			t.missed++
		}
	}
	fmt.Printf("| %s | %s | %s | %s |\n", name, fmt.Sprintf(format, value), aimed, met)
}

// spent runs a command and gives the CPU seconds it took.
func spent(cmd *exec.Cmd) (float64, error) {
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("run %s: %w: %s", cmd.Path, err, out)
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// concatenate makes the input: as many recordings, in order of name, as fill it.
func concatenate(folder, to string) error {
	want := int(line.In(inputLength)) * 2
	var all []byte
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".wav") || len(all) >= want {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && len(b) > 44 {
			all = append(all, b[44:]...) // these files have the plain header
		}
		return err
	})
	if err == nil && len(all) < want {
		err = fmt.Errorf("only %d s of speech", len(all)/2/line.RateHz)
	}
	if err == nil {
		err = os.WriteFile(to, all[:want], 0o600)
	}
	if err != nil {
		return fmt.Errorf("put the input together: %w", err)
	}
	return nil
}
