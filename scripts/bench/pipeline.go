package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"linekeep/audio/call"
	"linekeep/audio/opus"
	"linekeep/audio/pipeline"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// measured is what one recording child says of itself.
type measured struct {
	TrackSeconds float64 // of sound encoded
	Frames       int64
	Allocations  float64 // per frame, once all buffers have found their size
	Dropped      uint64
	Lost         int64
	Resident     float64 // MB at the end
	CPU          float64 // seconds, of the whole process, without reading the input: no line reads a file
}

// child records in a process of its own, in real time, and gives what it took.
func child(ctx context.Context, o options, input string, lines, garbage int) (measured, error) {
	var m measured
	self, err := os.Executable()
	if err != nil {
		return m, fmt.Errorf("find myself: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-child", input, "-lines", strconv.Itoa(lines),
		"-seconds", strconv.Itoa(o.seconds), "-garbage", strconv.Itoa(garbage),
		"-workers", strconv.Itoa(o.workers), "-fast="+strconv.FormatBool(o.fast))
	cmd.Stderr = os.Stderr
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return m, fmt.Errorf("record %d lines: %w", lines, err)
	}
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		return m, fmt.Errorf("read the child's figures: %w", err)
	}
	return m, nil
}

// record is the child: a whole pipeline on lines that play parts of the input, in real time.
func record(ctx context.Context, o options) (err error) {
	raw, err := os.ReadFile(o.child)
	if err != nil {
		return fmt.Errorf("read the input: %w", err)
	}
	// Read as it lies: unpacking 24 MB would be a twentieth of what is measured.
	speech := unsafe.Slice((*int16)(unsafe.Pointer(&raw[0])), len(raw)/2)
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return fmt.Errorf("write the profile: %w", err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("write the profile: %w", err)
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, f.Close())
		}()
	}
	lines, configs := playedLines(speech, o)
	sink, err := newFileSink()
	if err != nil {
		return err
	}
	p, err := pipeline.New(pipeline.Config{Workers: o.workers, NewEncoder: func() (pipeline.Encoder, error) { return opus.NewEncoder(opus.Defaults()) }},
		configs, sink, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for _, l := range lines {
		l.start = time.Now()
	}
	ctx, stop := context.WithTimeout(ctx, time.Duration(o.seconds)*time.Second)
	defer stop()
	var playing sync.WaitGroup
	if o.fast {
		playing.Add(len(lines))
		for _, l := range lines {
			l.done = playing.Done
		}
		go func() {
			playing.Wait()
			stop()
		}()
	}
	go litter(ctx, o.garbage)
	m := measured{CPU: -cpuSeconds()}
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		m.Allocations = allocations(ctx, sink, time.Duration(o.seconds)*time.Second)
	}()
	if err := p.Run(ctx); err != nil {
		return err
	}
	<-settled
	return report(p, lines, sink, m)
}

func report(p *pipeline.Pipeline, lines []*played, sink *fileSink, m measured) error {
	m.CPU += cpuSeconds()
	m.Frames = sink.frames.Load()
	m.TrackSeconds = float64(m.Frames) * line.FramePeriod.Seconds()
	m.Dropped = p.Totals().Dropped + p.Totals().Failed
	for _, s := range p.Status(nil) {
		for _, n := range s.Lost {
			m.Lost += int64(n)
		}
	}
	m.Resident = residentMB()
	if err := json.NewEncoder(os.Stdout).Encode(m); err != nil {
		return fmt.Errorf("tell the figures: %w", err)
	}
	return sink.file.Close()
}

// allocations counts them per frame over the second half of the run.
func allocations(ctx context.Context, sink *fileSink, whole time.Duration) float64 {
	var before, after runtime.MemStats
	pause(ctx, whole/2)
	runtime.ReadMemStats(&before)
	frames := sink.frames.Load()
	pause(ctx, whole/2-time.Second)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(max(1, sink.frames.Load()-frames))
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// litter makes garbage as a busy rest of the program would: in pieces of 8 KB, mb megabytes each second.
func litter(ctx context.Context, mb int) {
	if mb == 0 {
		return
	}
	const piece, every = 8 << 10, 10 * time.Millisecond
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var kept [64][]byte
	for i := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for range mb << 20 / piece / int(time.Second/every) {
				kept[i%len(kept)] = make([]byte, piece)
				i++
			}
		}
	}
}

