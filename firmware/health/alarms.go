package health

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"linekeep/ui/api"
)

// The severities of an alarm.
const (
	SeverityFault = "fault" // sound is being lost, or in danger
	SeverityDue   = "due"   // a person must do something
)

// rule is one alarm: when it is up, and what it says. The codes are stable; other systems wait for them.
type rule struct {
	code, severity string
	title, text    string
	todo           string
	box            func(f facts) (up bool, since time.Time)     // of the whole box
	line           func(l lineFacts) (up bool, since time.Time) // or of each line; %s in title and text is its label
	more           func(f facts) string                         // follows text, a sentence; may be nil
	why            func(f facts) error                          // for the log, where there is more to say; may be nil
}

// rules are all alarms there are. Where since is left zero, it is when we first saw it.
func rules() []rule {
	return slices.Concat(boxRules(), erasingRules(), custodyRules(), keepingRules(), memoryRules(), lineRules())
}

func boxRules() []rule { return slices.Concat(lockedRules(), storeRules(), readingRules()) }

func storeRules() []rule {
	return []rule{
		{code: "store.silent", severity: SeverityFault, title: "The disk does not answer",
			text: "Nothing has been stored since %s. Calls are being lost.",
			todo: "Look whether the disk's cable sits firmly, then switch the box off and on. If it stays so, change the disk.",
			// A full disk takes no heartbeat either: then that is what a person must know.
			box: func(f facts) (bool, time.Time) { return f.silent && !f.full(), f.beat }},
		{code: "store.full", severity: SeverityFault, title: "The disk is full",
			text: "New calls are not recorded since %s. What was stored is safe.",
			todo: "Make room: archive and release old recordings, or put in a larger disk. Nothing is ever deleted early.",
			box:  func(f facts) (bool, time.Time) { return f.full(), f.vault.Space.Since }},
		{code: "store.low", severity: SeverityDue, title: "The disk will soon be full",
			text: "Noticed at %s. When it is full the box stops recording rather than delete anything early.",
			todo: "Archive old recordings, or put in a larger disk.",
			box: func(f facts) (bool, time.Time) {
				hours := f.store().HoursLeft
				return !f.silent && !f.full() && hours > 0 && hours < lowHours, time.Time{}
			}},
		{code: "store.waiting", severity: SeverityFault, title: "A call is up that is not being stored",
			text: "Since %s the vault has not taken it.",
			todo: "Ring whoever looks after the box: the log says why.",
			box:  func(f facts) (bool, time.Time) { return !f.silent && !f.full() && f.vault.Waiting > 0, time.Time{} }},
		{code: "store.behind", severity: SeverityDue, title: "Recordings are stored, but do not get into their place",
			text: "Since %s. They are safe in the journal, and cannot be found or heard yet.",
			todo: "Ring whoever looks after the box: the log says why.",
			box:  func(f facts) (bool, time.Time) { return f.vault.MoveError != "", time.Time{} }},
		{code: "custody.altered", severity: SeverityFault, title: "The key that recordings are locked with is not the printed one",
			text: "Since %s. Calls recorded under it might be opened by somebody else.",
			todo: "Compare the fingerprint with the printed sheet, and ring whoever looks after the box.",
			box: func(f facts) (bool, time.Time) {
				return f.custody != "" && f.custody != f.vault.Custody, time.Time{}
			}},
		{code: "calls.missed", severity: SeverityDue, title: "A call was missed today",
			text: "Noticed at %s. A line saw more calls than the vault holds.",
			todo: "Look at the lines below: the totals name the line. The log says why.",
			box: func(f facts) (bool, time.Time) {
				for _, l := range f.lines {
					if l.today.Missed > 0 {
						return true, time.Time{}
					}
				}
				return false, time.Time{}
			}},
	}
}

