package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"linekeep/ui/service"
	"linekeep/vault"
)

const auditUsage = `
  audit verify [--checkpoint FILE]
                             reads the whole audit log again, and holds it against checkpoints that left the box before
  audit list [--last N]      the newest entries: who did what, without what is sealed
  audit prove N [-o FILE]    a proof of entry N, for whoever has the chip's key; asks nothing of the box
  checkpoint [-o FILE]       a signed checkpoint of the audit log, to be kept away from the box
  linekeepctl --offline --config FILE audit verify [--checkpoint FILE]
                             the same of a vault that no daemon has open, and of the register
`

// audit asks the audit log.
func (p program) audit(ctx context.Context, args []string) (err error) {
	if len(args) == 0 {
		return fmt.Errorf("%w: audit verify, list or prove", errUsage)
	}
	q := service.AuditQuestion{Do: args[0]}
	f := newFlags("audit " + q.Do)
	earlier, out := f.String("checkpoint", "", ""), f.String("o", "", "")
	f.IntVar(&q.Last, "last", 50, "")
	rest := args[1:]
	if q.Do == "prove" && len(rest) > 0 {
		if _, err := fmt.Sscan(rest[0], &q.Entry); err != nil {
			return fmt.Errorf("%w: audit prove needs the number of an entry", errUsage)
		}
		rest = rest[1:]
	}
	if err := parse(f, rest); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%w: audit %s takes no %q", errUsage, q.Do, f.Arg(0))
	}
	if q.Earlier, err = readEarlier(*earlier); err != nil {
		return err
	}
	a, err := p.client.Audit(ctx, q)
	if err != nil {
		return err
	}
	return p.sayAudit(q, a, *out)
}

// readEarlier reads the checkpoints that an auditor brings; no file is none.
func readEarlier(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the checkpoint: %w", err)
	}
	return string(text), nil
}

// offlineAudit verifies the log of a vault that no daemon has open.
func (p program) offlineAudit(ctx context.Context, args []string) (err error) {
	q := service.AuditQuestion{Do: "verify"}
	f := newFlags("audit verify")
	file := f.String("checkpoint", "", "")
	if len(args) == 0 || args[0] != q.Do {
		return fmt.Errorf("%w: offline the audit log can be verified, and nothing else: audit verify", errUsage)
	}
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%w: audit verify takes no %q", errUsage, f.Arg(0))
	}
	text, err := readEarlier(*file)
	if err != nil {
		return err
	}
	earlier, err := service.Checkpoints(text)
	if err != nil {
		return err
	}
	cfg, chip, err := p.offline(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chip.Close()) }()
	// Everything the log would say is in the report or in the error.
	r, err := vault.AuditStopped(ctx, cfg.Vault(), chip, slog.New(slog.DiscardHandler), earlier...)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoVault, err)
	}
	a := service.AuditAnswer{Size: r.Entries}
	for _, f := range r.Findings {
		a.Findings = append(a.Findings, f.Error())
	}
	return p.sayAudit(q, a, "")
}

// checkpoint has one made, and prints it or keeps it.
func (p program) checkpoint(ctx context.Context, args []string) error {
	f := newFlags("checkpoint")
	out := f.String("o", "", "")
	if err := parse(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%w: checkpoint takes no %q", errUsage, f.Arg(0))
	}
	q := service.AuditQuestion{Do: "checkpoint"}
	a, err := p.client.Audit(ctx, q)
	if err != nil {
		return err
	}
	return p.sayAudit(q, a, *out)
}

func (p program) sayAudit(q service.AuditQuestion, a service.AuditAnswer, out string) error {
	text := a.Checkpoint + a.Proof
	if out != "" && text != "" {
		err := save(out, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
		if err != nil {
			return err
		}
		text = fmt.Sprintf("%s\nSigned by chip %s. Its key, for whoever verifies elsewhere:\n%s\n", out, a.Chip, a.Key)
	}
	var err error
	switch {
	case p.json:
		err = p.sayJSON(a)
	case text != "":
		_, err = io.WriteString(p.out, text)
	default:
		err = p.table(func(w io.Writer) { sayEntries(w, q, a) })
	}
	if err == nil && len(a.Findings) > 0 {
		err = errNotWell
	}
	return err
}

func sayEntries(w io.Writer, q service.AuditQuestion, a service.AuditAnswer) {
	if q.Do == "list" {
		fmt.Fprintln(w, "ENTRY\tTIME\tWHO\tACT\tOUTCOME\tABOUT")
		for _, e := range a.Entries {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", e.Number, e.At.Local().Format("2006-01-02 15:04:05"), e.Actor, e.Act, e.Outcome, strings.Join(e.About, ", "))
		}
	}
	for _, f := range a.Findings {
		fmt.Fprintln(w, f)
	}
	if q.Do != "verify" {
		return
	}
	verdict := "everything is as it was written"
	if n := len(a.Findings); n > 0 {
		verdict = fmt.Sprintf("%d findings", n)
	}
	fmt.Fprintf(w, "Verified %d entries of the audit log: %s.\n", a.Size, verdict)
}
