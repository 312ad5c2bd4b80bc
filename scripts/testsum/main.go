// Command testsum reads `go test -json` and says it in short: a line per package, all that a failed test printed,
// why a test was skipped, and at the end one line that counts.
//
//	In:    the JSON events of go test, on standard input
//	Out:   text; the last line is "N passed, N failed, N skipped"; exit status 1 unless all is well
//	Owner: one goroutine
//	Full:  the output of a test is kept until it ends; nothing else grows
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	s := newSummary(os.Stdout)
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	if !s.finish() {
		os.Exit(1)
	}
}

// event is one line of `go test -json`, as `go doc test2json` and `go help buildjson` tell them.
type event struct {
	Action     string
	Package    string
	ImportPath string // of a build-output or build-fail event
	Test       string
	Elapsed    float64
	Output     string
}

type summary struct {
	out                     io.Writer
	output                  map[string]*strings.Builder // by package and test, until it ends
	blamed                  map[string]bool             // packages with a failed test of their own
	passed, failed, skipped int
	packages                int
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, output: map[string]*strings.Builder{}, blamed: map[string]bool{}}
}

func (s *summary) read(in io.Reader) error {
	r := bufio.NewReader(in)
	for {
		text, err := r.ReadBytes('\n')
		if len(text) > 0 {
			var e event
			if json.Unmarshal(text, &e) == nil && e.Action != "" {
				s.take(e)
			} else { // go itself speaking, such as of a module that cannot be fetched
				fmt.Fprintf(s.out, "%s", text)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the test events: %w", err)
		}
	}
}

func (s *summary) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		b := s.output[key]
		if b == nil {
			b = &strings.Builder{}
			s.output[key] = b
		}
		b.WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e, key)
		} else {
			s.endTest(e, key)
		}
		delete(s.output, key)
	}
}

func (s *summary) endTest(e event, key string) {
	switch e.Action {
	case "pass":
		s.passed++
	case "skip":
		s.skipped++
		fmt.Fprintf(s.out, "SKIPPED %s %s\n%s", e.Package, e.Test, s.text(key))
	case "fail":
		s.failed++
		s.blamed[e.Package] = true
		fmt.Fprintf(s.out, "FAILED %s %s\n%s", e.Package, e.Test, s.text(key))
	}
}

// endPackage counts a package that fails without a failed test (it does not build, or it crashed) as one failure.
func (s *summary) endPackage(e event, key string) {
	s.packages++
	switch {
	case e.Action == "fail" && !s.blamed[e.Package]:
		s.failed++
		fmt.Fprintf(s.out, "FAILED %s\n%s", e.Package, s.text(key))
		s.tellUnended(e.Package)
	case e.Action == "fail":
		fmt.Fprintf(s.out, "FAIL  %-40s %6.1f s\n", e.Package, e.Elapsed)
	case e.Action == "pass":
		fmt.Fprintf(s.out, "ok    %-40s %6.1f s\n", e.Package, e.Elapsed)
	}
}

// tellUnended prints what tests said that never ended: a crash or a time limit cut them.
func (s *summary) tellUnended(pkg string) {
	for key, b := range s.output {
		if p, test, _ := strings.Cut(key, " "); p == pkg && test != "" {
			fmt.Fprintf(s.out, "never ended: %s %s\n%s", p, test, b)
			delete(s.output, key)
		}
	}
}

func (s *summary) text(key string) string {
	if b := s.output[key]; b != nil {
		return b.String()
	}
	return ""
}

// finish writes the count and says whether all is well. No package at all is not well: nothing was tested.
func (s *summary) finish() bool {
	fmt.Fprintf(s.out, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	return s.failed == 0 && s.packages > 0
}
