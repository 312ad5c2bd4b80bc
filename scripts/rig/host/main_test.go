package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestNoMachineIsWellThatDidNotRunToItsEndOrTestedNothing(t *testing.T) {
	all := teller{begun: 2, ended: 2, passed: 5}
	for _, c := range []struct {
		name   string
		status int
		change func(*teller)
		well   bool
	}{
		{"all passed", 33, func(*teller) {}, true},
		{"a test failed, and is told already", 35, func(t *teller) { t.failed = 1 }, true},
		{"a program failed and no test of it", 35, func(*teller) {}, false},
		{"switched off", 0, func(*teller) {}, false},
		{"killed", -1, func(*teller) {}, false},
		{"QEMU does not start", 1, func(*teller) {}, false},
		{"no test ran", 33, func(t *teller) { t.passed = 0 }, false},
		{"a package never began", 33, func(t *teller) { t.begun, t.ended = 1, 1 }, false},
		{"a package never ended", 33, func(t *teller) { t.ended = 1 }, false},
	} {
		tell := all
		c.change(&tell)
		if faults := errors.Join(tell.judge(c.status, 2)...); (faults == nil) != c.well {
			t.Errorf("%s: got %v", c.name, faults)
		}
	}
}

func TestTheEndOfTheMachineIsToldAsAPackage(t *testing.T) {
	var out strings.Builder
	tell := teller{out: &out}
	if err := tell.end(errors.New("no end"), time.Second, "/does/not/exist"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Action":"fail"`, `"Package":"linekeep/scripts/rig"`, "no end"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	}
}
