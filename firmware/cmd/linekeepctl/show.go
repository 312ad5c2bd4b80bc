package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"linekeep/ui/api"
	"linekeep/ui/service"
	"linekeep/vault/check"
)

// sayJSON writes v as it came, for programs.
func (p program) sayJSON(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

func (p program) status(ctx context.Context, args []string) error {
	if err := alone("status", args); err != nil {
		return err
	}
	st, err := p.client.Status(ctx)
	if err != nil {
		return err
	}
	if p.json {
		err = p.sayJSON(st)
	} else {
		err = p.table(func(w io.Writer) { sayStatus(w, st) })
	}
	if err == nil && st.Recording != api.Yes {
		err = errNotWell
	}
	return err
}

func (p program) lines(ctx context.Context, args []string) error {
	if err := alone("lines", args); err != nil {
		return err
	}
	lines, err := p.client.Lines(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return p.sayJSON(lines)
	}
	return p.table(func(w io.Writer) { sayLines(w, lines) })
}

// table lets say write columns apart by tabs, and hands on what went wrong with writing them.
func (p program) table(say func(io.Writer)) error {
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	say(w)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

func sayStatus(w io.Writer, st api.Status) {
	fmt.Fprintf(w, "%s. %s\n", word(string(st.Recording)), st.Sentence)
	for _, a := range st.Alarms {
		fmt.Fprintf(w, "\n%s (%s, %s). %s\nWhat to do: %s\n", a.Title, a.Code, a.Severity, a.Text, a.Todo)
	}
	fmt.Fprintln(w)
	sayLines(w, st.Lines)
	fmt.Fprintf(w, "\nToday: %s.\n", totals(st.Today))
	fmt.Fprintf(w, "Store: %s, %.1f GB free", answers(st.Store.Answers), float64(st.Store.FreeBytes)/1e9)
	if st.Store.HoursLeft > 0 {
		fmt.Fprintf(w, ", room for %.0f hours of calls", st.Store.HoursLeft)
	}
	fmt.Fprintf(w, ".\nRescue page, if the vault is ever locked: certificate %s.\nBox %s, %s, version %s, started %s.\n", st.Rescue, st.Box, st.Site, st.Version, st.Started.Format("2 January 2006, 15:04"))
}

func answers(yes bool) string {
	if yes {
		return "answers"
	}
	return "does not answer"
}

func sayLines(w io.Writer, lines []api.Line) {
	fmt.Fprintln(w, "LINE\tLABEL\tSTATE\tSINCE\tLEVEL\tTODAY")
	for _, l := range lines {
		state := string(l.State)
		if l.Fault != "" {
			state += ", " + l.Fault
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, l.Label, state, clock(l.Since), levels(l.Sides), totals(l.Today))
	}
}

func levels(sides []api.Side) string {
	parts := make([]string, 0, len(sides))
	for _, s := range sides {
		parts = append(parts, fmt.Sprintf("%s %.0f dB", strings.ToLower(s.Name), s.Level))
	}
	return strings.Join(parts, ", ")
}

// totals is the completeness statement as the equation it is.
func totals(t api.Totals) string {
	return fmt.Sprintf("%d seen = %d recorded + %d with a gap + %d missed + %d now", t.Seen, t.Recorded, t.Gaps, t.Missed, t.Now)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("15:04:05")
}

func word(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func sayCalls(w io.Writer, list service.List) {
	fmt.Fprintln(w, "CALL\tSTART\tLENGTH\tLINE\tCLASS\tDIRECTION\tTRACKS\tREMARKS")
	for _, c := range list.Calls {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.ID, c.Start.Local().Format("2006-01-02 15:04:05"),
			c.Length.Round(100*time.Millisecond), c.Line, c.Class, c.Direction, strings.Join(c.Tracks, ", "), remarks(c))
	}
	if list.Incomplete != "" {
		fmt.Fprintf(w, "There may be more: %s\n", list.Incomplete)
	}
}

func remarks(c service.Call) string {
	var all []string
	if c.Gaps > 0 {
		all = append(all, fmt.Sprintf("%d gaps, %s lost", c.Gaps, c.Lost.Round(time.Millisecond)))
	}
	if c.Silent {
		all = append(all, "silent")
	}
	if c.Recovered {
		all = append(all, "cut by a stop")
	}
	return strings.Join(all, "; ")
}

func sayReport(w io.Writer, r check.Report) {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s: %s: %s\n", f.Kind, f.What, f.Text)
	}
	verdict := "everything is as it was written"
	if n := len(r.Findings); n > 0 {
		verdict = fmt.Sprintf("%d findings", n)
	}
	heard := ""
	if r.Heard > 0 {
		heard = fmt.Sprintf(" %d of them were each heard with the custody key,", r.Heard)
	}
	fmt.Fprintf(w, "Checked %d calls,%s %d chunks, %.1f MB in %s: %s.\n", r.Calls, heard, r.Chunks, float64(r.Bytes)/1e6, r.Took.Round(time.Millisecond), verdict)
}
