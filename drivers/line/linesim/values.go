package linesim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"linekeep/drivers/line"
)

// line takes the first statement: the name of the line and what it is like.
func (p *parser) line(w word) error {
	if p.s.name != "" {
		return p.fault(w.column, "line a second time")
	}
	name := p.take()
	unquoted, err := strconv.Unquote(name.text)
	if err != nil || unquoted == "" {
		return p.fault(name.column, "the name of a line stands in quotes, not %q", name.text)
	}
	p.s.name = unquoted
	return p.pairs([]string{"channels", "law", "signals", "noise", "hum"}, p.setting)
}

func (p *parser) setting(w word, key, value string) (err error) {
	switch key {
	case "channels":
		p.s.channels, err = choose(p, w, value, map[string]int{"1": 1, "2": 2})
	case "law":
		p.s.law, err = choose(p, w, value, map[string]line.Law{"s16": line.S16, "alaw": line.ALaw, "mulaw": line.MuLaw})
	case "signals":
		p.s.signals, err = choose(p, w, value, map[string]signals{"none": noSignals, "hook": hook, "digital": digital})
	case "noise":
		p.s.noise, err = p.decibels(w, value, -120, -20)
	case "hum":
		p.s.hum, err = p.decibels(w, value, -120, -10)
	}
	return err
}

func choose[T any](p *parser, w word, value string, from map[string]T) (T, error) {
	chosen, ok := from[value]
	if !ok {
		names := make([]string, 0, len(from))
		for name := range from {
			names = append(names, name)
		}
		slices.Sort(names)
		return chosen, p.fault(w.column, "%q is none of %s", value, strings.Join(names, ", "))
	}
	return chosen, nil
}

// pairs takes the rest of a statement: key=value, each of the keys at most once.
func (p *parser) pairs(keys []string, set func(w word, key, value string) error) error {
	var seen []string
	for len(p.words) > 0 {
		w := p.take()
		key, value, ok := strings.Cut(w.text, "=")
		switch {
		case !ok || !slices.Contains(keys, key):
			return p.fault(w.column, "%q is none of %s=", w.text, strings.Join(keys, "= "))
		case slices.Contains(seen, key):
			return p.fault(w.column, "%s a second time", key)
		}
		seen = append(seen, key)
		w.column += len(key) + 1
		if err := set(w, key, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) duration() (span, error) {
	w := p.take()
	return p.span(w, w.text)
}

// span reads a duration, or two with dots between.
func (p *parser) span(w word, text string) (span, error) {
	low, high, two := strings.Cut(text, "..")
	if !two {
		high = low
	}
	from, err1 := time.ParseDuration(low)
	to, err2 := time.ParseDuration(high)
	switch {
	case err1 != nil || err2 != nil:
		return span{}, p.fault(w.column, "%q is no time such as 500ms or 2s..5s", text)
	case from < 0 || to > maxDuration || to < from:
		return span{}, p.fault(w.column, "%q is not within 0s..%v, the shorter time first", text, maxDuration)
	}
	return span{line.In(from), line.In(to)}, nil
}

func (p *parser) number(low, high int) (int, error) {
	w := p.take()
	n, err := strconv.Atoi(w.text)
	if err != nil || n < low || n > high {
		return 0, p.fault(w.column, "%q is no number from %d to %d", w.text, low, high)
	}
	return n, nil
}

func (p *parser) decibels(w word, value string, low, high float64) (float64, error) {
	dB, err := strconv.ParseFloat(value, 64)
	if err != nil || !(dB >= low && dB <= high) { // NaN too
		return 0, p.fault(w.column, "%q is no level from %g to %g dB", value, low, high)
	}
	return dB, nil
}

func (p *parser) digits(w word, value, allowed string) error {
	if value == "" || len(value) > maxDigits || strings.Trim(value, allowed) != "" {
		return p.fault(w.column, "%q is not 1 to %d of %s", value, maxDigits, allowed)
	}
	return nil
}
