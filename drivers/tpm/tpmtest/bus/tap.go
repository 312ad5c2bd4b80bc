// Package bus stands between processor and chip in tests: it records what crosses, loses or forges some of it, and
// afterwards tries to read it as an attacker would.
//
//	In:    a software TPM's socket
//	Out:   another socket to open in its place; a Trace of what crossed
//	Owner: Listen starts one goroutine that ends with the test
//	Full:  the trace is kept in memory, some kilobytes for each operation
package bus

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-tpm/tpm2"
)

// CC is a command code.
type CC = tpm2.TPMCC

// The commands that other packages' tests lose.
const (
	Increment = tpm2.TPMCCNVIncrement
	Unseal    = tpm2.TPMCCUnseal
)

// headerSize is that of a command, and of a response, in bytes.
const headerSize = 10

// maxFrame is longer than any command or response.
const maxFrame = 1 << 16

// Exchange is a command and what came back: nothing, where it was lost.
type Exchange struct{ Command, Response []byte }

// Code is the command's.
func (e Exchange) Code() CC { return code(e.Command) }

func code(command []byte) CC { return tpm2.TPMCC(binary.BigEndian.Uint32(command[6:])) }

// Rule decides about a command. It runs in the order of the commands, never twice at once.
type Rule func(command []byte) Verdict

// Verdict is what becomes of a command.
type Verdict struct {
	Answer                 []byte                       // in the chip's place; nil: the chip answers
	LoseCommand, LoseReply bool                         // the line goes dead before, or after, the chip had it
	Forge                  func(response []byte) []byte // what is handed on in place of the chip's answer; nil: that
}

// Tap is what stands between.
type Tap struct {
	Socket string

	chip string
	mu   sync.Mutex
	rule Rule
	dead bool
	took []Exchange
}

// Listen taps the line to the chip whose socket is given, until the test ends.
func Listen(t testing.TB, socket string, rule Rule) *Tap {
	t.Helper()
	tap := &Tap{chip: socket, rule: rule}
	tap.Socket = filepath.Join(filepath.Dir(socket), fmt.Sprintf("tap%p", tap))
	listener, err := net.Listen("unix", tap.Socket)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			tap.relay(conn)
		}
	})
	t.Cleanup(func() { _ = listener.Close(); wg.Wait() })
	return tap
}

// relay serves one connection; a software TPM, too, serves one at a time.
func (t *Tap) relay(conn net.Conn) {
	defer func() { _ = conn.Close() }() // whoever is at the other end sees it go
	chip, err := net.Dial("unix", t.chip)
	if err != nil {
		return // no chip there: the line is dead
	}
	defer func() { _ = chip.Close() }()
	for {
		command, err := frame(conn)
		if err != nil {
			return
		}
		response, ok := t.pass(chip, command)
		if !ok {
			return
		}
		if _, err := conn.Write(response); err != nil {
			return
		}
	}
}

// pass takes one command to the chip, or not.
func (t *Tap) pass(chip net.Conn, command []byte) (response []byte, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead {
		return nil, false
	}
	var v Verdict
	if t.rule != nil {
		v = t.rule(command)
	}
	t.took = append(t.took, Exchange{Command: command})
	switch {
	case v.LoseCommand:
		return nil, false
	case v.Answer != nil:
		response = v.Answer
	default:
		if _, err := chip.Write(command); err != nil {
			return nil, false
		}
		var err error
		if response, err = frame(chip); err != nil {
			return nil, false
		}
	}
	if v.Forge != nil {
		response = v.Forge(response)
	}
	t.took[len(t.took)-1].Response = response
	return response, !v.LoseReply
}

// frame reads a command or a response.
func frame(r io.Reader) ([]byte, error) {
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[2:])
	if size < headerSize || size > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", size)
	}
	whole := append(head, make([]byte, size-headerSize)...)
	_, err := io.ReadFull(r, whole[headerSize:])
	return whole, err
}

// Obey replaces the rule; nil lets all pass.
func (t *Tap) Obey(rule Rule) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rule = rule
}

// Cut kills the line, or mends it.
func (t *Tap) Cut(dead bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dead = dead
}

// Trace is what crossed by now.
func (t *Tap) Trace() Trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.took)
}

// Once loses the n-th command of a kind from now on, counting from 1: the command itself, or only the reply to it.
func Once(cc CC, n int, reply bool) Rule {
	return func(command []byte) Verdict {
		if code(command) != cc {
			return Verdict{}
		}
		n--
		return Verdict{LoseCommand: n == 0 && !reply, LoseReply: n == 0 && reply}
	}
}

// Dead passes n commands of a kind, and nothing at all once it has answered the last of them: the chip is gone.
func Dead(cc CC, n int) Rule {
	return func(command []byte) Verdict {
		if n == 0 {
			return Verdict{LoseCommand: true}
		}
		if code(command) == cc {
			n--
		}
		return Verdict{}
	}
}

// Busy answers the first few commands of a kind with a code, and then leaves them to the chip. Kind 0 is any.
func Busy(rc uint32, times int, cc CC) Rule {
	return func(command []byte) Verdict {
		if times == 0 || cc != 0 && code(command) != cc {
			return Verdict{}
		}
		times--
		return Verdict{Answer: binary.BigEndian.AppendUint32([]byte{0x80, 0x01, 0, 0, 0, headerSize}, rc)}
	}
}