// fileSink writes what a vault would seal into a file that is gone when it is closed.
type fileSink struct {
	file   *os.File
	buf    []byte
	frames atomic.Int64
}

func newFileSink() (*fileSink, error) {
	f, err := os.CreateTemp("", "linekeep-bench-*.segments")
	if err != nil {
		return nil, fmt.Errorf("make the sink's file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("make the sink's file: %w", err)
	}
	return &fileSink{file: f}, nil
}

func (s *fileSink) Commit(_ context.Context, g *segment.Group) error {
	s.buf = s.buf[:0]
	for i := range g.Segments {
		s.buf = segment.Append(s.buf, &g.Segments[i])
		s.frames.Add(int64(g.Segments[i].Packets()))
	}
	_, err := s.file.Write(s.buf)
	return err
}

// played is a line in a call that never ends, on which parts of the input are heard in real time, one on each channel.
type played struct {
	start    time.Time
	speech   [line.MaxChannels][]int16
	channels int
	next     int // frame
	lost     line.Samples
	seized   bool
	done     func() // not nil: all is heard at once, and this is called after it
}

// playedLines are as many lines as asked for; each channel plays a part of the input that no other plays.
func playedLines(speech []int16, o options) (lines []*played, configs []pipeline.LineConfig) {
	n, channels := o.lines, 2
	if n == 0 {
		n, channels = 1, 1
	}
	part := len(speech) / (n * channels) / line.FrameSamples * line.FrameSamples
	for i := range n {
		l := &played{channels: channels}
		for c := range channels {
			from := (i*channels + c) * part
			l.speech[c] = speech[from : from+part]
		}
		lines = append(lines, l)
		configs = append(configs, pipeline.LineConfig{ID: strconv.Itoa(i), Class: "bench", Line: l, Call: call.Defaults()})
	}
	return lines, configs
}

func (l *played) Info() line.Info { return line.Info{Channels: l.channels, Signals: true} }
func (l *played) Close() error    { return nil }

func (l *played) ReadEvents(events []line.Event) (int, error) {
	if l.seized {
		return 0, nil
	}
	l.seized = true
	events[0] = line.Event{Kind: line.Seized}
	return 1, nil
}

func (l *played) Read(frames []line.Frame) (n int, _ error) {
	due := int(line.In(time.Since(l.start)) / line.FrameSamples)
	if l.done != nil {
		due = len(l.speech[0]) / line.FrameSamples
		n = l.fill(frames, due)
		if n > 0 && l.next == due {
			l.done()
		}
		return n, nil
	}
	if over := due - l.next - line.RingFrames; over > 0 { // as a driver's ring would
		l.next += over
		l.lost += line.Samples(over * line.FrameSamples)
	}
	return l.fill(frames, due), nil
}

func (l *played) fill(frames []line.Frame, due int) (n int) {
	for ; n < len(frames) && l.next < due; n++ {
		f := &frames[n]
		f.Start = line.Position(l.next * line.FrameSamples)
		f.Lost, f.Len = l.lost, line.FrameSamples
		f.Cause = line.CauseNone
		if l.lost > 0 {
			f.Cause = line.CauseReader
		}
		l.lost = 0
		l.next++
		f.Heard = l.start.Add((f.Start + line.FrameSamples).Duration())
		for c := range l.channels {
			at := (l.next - 1) * line.FrameSamples % len(l.speech[c])
			copy(f.Samples[c][:], l.speech[c][at:])
		}
	}
	return n
}

// cpuSeconds is what this process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return math.NaN()
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// residentMB is the memory of this process, as the kernel counts it; 0 if it does not say.
func residentMB() float64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return 0
	}
	return kb / 1024
}
