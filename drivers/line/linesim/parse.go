package linesim

import (
	"fmt"
	"strings"

	"linekeep/drivers/line"
)

// Parse reads a script. The package comment has the grammar. Every error is a *SyntaxError with file, line and column.
func Parse(file string, text []byte) (*Script, error) {
	p := parser{file: file, s: &Script{channels: 2, noise: -66}}
	if len(text) > maxScript {
		return nil, p.fault(0, "longer than %d bytes", maxScript)
	}
	for _, row := range strings.Split(string(text), "\n") {
		p.row++
		p.words = split(row)
		if len(p.words) == 0 {
			continue
		}
		if err := p.statement(); err != nil {
			return nil, err
		}
	}
	p.words = nil
	switch {
	case p.s.name == "":
		return nil, p.fault(0, "there is no line statement")
	case p.inCall:
		return nil, p.fault(0, "the last call has no hangup")
	case p.s.loops && !p.idles:
		return nil, p.fault(0, "a loop needs an idle that lasts, or it would turn for ever at one moment")
	}
	return p.s, nil
}

type word struct {
	text   string
	column int
}

// split cuts a row into words, at spaces outside of quotes, and drops the comment: what follows a word that begins with #.
func split(row string) []word {
	var words []word
	for i := 0; i < len(row); i++ {
		if isSpace(row[i]) {
			continue
		}
		if row[i] == '#' {
			break
		}
		start, quoted := i, false
		for i < len(row) && (quoted || !isSpace(row[i])) {
			quoted = quoted != (row[i] == '"')
			i++
		}
		words = append(words, word{row[start:i], start + 1})
	}
	return words
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' }

// parser reads one script. The words of the statement under way are taken from its front.
type parser struct {
	file   string
	row    int
	words  []word
	last   word // taken last
	s      *Script
	inCall bool
	idles  bool
}

func (p *parser) fault(column int, format string, args ...any) error {
	return &SyntaxError{File: p.file, Line: max(1, p.row), Column: max(1, column), Problem: fmt.Sprintf(format, args...)}
}

// take gives the next word; after the end of the statement, an empty one just behind it.
func (p *parser) take() word {
	if len(p.words) == 0 {
		return word{column: p.last.column + len(p.last.text) + 1}
	}
	p.last, p.words = p.words[0], p.words[1:]
	return p.last
}

// place says where a statement may stand.
type place uint8

const (
	nowhere place = iota
	outside       // of calls
	inside
	anywhere
)

func statementOf(name string) (verb, place) {
	switch name {
	case "idle":
		return idle, outside
	case "call":
		return call, outside
	case "ring":
		return ring, inside
	case "answer":
		return answer, inside
	case "say", "talk":
		return say, inside
	case "pause":
		return pause, inside
	case "keys":
		return keys, inside
	case "hangup":
		return hangup, inside
	case "click":
		return click, anywhere
	case "lose":
		return lose, anywhere
	case "unplug":
		return unplug, anywhere
	}
	return 0, nowhere
}

func (p *parser) statement() error {
	w := p.take()
	switch {
	case w.text == "line":
		return p.line(w)
	case p.s.name == "":
		return p.fault(w.column, "the first statement is line, not %q", w.text)
	case p.s.loops:
		return p.fault(w.column, "nothing may follow loop")
	case w.text == "loop":
		if p.inCall {
			return p.fault(w.column, "loop within a call")
		}
		p.s.loops = true
		return p.end()
	}
	verb, place := statementOf(w.text)
	switch {
	case place == nowhere:
		return p.fault(w.column, "%q is no statement", w.text)
	case place == inside && !p.inCall:
		return p.fault(w.column, "%s outside of a call", w.text)
	case place == outside && p.inCall:
		return p.fault(w.column, "%s within a call", w.text)
	}
	st := step{verb: verb}
	if err := p.arguments(w, &st); err != nil {
		return err
	}
	p.s.steps = append(p.s.steps, st)
	return p.end()
}

func (p *parser) arguments(w word, st *step) (err error) {
	switch st.verb {
	case idle, pause:
		st.lasts, err = p.duration()
		p.idles = p.idles || st.lasts.min > 0
	case lose, unplug:
		if st.lasts, err = p.duration(); err == nil {
			err = p.options(st, "after")
		}
	case call:
		err = p.call(st)
	case ring:
		st.count, err = p.number(1, maxRings)
	case say:
		err = p.voices(w.text, st)
	case keys:
		d := p.take()
		if err = p.digits(d, d.text, "0123456789*#ABCD"); err == nil {
			st.number = line.Number(d.text)
		}
	case hangup:
		p.inCall = false
	case answer, click:
	}
	return err
}

func (p *parser) end() error {
	if len(p.words) > 0 {
		return p.fault(p.words[0].column, "%q is too much", p.words[0].text)
	}
	return nil
}

func (p *parser) call(st *step) error {
	p.inCall = true
	w := p.take()
	switch w.text {
	case "in":
		st.direction = line.Incoming
	case "out":
		st.direction = line.Outgoing
	case "internal":
		st.direction = line.Internal
	default:
		return p.fault(w.column, "a call is in, out or internal, not %q", w.text)
	}
	return p.options(st, "number", "extension")
}

func (p *parser) voices(how string, st *step) error {
	if how == "talk" {
		for side := range st.clips {
			if err := p.clip(&st.clips[side]); err != nil {
				return err
			}
		}
		return p.options(st, "gain")
	}
	w := p.take()
	side := line.Office
	switch w.text {
	case "office":
	case "remote":
		side = line.Remote
	default:
		return p.fault(w.column, "office or remote says something, not %q", w.text)
	}
	if err := p.clip(&st.clips[side]); err != nil {
		return err
	}
	return p.options(st, "gain")
}

// clip takes the name of a recording: a path below the folder of sounds, without .wav.
func (p *parser) clip(into *string) error {
	w := p.take()
	for _, part := range strings.Split(w.text, "/") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return p.fault(w.column, "%q is no name of a recording", w.text)
		}
	}
	*into = w.text
	return nil
}

// options takes the rest of a statement: key=value, each of the named keys at most once.
func (p *parser) options(st *step, keys ...string) error {
	return p.pairs(keys, func(w word, key, value string) (err error) {
		switch key {
		case "number":
			if value != "withheld" { // what a line gives whose caller keeps their number back
				err = p.digits(w, value, "+0123456789*#")
			}
			st.number = line.Number(value)
		case "extension":
			err = p.digits(w, value, "0123456789")
			st.extension = line.Number(value)
		case "after":
			st.after, err = p.span(w, value)
		case "gain":
			st.gain, err = p.decibels(w, value, minGain, maxGain)
		}
		return err
	})
}
