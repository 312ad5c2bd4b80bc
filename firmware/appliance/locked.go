package appliance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"linekeep/audio/pipeline"
	"linekeep/drivers/line"
	"linekeep/drivers/tpm"
	"linekeep/firmware/config"
	"linekeep/ui/console"
	"linekeep/ui/control"
	"linekeep/ui/service"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/custody"
	"linekeep/vault/exclusion"
	"linekeep/vault/store"
)

const (
	// firstTry and lastTry are how soon, and how often at last, a locked vault is tried again: a chip that stalled comes back
	// in seconds, one that is dead does not mind being asked every five minutes.
	firstTry = 2 * time.Second
	lastTry  = 5 * time.Minute
	// quietPoll is how often the lines are looked at while the vault is open again and waits for a moment without a call;
	// longestWait is when it does not wait any longer: a call that is up then is cut, and joined to what follows.
	quietPoll   = 200 * time.Millisecond
	longestWait = 12 * time.Hour
	// rescueDir is where the rescue page's key lies, in clear, below the data folder.
	rescueDir = "rescue"
)

// opened is the vault a box is built around, one of the two, with the chip that opened it.
type opened struct {
	vault    *vault.Vault
	degraded *vault.Degraded
	chip     tpm.Chip
	excluded *exclusion.List // of an open vault
	filed    *listener
	err      error
}

func (o opened) keeper() keeper {
	if o.vault != nil {
		return o.vault
	}
	return o.degraded
}

// excludes says which numbers are never recorded. While the vault is locked nobody can say: what is recorded then is dropped when
// the vault takes it in.
func (o opened) excludes() func(line.Number) bool {
	if o.vault == nil {
		return nil
	}
	return o.excluded.Excluded
}

// close closes what is there, whatever ended the box.
func (o opened) close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	if o.vault != nil {
		errs = append(errs, o.vault.Close(ctx))
	}
	if o.degraded != nil {
		errs = append(errs, o.degraded.Close(ctx))
	}
	if o.chip != nil {
		errs = append(errs, o.chip.Close())
	}
	return errors.Join(errs...)
}

// listener is told of what is filed by a vault that is opened before the box that wants to know is built.
type listener struct {
	mu   sync.Mutex
	tell func(catalog.Row)
}

func (l *listener) set(tell func(catalog.Row)) { l.mu.Lock(); defer l.mu.Unlock(); l.tell = tell }

func (l *listener) filed(m store.Manifest) {
	l.mu.Lock()
	tell := l.tell
	l.mu.Unlock()
	if tell != nil {
		tell(m.Row())
	}
}

// open opens the vault; or a degraded one beside it, when the chip or the root keeps it closed.
func open(ctx context.Context, cfg config.Config, parts Parts, log *slog.Logger) opened {
	now := openVault(ctx, cfg, parts, log)
	if now.err == nil || !vault.Locked(now.err) {
		return now
	}
	vc := cfg.Vault()
	now.filed = &listener{}
	vc.Filed = now.filed.filed
	d, err := vault.OpenDegraded(ctx, vc, now.err, log)
	if err != nil {
		now.err = errors.Join(now.err, err)
		return now
	}
	return opened{degraded: d, filed: now.filed}
}

// openVault opens the vault. A chip that cannot even be reached keeps it as closed as one that refuses.
func openVault(ctx context.Context, cfg config.Config, parts Parts, log *slog.Logger) opened {
	now := opened{filed: &listener{}}
	vc := cfg.Vault()
	now.excluded = exclusion.New(cfg.Site.Numbers)
	vc.Filed, vc.Version, vc.Excluded = now.filed.filed, version(), now.excluded.Row
	if now.chip, now.err = parts.Chip(ctx); now.err != nil {
		now.chip = nil
		return now
	}
	if now.vault, now.err = vault.Open(ctx, vc, now.chip, log); now.err != nil {
		now.err = errors.Join(now.err, now.chip.Close())
		now.vault, now.chip = nil, nil
		return now
	}
	// Before the vault runs, and takes in what was recorded beside it.
	keep, err := now.vault.Settings()
	if err == nil {
		err = now.excluded.Load(keep)
	}
	if err != nil {
		log.LogAttrs(ctx, slog.LevelError, "excluded numbers are recorded: their list cannot be read", slog.Any("err", err))
	}
	return now
}

