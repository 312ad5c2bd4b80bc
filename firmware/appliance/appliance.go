// Package appliance joins the parts into a box: one visible list, one Run, one order of stopping. It has no logic of its
// own: what a part does is the part's, and which parts are real is firmware/cmd's.
//
//	In:    the parts that differ between a box and a laptop (the chip, the lines), and the settings
//	Out:   a box that records until its context ends
//	Owner: Run owns all goroutines of the box, by the Run of each part
//	Full:  see each part; here nothing queues
//
// Started from right to left, stopped from left to right, so that what is on its way goes all the way down:
//
//	control, console   nobody asks a box that is going down
//	inputs             no new sound
//	pipeline           reads what the lines still hold, closes the calls, commits the last group: stored
//	vault              moves and files what it can
//	health             knows the end of every call
//
// and then the vault is closed, its keys wiped, and the chip freed.
package appliance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"linekeep/audio/opus"
	"linekeep/audio/pipeline"
	"linekeep/audio/render"
	"linekeep/drivers/line"
	"linekeep/drivers/tpm"
	"linekeep/firmware/config"
	"linekeep/firmware/confine"
	"linekeep/firmware/health"
	"linekeep/ui/console"
	"linekeep/ui/control"
	"linekeep/ui/service"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
	"linekeep/vault/store"
)

// Input is a piece of hardware and the lines it carries, by their ids.
type Input struct {
	Source line.Source
	Lines  map[string]line.Line
}

// Parts are what a box and a laptop have different. Run takes them over, and closes the chip.
type Parts struct {
	Chip    tpm.Chip
	Inputs  []Input
	Process confine.Process // what the program did first
	// Ready is told where the console answers, once it does; Filed of each recording that can now be found. Both may be nil.
	Ready func(address, fingerprint string)
	Filed func(keys.ID)
}

// box is all parts, in the order of the data's way.
type box struct {
	inputs   []Input
	pipeline *pipeline.Pipeline
	vault    *vault.Vault
	health   *health.Health
	console  *console.Console
	door     net.Listener
	control  *control.Server
}

// Run builds the box and runs it until ctx ends. When it returns, everything heard is stored and no goroutine is left.
func Run(ctx context.Context, cfg config.Config, parts Parts, log *slog.Logger) (err error) {
	defer func() { err = errors.Join(err, parts.Chip.Close()) }()
	b := &box{inputs: parts.Inputs}
	vc := cfg.Vault()
	vc.Filed = func(m store.Manifest) { b.filed(m.Row(), parts.Filed) }
	if b.vault, err = vault.Open(ctx, vc, parts.Chip, log); err != nil {
		return err
	}
	// What ends the box must not cut short the wiping of its keys.
	defer func() { err = errors.Join(err, b.vault.Close(context.WithoutCancel(ctx))) }()
	if err := b.build(ctx, cfg, parts, log); err != nil {
		return err
	}
	if parts.Ready != nil {
		parts.Ready(b.door.Addr().String(), b.console.Certificate().Fingerprint())
	}
	return run(ctx, log, b.stages())
}

// build makes the rest, around the vault. Nothing runs yet, but the console's door is open, so that an address that is
// taken is told at once.
func (b *box) build(ctx context.Context, cfg config.Config, parts Parts, log *slog.Logger) (err error) {
	if b.pipeline, err = newPipeline(cfg, parts.Inputs, b.vault, log); err != nil {
		return err
	}
	hc := health.Config{Site: cfg.Site.Name, Box: cfg.Site.Box, Version: version(), Custody: cfg.Custody.Fingerprint}
	hc.Memory = func() health.Memory {
		swaps, err := parts.Process.Swaps()
		return health.Memory{Keys: secret.Memory(), Swaps: swaps, SwapsErr: err, Dumpable: parts.Process.Dumpable}
	}
	for _, l := range cfg.Lines {
		hc.Lines = append(hc.Lines, health.Line{ID: l.ID, Label: l.Label})
	}
	b.health = health.New(hc, b.pipeline, b.vault, time.Now, log)
	// A restart does not begin the day anew. What cannot be read of the catalogue is an alarm of its own.
	today, err := b.vault.Find(ctx, catalog.Query{From: b.health.Today()})
	if err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "today's totals may lack calls", slog.Any("err", err))
	}
	for _, r := range today {
		b.filed(r, nil)
	}
	keep, err := b.vault.Settings()
	if err != nil {
		return err
	}
	cc := console.Defaults()
	cc.Listen, cc.Keep = cfg.Console.Address, keep
	if b.console, err = console.New(cc, b.health.Status, log); err != nil {
		return err
	}
	decoder := func() (render.Decoder, error) { return opus.NewDecoder() }
	b.control = control.NewServer(cfg.Control.Socket, service.New(b.health.Status, service.Of(b.vault, decoder)), log)
	var lc net.ListenConfig
	if b.door, err = lc.Listen(ctx, "tcp", cfg.Console.Address); err != nil {
		return fmt.Errorf("open the console's door: %w", err)
	}
	return nil
}

func newPipeline(cfg config.Config, inputs []Input, sink pipeline.Sink, log *slog.Logger) (*pipeline.Pipeline, error) {
	lines := make([]pipeline.LineConfig, 0, len(cfg.Lines))
	for _, l := range cfg.Lines {
		for _, in := range inputs {
			if heard := in.Lines[l.ID]; heard != nil {
				lines = append(lines, pipeline.LineConfig{ID: l.ID, Class: l.Class, Line: heard, Call: l.Call, Lookback: l.Lookback})
			}
		}
	}
	if len(lines) != len(cfg.Lines) {
		return nil, fmt.Errorf("join lines: %d of the settings' %d lines have an input", len(lines), len(cfg.Lines))
	}
	encoder := func() (pipeline.Encoder, error) { return opus.NewEncoder(opus.Defaults()) }
	return pipeline.New(pipeline.Config{NewEncoder: encoder}, lines, sink, time.Now, log)
}

// stages are the parts that run, in the order in which they stop.
func (b *box) stages() []stage {
	all := []stage{
		{"control", b.control.Run},
		{"console", func(ctx context.Context) error { return b.console.Serve(ctx, b.door) }},
	}
	for _, in := range b.inputs {
		all = append(all, stage{"inputs", in.Source.Run})
	}
	return append(all, stage{"pipeline", b.pipeline.Run}, stage{"vault", b.vault.Run}, stage{"health", b.health.Run})
}

// filed tells health, and whoever else wants to know, of a recording that can now be found.
func (b *box) filed(r catalog.Row, also func(keys.ID)) {
	b.health.Filed(health.Filed{ID: r.ID, Line: r.Line, Start: r.Start, Gaps: r.Gaps > 0, Continues: r.Continues != keys.ID{}, Length: r.Duration, Bytes: r.Bytes})
	if also != nil {
		also(r.ID)
	}
}