// memoryRules are about keys that could leave the memory. None of them stops a recording.
func memoryRules() []rule {
	return []rule{
		{code: "memory.swap", severity: SeverityDue, title: "Keys of recordings could reach a disk in clear",
			text: "Noticed at %s: this computer moves parts of its memory to a disk when it runs short of it. That is called swap.",
			todo: "Turn swap off: swapoff -a, and take it out of /etc/fstab. A box as delivered has none.",
			box: func(f facts) (bool, time.Time) {
				return len(f.memory.Swaps) > 0 || f.memory.SwapsErr != nil, time.Time{}
			},
			why: func(f facts) error {
				if f.memory.SwapsErr != nil {
					return f.memory.SwapsErr
				}
				return fmt.Errorf("swap is on %s", strings.Join(f.memory.Swaps, ", "))
			}},
		{code: "memory.open", severity: SeverityDue, title: "Keys of recordings could not be locked in memory",
			text: "Noticed at %s. The system allows the box too little memory that stays out of swap.",
			todo: "Ring whoever looks after the box: its limit on locked memory (LimitMEMLOCK) should be 64 MB or more.",
			box:  func(f facts) (bool, time.Time) { return f.memory.Keys.Reason != nil, time.Time{} },
			why:  func(f facts) error { return f.memory.Keys.Reason }},
		{code: "memory.dumped", severity: SeverityDue, title: "Others on this computer can copy what the box has in memory",
			text: "Noticed at %s. The system would not let the box forbid it.",
			todo: "Ring whoever looks after the box: the log says why.",
			box:  func(f facts) (bool, time.Time) { return f.memory.Dumpable != nil, time.Time{} },
			why:  func(f facts) error { return f.memory.Dumpable }},
	}
}

func lineRules() []rule {
	return []rule{
		{code: "line.gone", severity: SeverityFault, title: "%s is not heard",
			text: "Since %s. Calls on this line are not recorded.",
			todo: "Check that the line's cable sits in its socket, and that the device it is plugged into is on.",
			line: func(l lineFacts) (bool, time.Time) { return l.down(), l.status.Since }},
		{code: "capture.stuck", severity: SeverityFault, title: "%s gives no sound at all",
			text: "Since %s, not even silence. Calls on this line are not recorded.",
			todo: "Switch the box off and on. If it comes back, the device is at fault.",
			line: func(l lineFacts) (bool, time.Time) { return l.stuck, l.status.LastFrame }},
		{code: "line.lossy", severity: SeverityFault, title: "Some sound of %s is being lost",
			text: "Since %s. Each gap is marked in its recording, with its cause.",
			todo: "Ring whoever looks after the box: it is too busy, or a device loses sound.",
			line: func(l lineFacts) (bool, time.Time) { return l.lossy, time.Time{} }},
	}
}

// alarms are those that are up, and the log hears of each that came or went. The lock is held.
func (h *Health) alarms(ctx context.Context, f facts) []api.Alarm {
	var up []api.Alarm
	seen := map[string]bool{}
	raise := func(r rule, l *lineFacts, since time.Time) {
		id := ""
		title := r.title
		if l != nil {
			id, title = l.ID, fmt.Sprintf(r.title, l.Label)
		}
		key := r.code + " " + id
		first, known := h.since[key]
		if !known {
			first = f.now
			if !since.IsZero() {
				first = since
			}
			h.since[key] = first
			said := []slog.Attr{slog.String("alarm", r.code), slog.String("line", id)}
			if r.why != nil {
				said = append(said, slog.Any("err", r.why(f)))
			}
			h.log.LogAttrs(ctx, slog.LevelWarn, "alarm raised", said...)
		}
		seen[key] = true
		text := fmt.Sprintf(r.text, f.clock(first))
		if r.more != nil {
			text += " " + r.more(f)
		}
		up = append(up, api.Alarm{Code: r.code, Severity: r.severity, Title: title, Text: text, Todo: r.todo, Since: first})
	}
	for _, r := range rules() {
		if r.box != nil {
			if yes, since := r.box(f); yes {
				raise(r, nil, since)
			}
			continue
		}
		for i := range f.lines {
			if yes, since := r.line(f.lines[i]); yes {
				raise(r, &f.lines[i], since)
			}
		}
	}
	for key := range h.since {
		if !seen[key] {
			delete(h.since, key)
			h.log.LogAttrs(ctx, slog.LevelInfo, "alarm cleared", slog.String("alarm", key))
		}
	}
	return up
}
