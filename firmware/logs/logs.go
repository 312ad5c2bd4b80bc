// Package logs makes the one logger of a program.
//
//	In:    a form and a level, as flags gave them
//	Out:   a *slog.Logger that is passed to every part; attributes only, no content, numbers or keys
//	Owner: no goroutine
//	Full:  lines are written as they come; what can repeat per frame is counted by its owner and logged once a second
package logs

import (
	"fmt"
	"io"
	"log/slog"
)

// New writes to w: as text for people, or as JSON for a collector.
func New(w io.Writer, form, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("read the log level %q: it is debug, info, warn or error", level)
	}
	opts := &slog.HandlerOptions{Level: least}
	switch form {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("read the log form %q: it is text or json", form)
}
