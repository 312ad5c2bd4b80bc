package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"linekeep/ui/service"
)

const searchUsage = `
  search CRITERIA            finds calls that meet all criteria, newest first; numbers are shown by their last three digits
    --number NUMBER          the other end's number, however it is written: 01632 960018, +44 1632 960018, 0044 (0)1632 960018;
                             withheld finds those who kept it back. Given again, one of them is enough; so for the next three
    --number-start DIGITS    how the number begins, in any of these forms
    --number-end DIGITS      its last digits
    --extension EXTENSION    the office's end
    --name WORDS             beginnings of words of the caller's name; capitals and accents do not matter
    --person                 numbers, extensions and name are one person's: a call with any of them is found
    --withheld[=false]       the caller kept their number back, or did not
    --tag TAG, --case CASE   has each of the tags; belongs to one of the cases
    --line ID, --class NAME, --direction in|out|internal|unknown
    --answered[=false], --silent[=false]
    --shortest 90s, --longest 10m, --from TIME, --to TIME, --limit N
`

func (p program) search(ctx context.Context, args []string) error {
	q, err := searchFlags(args)
	if err != nil {
		return err
	}
	list, err := p.client.Search(ctx, q)
	if err != nil {
		return err
	}
	if p.json {
		err = p.sayJSON(list)
	} else {
		err = p.table(func(w io.Writer) { sayFound(w, list) })
	}
	if err == nil && list.Incomplete != "" {
		err = errNotWell
	}
	return err
}

func searchFlags(args []string) (q service.Query, err error) {
	f := newFlags("search")
	for name, into := range map[string]*[]string{"number": &q.Numbers, "number-start": &q.Starts, "number-end": &q.Ends, "extension": &q.Extensions,
		"tag": &q.Tags, "case": &q.Cases} {
		f.Func(name, "", func(s string) error { *into = append(*into, s); return nil })
	}
	for name, into := range map[string]**bool{"answered": &q.Answered, "silent": &q.Silent, "withheld": &q.Withheld} {
		f.BoolFunc(name, "", func(s string) error {
			is, err := strconv.ParseBool(s)
			*into = &is
			return err
		})
	}
	for name, into := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		f.Func(name, "", func(s string) (err error) { *into, err = moment(s); return err })
	}
	f.StringVar(&q.Name, "name", "", "")
	f.BoolVar(&q.Person, "person", false, "")
	f.StringVar(&q.Line, "line", "", "")
	f.StringVar(&q.Class, "class", "", "")
	f.StringVar(&q.Direction, "direction", "", "")
	f.DurationVar(&q.Shortest, "shortest", 0, "")
	f.DurationVar(&q.Longest, "longest", 0, "")
	f.IntVar(&q.Limit, "limit", 0, "")
	if err := parse(f, args); err != nil {
		return q, err
	}
	if f.NArg() > 0 {
		return q, fmt.Errorf("%w: search takes no %q; a number with blanks stands in quotes", errUsage, f.Arg(0))
	}
	if f.NFlag() == 0 {
		return q, fmt.Errorf("%w: search needs a criterion; calls lists all", errUsage)
	}
	return q, nil
}

func sayFound(w io.Writer, list service.List) {
	fmt.Fprintln(w, "CALL\tSTART\tLENGTH\tLINE\tCLASS\tDIRECTION\tNUMBER\tTRACKS\tREMARKS")
	for _, c := range list.Calls {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.ID, c.Start.Local().Format("2006-01-02 15:04:05"),
			c.Length.Round(100*time.Millisecond), c.Line, c.Class, c.Direction, c.Number, strings.Join(c.Tracks, ", "), remarks(c))
	}
	if list.Incomplete != "" {
		fmt.Fprintf(w, "There may be more: %s\n", list.Incomplete)
	}
}
