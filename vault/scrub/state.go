package scrub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"linekeep/vault/check"
)

// name is the progress's, among the settings of the box.
const name = "scrub"

// stateVersion is that of the file.
const stateVersion = 1

// state is the progress as it is kept: vault/FORMAT.md, section 13.
type state struct {
	Version  int             `json:"version"`
	Month    string          `json:"month"`
	Done     int             `json:"done"`
	Hurry    bool            `json:"hurry"`
	Whole    time.Time       `json:"whole"`
	Since    time.Time       `json:"since,omitzero"`
	Calls    int             `json:"calls"`
	Bytes    int64           `json:"bytes"`
	Findings []check.Finding `json:"findings"`
	More     int             `json:"more"`
	Earlier  []check.Finding `json:"earlier,omitempty"`
}

// ErrState reports a progress that is not one.
var ErrState = errors.New("scrub: not a progress of version 1")

func parse(data []byte) (Status, error) {
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return Status{}, fmt.Errorf("%w: %w", ErrState, err)
	}
	_, err := time.Parse(monthLayout, s.Month)
	if s.Version != stateVersion || err != nil || s.Done < 0 || s.Done > Shares || s.Calls < 0 || s.Bytes < 0 || s.More < 0 || len(s.Findings)+len(s.Earlier) > mostFindings {
		return Status{}, ErrState
	}
	return Status{Month: s.Month, Done: s.Done, Hurry: s.Hurry, Whole: s.Whole, Since: s.Since, Calls: s.Calls, Bytes: s.Bytes, Findings: s.Findings, More: s.More, earlier: s.Earlier}, nil
}

func load(ctx context.Context, c Config) Status {
	fresh := Status{Month: monthOf(c.Clock())}
	data, err := c.Store.Load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh
	}
	var s Status
	if err == nil {
		s, err = parse(data)
	}
	if err != nil {
		c.Log.ErrorContext(ctx, "how far the vault was read again is lost; this month's pass begins anew", slog.Any("err", err))
		return fresh
	}
	return s
}

func save(to Store, s Status) error {
	data, err := json.Marshal(state{Version: stateVersion, Month: s.Month, Done: s.Done, Hurry: s.Hurry, Whole: s.Whole, Since: s.Since, Calls: s.Calls,
		Bytes: s.Bytes, Findings: s.Findings, More: s.More, Earlier: s.earlier})
	if err != nil {
		return fmt.Errorf("write the progress: %w", err)
	}
	return to.Save(name, data)
}

const monthLayout = "2006-01"

func monthOf(t time.Time) string { return t.Format(monthLayout) }

func (s Status) clone() Status {
	s.Findings, s.earlier = slices.Clone(s.Findings), slices.Clone(s.earlier)
	return s
}

// anew begins a pass. What the one before found is told until the new one was there, too: damage does not go with the month.
func (s Status) anew(month string) Status {
	return Status{Month: month, Whole: s.Whole, Since: s.Since, More: s.More, earlier: slices.Concat(s.Findings, s.earlier)}
}

// note takes a share's report in. With the first share of a pass what was found before goes.
func (s *Status) note(r check.Report) {
	if s.Done == 0 {
		s.Findings, s.More, s.Calls, s.Bytes = nil, 0, 0, 0
	}
	s.Calls += r.Calls
	s.Bytes += r.Bytes
	for _, f := range r.Findings {
		switch {
		case slices.Contains(s.Findings, f):
		case len(s.Findings) == mostFindings:
			s.More++
		default:
			s.Findings = append(s.Findings, f)
		}
	}
	if room := mostFindings - len(s.Findings); len(s.earlier) > room {
		s.More += len(s.earlier) - room
		s.earlier = s.earlier[:room]
	}
}
