package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"linekeep/scripts/rig/bench/wire"
)

// serve does what the guest's tests ask of the machine around them, one thing after the other, until the guest is gone.
func (m *machine) serve() {
	r, w := bufio.NewReader(m.control), json.NewEncoder(m.control)
	for {
		text, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		var q wire.Request
		a := wire.Answer{}
		if err := json.Unmarshal(text, &q); err != nil {
			a.Fault = err.Error()
		} else if a.Return, err = m.do(q); err != nil {
			a.Fault = err.Error()
		}
		if w.Encode(a) != nil {
			return
		}
	}
}

func (m *machine) do(q wire.Request) (json.RawMessage, error) {
	switch {
	case q.Execute != "":
		return m.qmp.do(q.Execute, q.Arguments)
	case q.Keep != "":
		return nil, keep(filepath.Join(m.o.dir, "kept"), q.Keep, q.Data)
	}
	return nil, errors.New("nothing is asked")
}

// keep writes what a test gives out.
func keep(dir, name string, data []byte) error {
	if filepath.Base(name) != name {
		return fmt.Errorf("keep %q: a name, not a path", name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

// qmp is QEMU's monitor. It is used by one goroutine.
type qmp struct {
	conn net.Conn
	in   *json.Decoder
}

// said is a line of QEMU's: an answer, or an event, which nobody here waits for.
type said struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
	QMP   any    `json:"QMP"`
}

func greet(conn net.Conn) (*qmp, error) {
	q := &qmp{conn: conn, in: json.NewDecoder(conn)}
	var hello said
	if err := q.in.Decode(&hello); err != nil || hello.QMP == nil {
		return nil, fmt.Errorf("greet QEMU's monitor: %w", errors.Join(err, conn.Close()))
	}
	_, err := q.do("qmp_capabilities", nil)
	return q, err
}

func (q *qmp) do(command string, arguments map[string]any) (json.RawMessage, error) {
	ask := map[string]any{"execute": command}
	if len(arguments) > 0 {
		ask["arguments"] = arguments
	}
	if err := json.NewEncoder(q.conn).Encode(ask); err != nil {
		return nil, fmt.Errorf("ask QEMU to %s: %w", command, err)
	}
	for {
		var s said
		if err := q.in.Decode(&s); err != nil {
			return nil, fmt.Errorf("ask QEMU to %s: %w", command, err)
		}
		switch {
		case s.Error != nil:
			return nil, fmt.Errorf("ask QEMU to %s: %s: %s", command, s.Error.Class, s.Error.Desc)
		case s.Event == "":
			return s.Return, nil
		}
	}
}
