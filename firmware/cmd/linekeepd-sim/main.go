// Command linekeepd-sim is the box on a laptop: the same appliance as linekeepd, on simulated lines and a software TPM
// under a demo policy.
//
//	In:    a site folder, which it fills at the first start; swtpm's socket; scripts of calls and recorded speech
//	Out:   recordings in the site's vault; the console; the control socket; on standard output the address, the
//	       certificate's fingerprint, and for each call the command that copies it out. The recovery code only as a
//	       file of mode 0600, which a real box never writes
//	Owner: the appliance owns every goroutine; interrupt or SIGTERM stops it in order
//	Full:  see each part
//
// Exit status: 0 stopped as asked, 1 a fault, 2 the command line or the settings are wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdemo"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/firmware/appliance"
	"linekeep/firmware/config"
	"linekeep/firmware/confine"
	"linekeep/firmware/logs"
	"linekeep/vault/keys"
)

// errUsage marks what the person who starts it must put right.
var errUsage = errors.New("wrong command line or settings")

// options are what the command line says.
type options struct {
	site    string // the folder
	tpm     string // swtpm's socket, for a site that is made now
	address string // of its console
	lines   config.Driver
	demo    string // folder of scripts, for a site that is made now
	sounds  string // folder of recorded speech
	form    string
	level   string
}

func main() {
	process := confine.Apply() // before there is anything in memory
	// The signals stay ours until the end: a second Ctrl-C must not cut what the first is storing.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, process, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "linekeepd-sim:", err)
	}
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

func run(ctx context.Context, process confine.Process, args []string, stdout, stderr io.Writer) error {
	o, err := readOptions(args, stderr)
	if err != nil {
		return err
	}
	log, err := logs.New(stderr, o.form, o.level)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	cfg, err := openSite(o)
	if err != nil {
		return err
	}
	chip := func(ctx context.Context) (tpm.Chip, error) { return openChip(ctx, cfg.TPM) }
	if err := makeVault(ctx, o, cfg, chip); err != nil {
		return err
	}
	cfg, err = chooseLines(o, cfg)
	if err != nil {
		return err
	}
	say := teller{out: stdout, site: o.site, socket: cfg.Control.Socket}
	button := &button{}
	return appliance.Run(ctx, cfg, appliance.Parts{Chip: chip, Inputs: func() ([]appliance.Input, error) { return openLines(o, cfg, log) },
		Process: process, Button: button, Press: button.press, Ready: say.ready, Filed: say.filed}, log)
}

// openChip finds the software TPM, under a policy that is signed here for what it measures now.
func openChip(ctx context.Context, cfg config.TPM) (tpm.Chip, error) {
	policy, err := tpmdemo.Make(ctx, cfg.Device, filepath.Dir(cfg.Policy))
	if err != nil {
		return nil, err
	}
	chip, err := tpmdev.Open(ctx, cfg.Device, policy, tpmdev.RefDemo)
	if err != nil {
		return nil, err // never a nil Device in an interface
	}
	return chip, nil
}

// button is the one on the front of a box that is none: linekeepctl presses it.
type button struct {
	mu   sync.Mutex
	last time.Time
}

func (b *button) press() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = time.Now()
}

// PressedWithin says whether somebody pressed a moment ago.
func (b *button) PressedWithin(d time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.last.IsZero() && time.Since(b.last) <= d
}

func readOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("linekeepd-sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.site, "site", "run", "the `folder` of the demo site; made at the first start")
	flags.StringVar(&o.tpm, "tpm", "tpm.sock", "swtpm's `socket`, for a new site")
	flags.StringVar(&o.address, "address", "127.0.0.1:8443", "where the console of a new site listens, `host:port`")
	lines := flags.String("lines", string(config.Sim), "which lines to record: sim or alsa")
	flags.StringVar(&o.demo, "demo", "firmware/testdata/demo", "the `folder` of scripts, one for each line of a new site")
	flags.StringVar(&o.sounds, "sounds", "/usr/share/asterisk/sounds/en_US_f_Allison", "the `folder` of recorded speech, 8 kHz WAV")
	flags.StringVar(&o.form, "log", "text", "the log's `form`: json or text")
	flags.StringVar(&o.level, "log-level", "warn", "the least `level` that is logged: debug, info, warn or error")
	if err := flags.Parse(args); err != nil {
		return options{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	o.lines = config.Driver(*lines)
	if o.lines != config.Sim && o.lines != config.ALSA {
		return options{}, fmt.Errorf("%w: --lines is sim or alsa, not %q", errUsage, *lines)
	}
	return o, nil
}

// teller says what a person at the terminal needs.
type teller struct {
	out    io.Writer
	site   string
	socket string
}

func (t teller) ready(address, fingerprint string) {
	fmt.Fprintf(t.out, "Console      https://%s\nFingerprint  %s\nStatus       %s status\n\nAs each call is filed, the line that copies it out of the vault:\n",
		address, fingerprint, t.ctl())
}

func (t teller) filed(id keys.ID) {
	fmt.Fprintf(t.out, "%s play --call %s --recovery-code %s -o call-%s.ogg\n", t.ctl(), id, near(codeFile(t.site)), id)
}

// ctl is the command as it works from here.
func (t teller) ctl() string {
	name := "linekeepctl"
	if self, err := os.Executable(); err == nil {
		name = near(filepath.Join(filepath.Dir(self), name))
	}
	return fmt.Sprintf("%s --socket %s", name, near(t.socket))
}

// near writes a path as seen from the working folder, where that is shorter.
func near(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, abs); err == nil && len(rel) < len(abs) {
		return rel
	}
	return abs
}
