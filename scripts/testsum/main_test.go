package main

import (
	"strings"
	"testing"
)

func TestTheLastLineCounts(t *testing.T) {
	for _, c := range []struct {
		name, in, last string
		contains       []string
		ok             bool
	}{
		{name: "all well", ok: true, last: "2 passed, 0 failed, 0 skipped", contains: []string{"ok    a"},
			in: `{"Action":"pass","Package":"a","Test":"T1"}
{"Action":"pass","Package":"a","Test":"T2"}
{"Action":"pass","Package":"a","Elapsed":0.5}`},
		{name: "a failure shows what the test said", last: "1 passed, 1 failed, 0 skipped", contains: []string{"want 3", "FAILED a T2", "FAIL  a"},
			in: `{"Action":"pass","Package":"a","Test":"T1"}
{"Action":"output","Package":"a","Test":"T2","Output":"got 2, want 3\n"}
{"Action":"fail","Package":"a","Test":"T2"}
{"Action":"fail","Package":"a"}`},
		{name: "a skip says why", ok: true, last: "0 passed, 0 failed, 1 skipped", contains: []string{"no mounts here"},
			in: `{"Action":"output","Package":"a","Test":"T","Output":"no mounts here\n"}
{"Action":"skip","Package":"a","Test":"T"}
{"Action":"pass","Package":"a"}`},
		{name: "a package that does not build is one failure", last: "0 passed, 1 failed, 0 skipped", contains: []string{"undefined: x"},
			in: `{"Action":"build-output","ImportPath":"a","Output":"undefined: x\n"}
{"Action":"build-fail","ImportPath":"a"}
{"Action":"fail","Package":"a","FailedBuild":"a"}`},
		{name: "a crash tells the test it cut", last: "0 passed, 1 failed, 0 skipped", contains: []string{"never ended: a T", "panic: x"},
			in: `{"Action":"output","Package":"a","Test":"T","Output":"panic: x\n"}
{"Action":"fail","Package":"a"}`},
		{name: "nothing tested is not well", last: "0 passed, 0 failed, 0 skipped", contains: []string{"go: no such module"},
			in: `go: no such module`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			s := newSummary(&out)
			if err := s.read(strings.NewReader(c.in)); err != nil {
				t.Fatalf("read: %v", err)
			}
			if ok := s.finish(); ok != c.ok {
				t.Errorf("well: got %v, want %v", ok, c.ok)
			}
			text := out.String()
			if !strings.HasSuffix(text, c.last+"\n") {
				t.Errorf("the last line: got %q, want %q", text, c.last)
			}
			for _, want := range c.contains {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in %q", want, text)
				}
			}
		})
	}
}
