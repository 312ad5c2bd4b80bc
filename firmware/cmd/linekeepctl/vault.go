package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/firmware/config"
	"linekeep/ui/service"
	"linekeep/vault"
	"linekeep/vault/check"
	"linekeep/vault/secret"
)

// errNoVault reports that offline the vault could not be opened.
var errNoVault = errors.New("the vault cannot be opened")

func (p program) calls(ctx context.Context, args []string) error {
	var q service.Query
	f := newFlags("calls")
	f.StringVar(&q.Line, "line", "", "")
	f.StringVar(&q.Direction, "direction", "", "")
	f.DurationVar(&q.Shortest, "shortest", 0, "")
	f.IntVar(&q.Limit, "limit", 0, "")
	f.Func("from", "", func(s string) (err error) { q.From, err = moment(s); return err })
	f.Func("to", "", func(s string) (err error) { q.To, err = moment(s); return err })
	if err := parse(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%w: calls takes no %q", errUsage, f.Arg(0))
	}
	list, err := p.client.Calls(ctx, q)
	if err != nil {
		return err
	}
	if p.json {
		err = p.sayJSON(list)
	} else {
		err = p.table(func(w io.Writer) { sayCalls(w, list) })
	}
	if err == nil && list.Incomplete != "" {
		err = errNotWell
	}
	return err
}

// moment reads a time as a person types it, here, or as a program writes it.
func moment(s string) (time.Time, error) {
	for _, form := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Parse(time.RFC3339, s)
}

func (p program) play(ctx context.Context, args []string) error {
	var play service.Playing
	f := newFlags("play")
	f.StringVar(&play.Call, "call", "", "")
	f.StringVar(&play.Party, "party", "", "")
	code := f.String("recovery-code", "", "")
	out := f.String("o", "", "")
	if err := parse(f, args); err != nil {
		return err
	}
	if play.Call == "" || *code == "" || *out == "" || f.NArg() > 0 {
		return fmt.Errorf("%w: play needs --call ID --recovery-code FILE -o OUT.ogg or OUT.wav", errUsage)
	}
	switch ext := strings.ToLower(filepath.Ext(*out)); ext {
	case ".ogg", ".wav":
		play.Format = service.Format(ext[1:])
	default:
		return fmt.Errorf("%w: %s is neither an .ogg nor a .wav file", errUsage, *out)
	}
	var err error
	if play.Code, err = readCode(*code); err != nil {
		return err
	}
	defer play.Code.Wipe()
	if err := save(*out, func(w io.Writer) error { return p.client.Play(ctx, w, play) }); err != nil {
		return err
	}
	if p.json {
		return p.sayJSON(map[string]string{"call": play.Call, "file": *out})
	}
	_, err = fmt.Fprintf(p.out, "%s\n", *out)
	return err
}

// readCode reads a recovery code from a file, without the lines that begin with #. A code on the command line would
// stand in the list of processes and in the shell's history.
func readCode(path string) (code secret.Password, err error) {
	whole, err := secret.ReadFile(path)
	if err != nil {
		return secret.Password{}, fmt.Errorf("read the recovery code: %w", err)
	}
	defer whole.Wipe()
	secret.Do(func() {
		var rows [][]byte
		whole.Use(func(b []byte) {
			for row := range bytes.Lines(b) {
				if row = bytes.TrimSpace(row); len(row) > 0 && row[0] != '#' {
					rows = append(rows, row)
				}
			}
			code, err = secret.PasswordFrom(bytes.Join(rows, []byte(" ")))
		})
	})
	return code, err
}

// save writes a file of mode 0600 that is whole or not there: it gets its name when it is complete and synced.
func save(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".linekeep-*") // makes it with mode 0600
	if err != nil {
		return fmt.Errorf("make the copy's file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	b := bufio.NewWriterSize(f, 64<<10) // a page of sound is some 4 KB
	if err := write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(b.Flush(), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the copy: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("name the copy: %w", err)
	}
	return nil
}

func (p program) check(ctx context.Context, args []string) error {
	if err := alone("check", args); err != nil {
		return err
	}
	r, err := p.client.Check(ctx)
	if err != nil {
		return err
	}
	return p.report(r)
}

func (p program) report(r check.Report) error {
	var err error
	if p.json {
		err = p.sayJSON(r)
	} else {
		err = p.table(func(w io.Writer) { sayReport(w, r) })
	}
	if err == nil && len(r.Findings) > 0 {
		err = errNotWell
	}
	return err
}

// offlineCheck opens the vault itself, for reading. The chip opens only what its own policy allows, so a demo vault needs
// no refusal here: whoever has its chip and its policy file has all that the daemon had.
func (p program) offlineCheck(ctx context.Context, args []string) (err error) {
	if err := alone("check", args); err != nil {
		return err
	}
	cfg, chip, err := p.offline(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chip.Close()) }()
	// Everything the log would say is in the report or in the error.
	r, err := vault.CheckStopped(ctx, cfg.Vault(), chip, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("%w: %w", errNoVault, err)
	}
	return p.report(r)
}

// offline reads the settings and opens the chip they name.
func (p program) offline(ctx context.Context) (config.Config, tpm.Chip, error) {
	cfg, err := config.Load(p.config)
	if err != nil {
		return cfg, nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	data, err := os.ReadFile(cfg.TPM.Policy)
	if err != nil {
		return cfg, nil, fmt.Errorf("%w: read the vendor's policy: %w", errNoVault, err)
	}
	policy, err := tpmdev.ParsePolicy(data)
	if err != nil {
		return cfg, nil, fmt.Errorf("%w: %w", errNoVault, err)
	}
	chip, err := tpmdev.Open(ctx, cfg.TPM.Device, policy, policy.Ref)
	if err != nil {
		return cfg, nil, fmt.Errorf("%w: %w", errNoVault, err)
	}
	return cfg, chip, nil
}
