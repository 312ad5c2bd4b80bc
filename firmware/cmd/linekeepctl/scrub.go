package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"linekeep/ui/service"
)

// scrub has the vault read again, or says how far that is. With --wait it stays until it is done.
func (p program) scrub(ctx context.Context, args []string) error {
	q := service.Scrubbing{Do: service.ScrubNow}
	f := newFlags("scrub")
	status, deep := f.Bool("status", false, ""), f.Bool("deep", false, "")
	wait := f.Bool("wait", false, "")
	f.StringVar(&q.As, "as", "", "")
	password, code := f.String("password", "", ""), f.String("code", "", "")
	if err := parse(f, args); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0 || *status && *deep || *deep != (q.As != ""):
		return fmt.Errorf("%w: scrub [--wait], scrub --status, or scrub --deep --as NAME", errUsage)
	case *status:
		q.Do = service.ScrubStatus
	case *deep:
		q.Do = service.ScrubDeep
		var err error
		if q.Password, q.Code, err = credentials(*password, *code); err != nil {
			return err
		}
		defer q.Password.Wipe()
	}
	done, err := p.client.Scrub(ctx, q)
	for err == nil && *wait && done.Hurry {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askAgain):
		}
		done, err = p.client.Scrub(ctx, service.Scrubbing{Do: service.ScrubStatus})
	}
	if err != nil {
		return err
	}
	if done.Report != nil {
		return p.report(*done.Report)
	}
	if p.json {
		err = p.sayJSON(done)
	} else {
		err = p.table(func(w io.Writer) { sayScrub(w, done) })
	}
	if err == nil && (len(done.Findings) > 0 || done.Trouble != "") {
		err = errNotWell
	}
	return err
}

// askAgain is how often --wait asks how far it is.
const askAgain = time.Second

func sayScrub(w io.Writer, s service.Scrubbed) {
	for _, f := range s.Findings {
		fmt.Fprintf(w, "%s: %s: %s\n", f.Kind, f.What, f.Text)
	}
	if s.More > 0 {
		fmt.Fprintf(w, "and %d more: a check names them all\n", s.More)
	}
	state := "the next share is read by night"
	switch {
	case s.Hurry:
		state = "the rest is being read now"
	case s.Running:
		state = "one is being read now"
	case s.Done == s.Of:
		state = "this month's reading is done"
	}
	fmt.Fprintf(w, "Read again:\t%s; %s\n", s.Words(), state)
	fmt.Fprintf(w, "So far:\t%d calls, %.1f MB\n", s.Calls, float64(s.Bytes)/1e6)
	whole := "not yet"
	if !s.Whole.IsZero() {
		whole = s.Whole.Local().Format("Monday 2 January 2006, 15:04")
	}
	fmt.Fprintf(w, "All of it:\t%s\n", whole)
	if s.Trouble != "" {
		fmt.Fprintf(w, "Not read:\t%s\n", s.Trouble)
	}
}
