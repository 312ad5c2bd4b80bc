package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"linekeep/ui/service"
)

// keeping reads a command about retention: flags, and the one word that some take.
func (p program) keeping(ctx context.Context, o *service.RetentionOrder, name, word string, args []string) (r service.Retention, err error) {
	f := newFlags(name)
	f.StringVar(&o.As, "as", "", "")
	password, code := f.String("password", "", ""), f.String("code", "", "")
	if o.Do == "set" {
		f.Func("call", "", func(id string) error { o.Calls = append(o.Calls, id); return nil })
		f.StringVar(&o.Reason, "reason", "", "")
		f.BoolVar(&o.Restrict, "restrict", false, "")
		f.Func("until", "", func(s string) (err error) { o.Until, err = moment(s); return err })
	}
	var said string
	if word != "" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		said, args = args[0], args[1:]
	}
	if err := parse(f, args); err != nil {
		return r, err
	}
	if f.NArg() > 0 || word != "" && said == "" {
		return r, fmt.Errorf("%w: %s %s", errUsage, name, word)
	}
	switch o.Do {
	case "end":
		o.Hold = said
	case "consent":
		o.Token = said
	case "set":
		if len(o.Calls) == 0 || o.Reason == "" {
			return r, fmt.Errorf("%w: %s needs --call ID and --reason TEXT", errUsage, name)
		}
	}
	if o.As != "" {
		if o.Password, o.Code, err = credentials(*password, *code); err != nil {
			return r, err
		}
		defer o.Password.Wipe()
	}
	return p.client.Retention(ctx, *o)
}

func (p program) hold(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: hold set, hold end or hold list", errUsage)
	}
	o, word := service.RetentionOrder{Do: args[0]}, ""
	switch args[0] {
	case "set", "list":
	case "end":
		word = "ID"
	default:
		return fmt.Errorf("%w: hold set, hold end or hold list, not %q", errUsage, args[0])
	}
	r, err := p.keeping(ctx, &o, "hold "+args[0], word, args[1:])
	if err != nil {
		return err
	}
	if p.json {
		return p.sayJSON(r)
	}
	switch o.Do {
	case "set":
		_, err = fmt.Fprintf(p.out, "%s\n", r.Set)
		return err
	case "end":
		_, err = fmt.Fprintf(p.out, "%s has ended. What is past its time stays for a week more.\n", o.Hold)
		return err
	}
	return p.table(func(w io.Writer) { sayHolds(w, r.Holds) })
}

func sayHolds(w io.Writer, holds []service.Hold) {
	fmt.Fprintln(w, "ID\tKIND\tSINCE\tUNTIL\tBY\tCALLS\tREASON")
	for _, h := range holds {
		kind, until := "hold", "it is ended"
		if h.Restrict {
			kind = "restriction"
		}
		if !h.Until.IsZero() {
			until = h.Until.Local().Format(time.DateOnly)
		}
		if !h.Ended.IsZero() {
			until = "ended " + h.Ended.Local().Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, kind, h.Since.Local().Format(time.DateOnly), until, h.By, strings.Join(h.Calls, ","), h.Reason)
	}
}

func (p program) retention(ctx context.Context, args []string) error {
	o, name, word := service.RetentionOrder{Do: "list"}, "retention", ""
	if len(args) > 0 {
		switch args[0] {
		case "consent":
			o.Do, word, args = args[0], "TOKEN", args[1:]
		case "trust-clock":
			o.Do, args = args[0], args[1:]
		}
	}
	r, err := p.keeping(ctx, &o, name, word, args)
	if err != nil {
		return err
	}
	if p.json {
		err = p.sayJSON(r)
	} else {
		err = p.table(func(w io.Writer) { sayRetention(w, r) })
	}
	if err == nil && (r.Blocked != nil || r.Trouble != "") {
		err = errNotWell
	}
	return err
}

func sayRetention(w io.Writer, r service.Retention) {
	const layout = "Monday 2 January 2006, 15:04"
	fmt.Fprintf(w, "Recordings:\t%d: %d within their time, %d past it and held, %d frozen by a case, %d in their week of grace, %d due\n",
		r.Recordings, r.Young, r.Held, r.Frozen, r.InGrace, r.Due)
	if r.Unclassed > 0 {
		fmt.Fprintf(w, "Kept:\t%d of a class that the settings name no more\n", r.Unclassed)
	}
	if !r.Next.IsZero() {
		fmt.Fprintf(w, "Next to expire:\t%s\n", r.Next.Local().Format(layout))
	}
	if !r.Passed.IsZero() {
		fmt.Fprintf(w, "Last looked at:\t%s\n", r.Passed.Local().Format(layout))
	}
	fmt.Fprintf(w, "Retention clock:\t%s", r.Clock.Local().Format(layout))
	if r.Behind.Abs() > time.Hour {
		which, by := "behind", r.Behind
		if by < 0 {
			which, by = "ahead of", -by
		}
		fmt.Fprintf(w, ", %s the box's date by %v", which, by.Round(time.Hour))
	}
	fmt.Fprintln(w)
	if b := r.Blocked; b != nil {
		fmt.Fprintf(w, "Waits for consent:\t%d of %d recordings, %d of %d bytes, are past their time. Nothing is erased until a Controller consents:\n", b.Recordings, b.Of, b.Bytes, b.OfBytes)
		fmt.Fprintf(w, "\tlinekeepctl retention consent %s --as NAME\n", b.Token)
	}
	if r.Trouble != "" {
		fmt.Fprintf(w, "Trouble:\t%s\n", r.Trouble)
	}
}
