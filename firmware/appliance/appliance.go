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
//
// A vault that does not open stops nothing: the box is built around a degraded one, with the rescue page in the console's
// place (locked.go), and once more around the real one when that opens again.
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
	"linekeep/audio/rule"
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

// Parts are what a box and a laptop have different.
type Parts struct {
	// Chip opens the security chip. It is asked again while the chip, or the vault, does not open.
	Chip func(context.Context) (tpm.Chip, error)
	// Inputs opens the lines, each time the box is built.
	Inputs  func() ([]Input, error)
	Process confine.Process // what the program did first
	// Button is the one on the front of the box; nil where it has none. Press presses it where it is only simulated; or nil.
	Button service.Button
	Press  func()
	// Ready is told where the console answers, once it does; Filed of each recording that can now be found. Both may be nil.
	Ready func(address, fingerprint string)
	Filed func(keys.ID)
}

// keeper is what takes the recordings: the vault, or a degraded one beside it.
type keeper interface {
	pipeline.Sink
	health.Vault
	Run(ctx context.Context) error
	Close(ctx context.Context) error
	Stopped() []store.Cut
}

// box is all parts, in the order of the data's way.
type box struct {
	cfg      config.Config
	parts    Parts
	log      *slog.Logger
	inputs   []Input
	pipeline *pipeline.Pipeline
	keeper   keeper
	health   *health.Health
	door     net.Listener
	control  *control.Server
	pages    func(context.Context, net.Listener) error // the console, or the rescue page
	print    string                                    // fingerprint of its certificate
	back     *comeback                                 // of a box whose vault is locked
}

// Run builds the box and runs it until ctx ends. When it returns, everything heard is stored and no goroutine is left.
func Run(ctx context.Context, cfg config.Config, parts Parts, log *slog.Logger) error {
	var now opened
	var cuts []store.Cut
	for {
		if now.vault == nil && now.degraded == nil {
			now = open(ctx, cfg, parts, log)
		}
		if now.err != nil {
			return errors.Join(now.err, now.close(ctx))
		}
		next, stopped, err := once(ctx, cfg, parts, now, cuts, log)
		if err != nil || next.vault == nil || ctx.Err() != nil {
			return errors.Join(err, next.close(ctx))
		}
		now, cuts = next, stopped
	}
}

