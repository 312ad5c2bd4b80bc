package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"linekeep/ui/service"
	"linekeep/vault/erasure"
)

// longestCertificate bounds a certificate's file: one of a hundred calls takes 3 KB.
const longestCertificate = 8 << 20

func (p program) keys(ctx context.Context, args []string) error {
	if err := alone("keys", args); err != nil {
		return err
	}
	k, err := p.client.Keys(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return p.sayJSON(k)
	}
	return p.table(func(w io.Writer) { sayKeys(w, k) })
}

func sayKeys(w io.Writer, k service.Keys) {
	const layout = "Monday 2 January 2006, 15:04:05"
	fmt.Fprintf(w, "Vault:\t%s\n", k.Vault)
	fmt.Fprintf(w, "Epoch:\t%d, root written %s\n", k.Epoch, k.Written.Local().Format(layout))
	fmt.Fprintf(w, "Commits:\t%d today of %d, %d in all\n", k.Commits.Today, k.Commits.Budget, k.Commits.Total)
	fmt.Fprintf(w, "To be erased:\t%d orders, %d keys, the next commit may be %s\n", k.Orders, k.Doomed, due(k.Due))
	if k.Trouble != "" {
		fmt.Fprintf(w, "Not erased yet:\t%s\n", k.Trouble)
	}
	fmt.Fprintf(w, "Key backup:\t%s\n", backup(k.Backup, layout))
	fmt.Fprintf(w, "Custody key:\t%s, held by %s\n", k.Custody, people(k.Holders))
	fmt.Fprintf(w, "Chip:\t%s\n\n", k.Chip)
	fmt.Fprintln(w, "CLASS\tSHARDS\tUSED\tSLOTS")
	for _, c := range k.Classes {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", c.Name, c.Shards, c.Used, c.Slots)
	}
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

func due(t time.Time) string {
	if !t.After(time.Now()) {
		return "now"
	}
	return "at " + t.Local().Format("15:04")
}

func backup(b service.Backup, layout string) string {
	switch b.State {
	case "whole":
		return "whole, of " + b.At.Local().Format(layout)
	case "old":
		return "out of date, of " + b.At.Local().Format(layout) + ": " + b.Trouble
	}
	return "none on this box"
}

func (p program) erase(ctx context.Context, args []string) error {
	var e service.Erasure
	f := newFlags("erase")
	f.Func("call", "", func(id string) error { e.Calls = append(e.Calls, id); return nil })
	f.StringVar(&e.Why, "why", "", "")
	f.StringVar(&e.As, "as", "", "")
	password, code := f.String("password", "", ""), f.String("code", "", "")
	out := f.String("o", "", "")
	if err := parse(f, args); err != nil {
		return err
	}
	if len(e.Calls) == 0 || f.NArg() > 0 {
		return fmt.Errorf("%w: erase needs --call ID", errUsage)
	}
	if _, err := os.Lstat(*out); *out != "" && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is there already: %w", errUsage, *out, err) // said before the call is gone
	}
	if e.As != "" {
		var err error
		if e.Password, e.Code, err = credentials(*password, *code); err != nil {
			return err
		}
		defer e.Password.Wipe()
	}
	done, err := p.client.Erase(ctx, e)
	if err != nil {
		return err
	}
	if *out != "" && len(done.Certificates) > 0 {
		if err := save(*out, func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Join(done.Certificates, "\n"))
			return err
		}); err != nil {
			return errors.Join(err, p.sayErased(done)) // the call is gone: what proves it must not be lost
		}
	}
	if err := p.sayErased(done); err != nil {
		return err
	}
	if done.Waits != "" {
		return errNotWell
	}
	return nil
}

func (p program) sayErased(done service.Erased) error {
	if p.json {
		return p.sayJSON(done)
	}
	text := strings.Join(done.Certificates, "\n")
	if done.Waits != "" {
		text += fmt.Sprintf("%s: ordered, and shown to nobody from now on. It is not erased yet: %s\n", strings.Join(done.Calls, ", "), done.Waits)
	}
	if _, err := io.WriteString(p.out, text); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// errNotProved reports a certificate that proves nothing.
var errNotProved = errors.New("the certificate proves nothing")

// certificate verifies a certificate of erasure: it asks no daemon, and works on any computer.
func (p program) certificate(args []string) error {
	if len(args) != 2 || args[0] != "verify" {
		return fmt.Errorf("%w: certificate verify FILE", errUsage)
	}
	file, err := os.Open(args[1])
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, longestCertificate))
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	c, err := erasure.Parse(text)
	var counter uint64
	if err == nil {
		counter, err = c.Verify()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNotProved, err)
	}
	if p.json {
		said := map[string]any{"number": c.Entry.Number, "calls": ids(c), "why": c.Entry.Why.String(), "ordered": c.Entry.Ordered,
			"erased": c.Entry.Erased, "vault": fmt.Sprintf("%x", c.Entry.VaultID), "epoch": c.Entry.Epoch, "counter": counter, "chip": c.Chip.Fingerprint()}
		if head := c.Entry.Log; head != nil {
			said["log"] = map[string]any{"entries": head.Size, "root": fmt.Sprintf("%x", head.Root)}
		}
		return p.sayJSON(said)
	}
	_, err = fmt.Fprintf(p.out, "%s\nSigned by that chip, whose counter stood at %d. Compare the chip with what the box shows: linekeepctl keys.\n", c.Words(), counter)
	return err
}

func ids(c erasure.Certificate) []string {
	all := make([]string, 0, len(c.Entry.Calls))
	for _, id := range c.Entry.Calls {
		all = append(all, id.String())
	}
	return all
}
