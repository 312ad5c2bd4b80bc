package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"linekeep/ui/service"
)

const auditUsage = `
  audit verify [--checkpoint FILE]
                             reads the whole audit log again, and holds it against checkpoints that left the box before
  audit list [--last N]      the newest entries: who did what, without what is sealed
  audit prove N [-o FILE]    a proof of entry N, for whoever has the chip's key; asks nothing of the box
  checkpoint [-o FILE]       a signed checkpoint of the audit log, to be kept away from the box
`

// audit asks the audit log.
func (p program) audit(ctx context.Context, args []string) error {
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
	if *earlier != "" {
		text, err := os.ReadFile(*earlier)
		if err != nil {
			return fmt.Errorf("read the checkpoint: %w", err)
		}
		q.Earlier = string(text)
	}
	a, err := p.client.Audit(ctx, q)
	if err != nil {
		return err
	}
	return p.sayAudit(q, a, *out)
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