func rescueConfig(cfg config.Config) console.Config {
	cc := console.Defaults()
	cc.Listen, cc.Keep = cfg.Console.Address, console.RescueKeep(filepath.Join(cfg.Data.Folder, rescueDir))
	return cc
}

// rescuePrint is the fingerprint of the rescue page's certificate, which is made at the first start.
func rescuePrint(cfg config.Config) (string, error) {
	cert, err := console.RescueCertificate(rescueConfig(cfg))
	if err != nil {
		return "", err
	}
	return cert.Fingerprint(), nil
}

// buildLocked makes what there is to ask of a box whose vault is locked: how it is, and the rescue page.
func (b *box) buildLocked(d *vault.Degraded) error {
	b.back = &comeback{cfg: b.cfg, parts: b.parts, log: b.log, lines: b.pipeline, now: make(chan struct{}, 1), stop: func() {}}
	act := service.NewRescue(b.parts.Button, b.back.recover, time.Now, d)
	page, err := console.NewRescue(rescueConfig(b.cfg), b.health.Status, act, b.log)
	if err != nil {
		return err
	}
	b.pages, b.print = page.Serve, page.Certificate().Fingerprint()
	b.control = control.NewServer(b.cfg.Control.Socket,
		service.New(b.health.Status, service.Locked(d.Why(), d)).WithButton(b.parts.Press), b.log)
	return nil
}

// comeback tries the vault again while the box records beside it, and ends the box at a quiet moment once it is open.
type comeback struct {
	cfg   config.Config
	parts Parts
	log   *slog.Logger
	lines *pipeline.Pipeline
	now   chan struct{} // one place: a word that something has changed
	stop  func()        // ends the box

	opening sync.Mutex // one attempt at a time: a recovery writes what an opening reads
	mu      sync.Mutex
	next    opened
}

// run tries until ctx ends. Once the vault is open it waits for a moment without a call, and has the box stopped.
func (c *comeback) run(ctx context.Context) error {
	wait := firstTry
	for !c.try(ctx) {
		select {
		case <-ctx.Done():
			return nil
		case <-c.now:
			wait = firstTry
		case <-time.After(wait):
			wait = min(2*wait, lastTry)
		}
	}
	c.log.LogAttrs(ctx, slog.LevelWarn, "the vault is open again; the box goes over to it as soon as no call is up")
	c.quiet(ctx)
	c.stop()
	<-ctx.Done() // run stops the parts in their order
	return nil
}

// try opens the vault, and keeps it.
func (c *comeback) try(ctx context.Context) bool {
	c.opening.Lock()
	defer c.opening.Unlock()
	next := openVault(ctx, c.cfg, c.parts, c.log)
	if next.err != nil {
		c.log.LogAttrs(ctx, slog.LevelDebug, "the vault is still locked", slog.Any("err", next.err))
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = next
	return true
}

// took gives the vault that was opened, if any. Whoever takes it closes it.
func (c *comeback) took() opened {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.next
	c.next = opened{}
	return next
}

// quiet waits until no line has a call, but not for ever.
func (c *comeback) quiet(ctx context.Context) {
	poll, end := time.NewTicker(quietPoll), time.NewTimer(longestWait)
	defer poll.Stop()
	defer end.Stop()
	var st []pipeline.LineStatus
	for {
		st = c.lines.Status(st[:0])
		up := false
		for _, l := range st {
			up = up || l.State != pipeline.StateIdle && l.State != pipeline.StateDown
		}
		if !up {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-poll.C:
		}
	}
}

// recover opens the key backup with the code, on the chip that is there now, and has the vault tried at once.
func (c *comeback) recover(ctx context.Context, code custody.Code) (err error) {
	c.opening.Lock()
	defer c.opening.Unlock()
	c.mu.Lock()
	open := c.next.vault != nil
	c.mu.Unlock()
	if open {
		return nil // it came back by itself while somebody was typing
	}
	chip, err := c.parts.Chip(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chip.Close()) }()
	if err := vault.Recover(ctx, c.cfg.Vault(), chip, code, c.log); err != nil {
		return fmt.Errorf("recover the vault: %w", err)
	}
	select {
	case c.now <- struct{}{}:
	default: // a word is there already
	}
	return nil
}
