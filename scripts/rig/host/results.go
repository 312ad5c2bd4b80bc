package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// event is one line of `go test -json`.
type event struct {
	Action  string
	Package string
	Test    string  `json:",omitempty"`
	Elapsed float64 `json:",omitempty"`
	Output  string  `json:",omitempty"`
}

// teller makes events of what the guest's test programs print, one program after the other.
type teller struct {
	out       io.Writer
	test2json string

	begun, ended                 int // packages
	passed, failed, failedBefore int // tests; failedBefore when the package under way began
}

// What scripts/rig/init says between the programs' own lines.
const (
	beginMark = "rig: begin "
	endMark   = "rig: end "
)

// read takes the guest's lines until the guest is gone.
func (t *teller) read(in io.Reader) error {
	r := bufio.NewReader(in)
	var p *program
	for {
		text, err := r.ReadString('\n')
		switch {
		case strings.HasPrefix(text, beginMark):
			name := strings.TrimSpace(strings.TrimPrefix(text, beginMark))
			t.begun++
			t.failedBefore = t.failed
			var fault error
			if p, fault = t.begin(name); fault != nil {
				return fault
			}
		case strings.HasPrefix(text, endMark) && p != nil:
			t.ended++
			fault := t.close(p, text)
			p = nil
			if fault != nil {
				return fault
			}
		case p != nil && text != "":
			if _, fault := io.WriteString(p.in, text); fault != nil {
				return fmt.Errorf("read %s: %w", p.name, fault)
			}
		}
		if err != nil { // the guest is gone, in good order or not: who waits for it knows
			if p != nil {
				return t.close(p, "")
			}
			return nil
		}
	}
}

// program is a test program of the guest that runs now.
type program struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	told sync.WaitGroup
}

func (t *teller) begin(name string) (*program, error) {
	p := &program{name: name, cmd: exec.Command(t.test2json, "-t", "-p", name)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start test2json: %w", err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start test2json: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start test2json: %w", err)
	}
	p.in = in
	p.told.Go(func() { t.pass(out) })
	return p, nil
}

// pass hands events on and counts them.
func (t *teller) pass(events io.Reader) {
	r := bufio.NewReader(events)
	for {
		text, err := r.ReadBytes('\n')
		var e event
		if json.Unmarshal(text, &e) == nil {
			switch {
			case e.Action == "pass" && e.Test != "":
				t.passed++
			case e.Action == "fail":
				t.failed++
			}
		}
		_, fault := t.out.Write(text)
		if err != nil || fault != nil {
			return
		}
	}
}

// close ends a program: mark is the guest's word for it, with its exit status, or empty when the guest went away before.
func (t *teller) close(p *program, mark string) error {
	err := p.in.Close()
	p.told.Wait()
	err = errors.Join(err, p.cmd.Wait())
	if status := strings.TrimSpace(strings.TrimPrefix(mark, endMark+p.name)); mark != "" && status != "0" && t.failed == t.failedBefore {
		t.failed++
		err = errors.Join(err, t.tell(event{Action: "output", Package: p.name, Output: "exit status " + status + "\n"}),
			t.tell(event{Action: "fail", Package: p.name}))
	}
	return err
}

// tail is the last lines of a file.
func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error() + "\n"
	}
	all := strings.SplitAfter(strings.TrimRight(strings.ReplaceAll(string(data), "\r", ""), "\n")+"\n", "\n")
	return strings.Join(all[max(0, len(all)-1-lines):], "")
}