// once builds the box around a vault and runs it. It gives the vault that is to take its place, if one opened meanwhile, and
// the recordings that have to be joined to what goes on in it.
func once(ctx context.Context, cfg config.Config, parts Parts, now opened, cuts []store.Cut, log *slog.Logger) (next opened, stopped []store.Cut, err error) {
	b := &box{cfg: cfg, parts: parts, log: log, keeper: now.keeper()}
	// What ends the box must not cut short the wiping of its keys.
	defer func() { err = errors.Join(err, now.close(ctx)) }()
	if now.vault != nil {
		now.vault.Continue(cuts)
		now.filed.set(func(r catalog.Row) { b.filed(r, parts.Filed) })
	} else {
		now.filed.set(func(r catalog.Row) { b.filed(r, nil) })
	}
	if err := b.build(ctx, now); err != nil {
		return opened{}, nil, err
	}
	if parts.Ready != nil {
		parts.Ready(b.door.Addr().String(), b.print)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	if b.back != nil {
		b.back.stop = stop
	}
	err = run(running, log, b.stages())
	if b.back != nil {
		next = b.back.took()
	}
	return next, b.keeper.Stopped(), err
}

// build makes the rest, around the vault. Nothing runs yet, but the console's door is open, so that an address that is
// taken is told at once.
func (b *box) build(ctx context.Context, now opened) (err error) {
	if b.inputs, err = b.parts.Inputs(); err != nil {
		return err
	}
	if b.pipeline, err = newPipeline(b.cfg, b.inputs, now.excludes(), b.keeper, b.log); err != nil {
		return err
	}
	rescue, err := rescuePrint(b.cfg)
	if err != nil { // the page is for a day that may never come; recording is for today
		b.log.LogAttrs(ctx, slog.LevelError, "no certificate for the rescue page", slog.Any("err", err))
	}
	hc := health.Config{Site: b.cfg.Site.Name, Box: b.cfg.Site.Box, Version: version(), Custody: b.cfg.Custody.Fingerprint, Rescue: rescue}
	hc.Memory = func() health.Memory {
		swaps, err := b.parts.Process.Swaps()
		return health.Memory{Keys: secret.Memory(), Swaps: swaps, SwapsErr: err, Dumpable: b.parts.Process.Dumpable}
	}
	for _, l := range b.cfg.Lines {
		hc.Lines = append(hc.Lines, health.Line{ID: l.ID, Label: l.Label})
	}
	b.health = health.New(hc, b.pipeline, b.keeper, time.Now, b.log)
	if now.vault != nil {
		err = b.buildOpen(ctx, now.vault)
	} else {
		err = b.buildLocked(now.degraded)
	}
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	if b.door, err = lc.Listen(ctx, "tcp", b.cfg.Console.Address); err != nil {
		return fmt.Errorf("open the console's door: %w", err)
	}
	return nil
}

// buildOpen makes what asks an open vault.
func (b *box) buildOpen(ctx context.Context, v *vault.Vault) error {
	// A restart does not begin the day anew. What cannot be read of the catalogue is an alarm of its own.
	today, err := v.Find(ctx, catalog.Query{From: b.health.Today()})
	if err != nil {
		b.log.LogAttrs(ctx, slog.LevelWarn, "today's totals may lack calls", slog.Any("err", err))
	}
	for _, r := range today {
		b.filed(r, nil)
	}
	keep, err := v.Settings()
	if err != nil {
		return err
	}
	cc := console.Defaults()
	cc.Listen, cc.Keep = b.cfg.Console.Address, keep
	page, err := console.New(cc, b.health.Status, b.log)
	if err != nil {
		return err
	}
	b.pages, b.print = page.Serve, page.Certificate().Fingerprint()
	decoder := func() (render.Decoder, error) { return opus.NewDecoder() }
	b.control = control.NewServer(b.cfg.Control.Socket,
		service.New(b.health.Status, service.Of(v, decoder)).WithButton(b.parts.Press), b.log)
	return nil
}

func newPipeline(cfg config.Config, inputs []Input, excluded func(line.Number) bool, sink pipeline.Sink, log *slog.Logger) (*pipeline.Pipeline, error) {
	lines := make([]pipeline.LineConfig, 0, len(cfg.Lines))
	for _, l := range cfg.Lines {
		for _, in := range inputs {
			if heard := in.Lines[l.ID]; heard != nil {
				lines = append(lines, pipeline.LineConfig{ID: l.ID, Class: l.Class, Line: heard, Call: l.Call, Lookback: l.Lookback, PauseFor: l.PauseFor,
					Rule: rule.Rule{Mode: l.Recording, Withheld: l.Withheld, Excluded: excluded}})
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
		{"console", func(ctx context.Context) error { return b.pages(ctx, b.door) }},
	}
	if b.back != nil {
		all = append(all, stage{"comeback", b.back.run})
	}
	for _, in := range b.inputs {
		all = append(all, stage{"inputs", in.Source.Run})
	}
	return append(all, stage{"pipeline", b.pipeline.Run}, stage{"vault", b.keeper.Run}, stage{"health", b.health.Run})
}

// filed tells health, and whoever else wants to know, of a recording that can now be found.
func (b *box) filed(r catalog.Row, also func(keys.ID)) {
	b.health.Filed(health.Filed{ID: r.ID, Line: r.Line, Start: r.Start, Gaps: r.Gaps > 0, Continues: r.Continues != keys.ID{}, Length: r.Duration, Bytes: r.Bytes})
	if also != nil {
		also(r.ID)
	}
}
