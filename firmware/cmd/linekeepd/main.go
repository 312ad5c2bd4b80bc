// Command linekeepd is the box: it records the lines that its settings name, from real hardware only.
//
//	In:    a settings file; the security chip with the vendor's released policy; sound and telephone cards
//	Out:   recordings in the vault; the console; the control socket; a log on standard error. Never a secret
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
	"syscall"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/firmware/appliance"
	"linekeep/firmware/config"
	"linekeep/firmware/confine"
	"linekeep/firmware/inputs"
	"linekeep/firmware/logs"
)

// errUsage marks what the person who starts the box must put right.
var errUsage = errors.New("wrong command line or settings")

func main() {
	process := confine.Apply() // before there is anything in memory
	// The signals stay ours until the end: a second Ctrl-C must not cut what the first is storing.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, process, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "linekeepd:", err)
	}
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

func run(ctx context.Context, process confine.Process, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("linekeepd", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "/etc/linekeep/linekeep.toml", "the settings `file`")
	only := flags.Bool("check-config", false, "say what is wrong with the settings, and end")
	form := flags.String("log", "json", "the log's `form`: json or text")
	level := flags.String("log-level", "info", "the least `level` that is logged: debug, info, warn or error")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	log, err := logs.New(stderr, *form, *level)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	cfg, err := settings(*path)
	if err != nil || *only {
		return err
	}
	return appliance.Run(ctx, cfg, appliance.Parts{
		Chip:    func(ctx context.Context) (tpm.Chip, error) { return openChip(ctx, cfg.TPM) },
		Inputs:  func() ([]appliance.Input, error) { return inputs.All(cfg.Lines, log) },
		Process: process,
	}, log)
}

// openChip finds the chip under the vendor's policy. A demo policy is signed with a key that anybody could have made, so
// it is refused here and nowhere asked for. A policy that cannot be read keeps the vault as closed as a chip that does not
// answer, and stops recording as little.
func openChip(ctx context.Context, cfg config.TPM) (tpm.Chip, error) {
	policy, err := readPolicy(cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
	}
	chip, err := tpmdev.Open(ctx, cfg.Device, policy, tpmdev.RefRelease)
	if err != nil {
		return nil, err // never a nil Device in an interface
	}
	return chip, nil
}

// settings reads the file and refuses what only the simulator has.
func settings(path string) (config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return config.Config{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	var faults []error
	for _, l := range cfg.Lines {
		if l.Driver == config.Sim {
			faults = append(faults, fmt.Errorf("line %s: driver %q is linekeepd-sim's", l.ID, l.Driver))
		}
	}
	if len(faults) > 0 {
		return config.Config{}, fmt.Errorf("%w: %w", errUsage, errors.Join(faults...))
	}
	return cfg, nil
}

func readPolicy(path string) (tpmdev.Policy, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tpmdev.Policy{}, fmt.Errorf("read the vendor's policy: %w", err)
	}
	policy, err := tpmdev.ParsePolicy(data)
	if err != nil {
		return tpmdev.Policy{}, fmt.Errorf("read the vendor's policy %s: %w", path, err)
	}
	return policy, nil
}
