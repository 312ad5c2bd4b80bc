package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/ui/api"
	"linekeep/ui/control"
	"linekeep/ui/service"
)

func TestExitStatusSaysWhatWentWrong(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("anything"), 1}, {errUsage, 2}, {service.ErrBadQuestion, 2}, {errNotWell, 3},
		{control.ErrNoDaemon, 4}, {errNoVault, 4}, {service.ErrNoCall, 5}, {service.ErrWrongCode, 6},
		{errNotProved, 7}, {service.ErrSignIn, 8},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("ask: %w", err)
		}
		if got := exitStatus(err); got != c.want {
			t.Errorf("%v: exit status %d, want %d", c.err, got, c.want)
		}
	}
}

func TestAWrongCommandLineIsRefusedBeforeAnythingIsAsked(t *testing.T) {
	for _, args := range [][]string{
		{}, {"fly"}, {"--loud", "status"}, {"status", "now"}, {"lines", "--all"}, {"check", "7-42"}, {"calls", "--shortest", "long"},
		{"calls", "--from", "yesterday"}, {"play", "--call", "7-42"}, {"play", "--call", "7-42", "--recovery-code", "f", "-o", "x.mp3"},
		{"people"}, {"people", "list", "all"}, {"people", "factor"}, {"people", "add", "--salary", "9"},
		{"--offline", "status"}, {"--offline", "check", "deep"},
	} {
		if err := run(t.Context(), args, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("linekeepctl %s: got %v, want errUsage", strings.Join(args, " "), err)
		}
	}
}

func TestACopyIsWholeOrNotThereAndNobodyElses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ogg")
	broken := errors.New("the copy broke off")
	err := save(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("save: got %v, want what broke it", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("after a broken copy: %v, %v; want nothing", left, err)
	}
	if err := save(path, func(w io.Writer) error { _, err := io.WriteString(w, "whole"); return err }); err != nil {
		t.Fatalf("save: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "whole" {
		t.Errorf("the copy: %q, %v", b, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestARecoveryCodesFileMayHaveRemarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(path, []byte("# of the demo site\n\nABCDE-FGHJK \n12345-67890\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, err := readCode(path)
	if err != nil {
		t.Fatalf("readCode: %v", err)
	}
	code.Use(func(b []byte) {
		if string(b) != "ABCDE-FGHJK 12345-67890" {
			t.Errorf("readCode: got %q", b)
		}
	})
}

func TestTimesAreReadAsTyped(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Time
	}{
		{"2026-11-23", time.Date(2026, 11, 23, 0, 0, 0, 0, time.Local)},
		{"2026-11-23 09:15", time.Date(2026, 11, 23, 9, 15, 0, 0, time.Local)},
		{"2026-11-23T09:15:24Z", time.Date(2026, 11, 23, 9, 15, 24, 0, time.UTC)},
	} {
		if got, err := moment(c.text); err != nil || !got.Equal(c.want) {
			t.Errorf("moment(%q): got %v, %v; want %v", c.text, got, err, c.want)
		}
	}
}

func TestTheStatusIsSaidInWords(t *testing.T) {
	var b strings.Builder
	p := program{out: &b}
	st := api.Status{Recording: api.Trouble, Sentence: "Orders is not heard since 08:40. The other 3 lines record.",
		Alarms: []api.Alarm{{Code: "line.gone", Severity: "fault", Title: "Orders is not heard", Text: "Since 08:40.", Todo: "Check the cable."}},
		Lines: []api.Line{{ID: "orders", Label: "Orders", State: api.Fault, Fault: "not heard",
			Sides: []api.Side{{Name: "Office", Level: -23.4}, {Name: "Caller", Level: -96}}, Today: api.Totals{Seen: 3, Recorded: 2, Now: 1}}},
		Today: api.Totals{Seen: 3, Recorded: 2, Now: 1}, Store: api.Store{Answers: true, FreeBytes: 12e9, HoursLeft: 240}}
	if err := p.table(func(w io.Writer) { sayStatus(w, st) }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Trouble. Orders is not heard since 08:40. The other 3 lines record.\n",
		"Orders is not heard (line.gone, fault). Since 08:40.\nWhat to do: Check the cable.\n",
		"orders  Orders  fault, not heard  -      office -23 dB, caller -96 dB  3 seen = 2 recorded + 0 with a gap + 0 missed + 1 now\n",
		"Store: answers, 12.0 GB free, room for 240 hours of calls.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
}
