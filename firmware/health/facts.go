package health

import (
	"fmt"
	"strings"
	"time"

	"linekeep/audio/pipeline"
	"linekeep/ui/api"
	"linekeep/vault"
	"linekeep/vault/space"
)

// facts is everything that is looked at once, so that one answer never contradicts itself.
type facts struct {
	now   time.Time
	place *time.Location
	lines []lineFacts
	vault vault.Status
	// silent: the vault's last heartbeat failed, or it is too old; beat is the last good one.
	silent  bool
	beat    time.Time
	custody string // as printed
	memory  Memory
	rate    float64 // bytes for an hour of call, by the calls filed; 0 before the first
}

// full says that no new call is taken.
func (f facts) full() bool { return f.vault.Space.State != space.OK }

// lineFacts is one line.
type lineFacts struct {
	Line
	status pipeline.LineStatus
	lost   loss
	today  api.Totals
	stuck  bool // gives no frames, and its driver says nothing of it
	lossy  bool
}

func (l lineFacts) down() bool  { return l.status.State == pipeline.StateDown }
func (l lineFacts) heard() bool { return !l.down() && !l.stuck }

// facts looks at the lines and the vault. The lock is held.
func (h *Health) facts() facts {
	f := facts{now: h.clock(), place: h.conf.Place, vault: h.vault.Status(), beat: h.beat, custody: h.conf.Custody}
	if h.conf.Memory != nil {
		f.memory = h.conf.Memory()
	}
	f.silent = !h.beaten || f.now.Sub(h.beat) > beatWithin
	if h.sound > 0 {
		f.rate = float64(h.bytes) / h.sound.Hours()
	}
	if day := midnight(f.now, h.conf.Place); day.After(h.day) {
		for _, d := range h.days {
			d.turn(f.now)
		}
		clear(h.counted)
		h.day = day
	}
	status := map[string]pipeline.LineStatus{}
	for _, s := range h.lines.Status(nil) {
		status[s.ID] = s
	}
	for _, l := range h.conf.Lines {
		s, ok := status[l.ID]
		if !ok { // the pipeline has not begun with it
			s = pipeline.LineStatus{ID: l.ID, State: pipeline.StateDown, Since: h.started}
		}
		d := h.days[l.ID]
		d.see(f.now, counts{seen: s.Seen, began: s.Began, ended: s.Ended})
		one := lineFacts{Line: l, status: s, lost: h.loss(f.now, s), today: d.totals(f.now)}
		one.stuck = !one.down() && f.now.Sub(later(s.LastFrame, h.started)) > stuckAfter
		one.lossy = !one.down() && !one.lost.last.IsZero() && f.now.Sub(one.lost.last) < lossyFor
		f.lines = append(f.lines, one)
	}
	return f
}

// loss keeps when a line last lost sound other than by being paused on purpose.
func (h *Health) loss(now time.Time, s pipeline.LineStatus) loss {
	was := h.losses[s.ID]
	total := lost(s)
	if total > was.total {
		was.last = now
	}
	was.total = total
	h.losses[s.ID] = was
	return was
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// shown is the line as the console shows it.
func (l lineFacts) shown() api.Line {
	out := api.Line{ID: l.ID, Label: l.Label, State: state(l.status.State), Since: l.status.Since, Sides: sides(l.status.Sides), Today: l.today}
	switch {
	case l.down():
		out.Fault = "not heard"
	case l.stuck:
		out.State, out.Fault, out.Since = api.Fault, "gives no sound at all", l.status.LastFrame
	case l.lossy:
		out.Fault = "some of its sound is being lost"
	}
	return out
}

func (f facts) store() api.Store {
	v := f.vault
	out := api.Store{Answers: !f.silent, LastStored: v.LastStored, FreeBytes: int64(v.Space.Free), Lag: v.Lag}
	if usable := v.Space.Free - v.StopsAt; f.rate > 0 && usable > 0 {
		out.HoursLeft = float64(usable) / f.rate
	}
	return out
}

// answer is the one question's answer, and its sentence.
func (f facts) answer(st api.Status) (api.Recording, string) {
	heard, calls := 0, 0
	var deaf []lineFacts
	for _, l := range f.lines {
		if l.heard() {
			heard++
		} else {
			deaf = append(deaf, l)
		}
		if l.status.State == pipeline.StateCall || l.status.State == pipeline.StatePaused {
			calls++
		}
	}
	switch {
	case f.full():
		return api.No, "The disk is full since " + f.clock(f.vault.Space.Since) + ". Calls are being lost."
	case f.silent:
		return api.No, "The disk does not answer since " + f.clock(f.beat) + ". Calls are being lost."
	case heard == 0 && len(deaf) == 1:
		return api.No, deaf[0].Label + " is not heard since " + f.clock(deaf[0].status.Since) + ". Calls are being lost."
	case heard == 0:
		return api.No, "No line is heard. Calls are being lost."
	case len(deaf) == 1:
		return api.Trouble, deaf[0].Label + " is not heard since " + f.clock(deaf[0].status.Since) + ". " + rest(heard)
	case len(deaf) > 1:
		return api.Trouble, fmt.Sprintf("%d of %d lines are not heard. %s", len(deaf), len(f.lines), rest(heard))
	}
	for _, a := range st.Alarms {
		if a.Severity == SeverityFault {
			return api.Trouble, sentence(a.Title) + " " + going(calls)
		}
	}
	return api.Yes, working(len(f.lines)) + " " + going(calls)
}

// clock tells a time of today by the clock, and an older one with its day.
func (f facts) clock(t time.Time) string {
	t = t.In(f.place)
	if t.Before(midnight(f.now, f.place)) {
		return t.Format("Monday 2 January, 15:04")
	}
	return t.Format("15:04")
}

func working(n int) string {
	if n == 1 {
		return "The line is working."
	}
	return fmt.Sprintf("All %d lines are working.", n)
}

func rest(n int) string {
	if n == 1 {
		return "The other line records."
	}
	return fmt.Sprintf("The other %d lines record.", n)
}

func going(calls int) string {
	switch calls {
	case 0:
		return "No call now."
	case 1:
		return "1 call now."
	}
	return fmt.Sprintf("%d calls now.", calls)
}

func sentence(title string) string { return strings.TrimSuffix(title, ".") + "." }
