package call

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"linekeep/audio/pcm"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

const frame = line.FrameSamples

// short has times that a person can count in runes: hold 5, pre-roll 2, minimal sound 2, longest 30.
func short() Config {
	return Config{Level: -45, Hold: 100 * time.Millisecond, PreRoll: 40 * time.Millisecond, MinSound: 40 * time.Millisecond,
		MaxLength: 600 * time.Millisecond}
}

// play feeds a drawn line to a machine. One rune is 20 ms:
//
//	. silence   v voice   x lost by the recorder   - lost, device away
//	^ seized    r ringing   a answered   _ released   D down   U up   0-9 a key   > seized, told outgoing   < incoming
//	n caller's number   m extension's number
//
// Events lie at the start of their 20 ms, which are silent; for D they are lost.
func play(m *Machine, drawn string) []Transition {
	var out []Transition
	var lost line.Samples
	for i, r := range drawn {
		at := line.Position(i * frame)
		if e, ok := eventOf(r); ok {
			e.At = at
			m.Event(e)
		}
		if strings.ContainsRune("x-D", r) {
			lost += frame
			if lost < 3*frame { // a driver tells losses now and then
				continue
			}
			out = m.Frame(Heard{Start: at + frame, Lost: lost}, out)
			lost = 0
			continue
		}
		h := Heard{Start: at, Lost: lost, Len: frame}
		h.Level = [2]pcm.DBFS{-66, -66}
		if r == 'v' {
			h.Level[i%2] = -20
		}
		lost = 0
		out = m.Frame(h, out)
	}
	return out
}

func eventOf(r rune) (line.Event, bool) {
	switch r {
	case '^':
		return line.Event{Kind: line.Seized}, true
	case '>':
		return line.Event{Kind: line.Seized, Direction: line.Outgoing}, true
	case '<':
		return line.Event{Kind: line.Seized, Direction: line.Incoming}, true
	case 'r':
		return line.Event{Kind: line.Ringing}, true
	case 'a':
		return line.Event{Kind: line.Answered}, true
	case '_':
		return line.Event{Kind: line.Released}, true
	case 'D':
		return line.Event{Kind: line.Down}, true
	case 'U':
		return line.Event{Kind: line.Up}, true
	case 'n':
		return line.Event{Kind: line.Numbered, Side: line.Remote, Number: "02079460018"}, true
	case 'm':
		return line.Event{Kind: line.Numbered, Side: line.Office, Number: "21"}, true
	}
	if r >= '0' && r <= '9' {
		return line.Event{Kind: line.Digit, Digit: byte(r)}, true
	}
	return line.Event{}, false
}

// draw shows transitions as play's line does: [ begins at its column, ] ends before its column, | both at once.
func draw(length int, all []Transition) (picture, why string) {
	columns := []byte(strings.Repeat(" ", length+1))
	var reasons []string
	for _, t := range all {
		if t.Kind != Begin && t.Kind != End {
			continue
		}
		column := int(t.At / frame)
		switch {
		case t.Kind == Begin && columns[column] == ']':
			columns[column] = '|'
		case t.Kind == Begin:
			columns[column] = '['
		default:
			columns[column] = ']'
		}
		reasons = append(reasons, word(t))
	}
	return strings.TrimRight(string(columns), " "), strings.Join(reasons, " ")
}

func word(t Transition) string {
	triggers := map[segment.Trigger]string{segment.BySound: "sound", segment.BySignal: "signal", segment.ByLength: "length",
		segment.ByRestart: "restart", segment.ByReconnect: "reconnect"}
	reasons := map[segment.Reason]string{segment.EndSilence: "silence", segment.EndSignal: "released", segment.EndLength: "full",
		segment.EndGone: "gone", segment.EndStop: "stop"}
	if t.Kind == Begin {
		return triggers[t.Trigger]
	}
	if t.Call.Silent {
		return reasons[t.Reason] + "(silent)"
	}
	return reasons[t.Reason]
}

func machine(t *testing.T, signals bool) *Machine {
	t.Helper()
	return machineOf(short(), line.Info{Channels: 2, Signals: signals})
}

func TestALineWithoutSignals(t *testing.T) {
	for _, tt := range []struct{ name, line, want, why string }{
		{
			name: "sound begins a call with its pre-roll and the hold time of silence ends it",
			line: "......vvvv.........",
			want: "    [          ]", why: "sound silence",
		}, {
			name: "a pause shorter than the hold time is part of the call",
			line: "......vvvv....vv.......",
			want: "    [                ]", why: "sound silence",
		}, {
			name: "a click begins nothing",
			line: "......v.....v.......", want: "", why: "",
		}, {
			name: "a click does not keep a call open",
			line: "......vv..v........",
			want: "    [        ]", why: "sound silence",
		}, {
			name: "pre-roll never reaches into the call before",
			line: "......vv.....vv......",
			want: "    [        |      ]", why: "sound silence sound silence",
		}, {
			name: "pre-roll ends where the line began to be heard",
			line: "vv.......",
			want: "[      ]", why: "restart silence",
		}, {
			name: "a line already in a pause of a call at start goes on by restart",
			line: "...vv......",
			want: " [        ]", why: "restart silence",
		}, {
			name: "an endless call goes on in another recording at the same place",
			line: ".....vv" + strings.Repeat("v", 27) + "vvvv.....",
			want: "   [" + strings.Repeat(" ", 29) + "|         ]", why: "sound full length silence",
		}, {
			name: "a recording in which nothing is heard after the cut is marked silent",
			line: "......" + strings.Repeat("v", 27) + "........",
			want: "    [" + strings.Repeat(" ", 29) + "|   ]", why: "sound full length silence(silent)",
		}, {
			name: "a loss shorter than the hold time is a gap inside",
			line: "......vvv" + "xxxx" + ".vv.......",
			want: "    [                ]", why: "sound silence",
		}, {
			name: "a loss is not silence, nor sound: the silence before it goes on after it",
			line: "......vvv...xx..vv",
			want: "    [           |", why: "sound silence sound",
		}, {
			name: "a loss of the hold time ends the call in the loss, and sound after it is a reconnection",
			line: "......vvv-------vvv......",
			want: "    [         |         ]", why: "sound gone reconnect silence",
		}, {
			name: "down for longer than the hold time ends the call",
			line: "......vvvD----------U...........vv.....",
			want: "    [         ]               [        ]", why: "sound gone sound silence",
		}, {
			name: "down for a moment is a gap inside",
			line: "......vvvD--Uvv......",
			want: "    [               ]", why: "sound silence",
		}, {
			name: "sound right after the line is back is a call that was up before",
			line: "........D--U.vv......",
			want: "           [        ]", why: "reconnect silence",
		}, {
			name: "signals are not believed of a line that has none",
			line: "...^....._....", want: "", why: "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, why := draw(len(tt.line), play(machine(t, false), tt.line))
			if strings.TrimRight(tt.want, " ") != got || why != tt.why {
				t.Errorf("\nline %q\ngot  %q %s\nwant %q %s", tt.line, got, why, tt.want, tt.why)
			}
		})
	}
}

func TestALineWithSignals(t *testing.T) {
	for _, tt := range []struct{ name, line, want, why string }{
		{
			name: "seized to released, however quiet",
			line: "....^..................._...",
			want: "  [                     ]", why: "signal released(silent)",
		}, {
			name: "ringing that nobody takes is no recording",
			line: "...r....r...._..", want: "", why: "",
		}, {
			name: "answered after two rings",
			line: "..r...r...^vv.vv_...",
			want: "        [       ]", why: "signal released",
		}, {
			name: "a seizure without a release between ends one call and begins another",
			line: "....^vvvv..^vvv_..",
			want: "  [        |   ]", why: "signal released signal released",
		}, {
			name: "sound on a line that was released is none of a call",
			line: "..^vv_....vvvvvvv....", want: "[    ]", why: "signal released",
		}, {
			name: "sound at start is a call that was up, until the line says otherwise",
			line: "vvvv......vv_..vvvv",
			want: "[        |  ]", why: "restart silence sound released",
		}, {
			name: "after it was away a quiet line's call ends with silence",
			line: "..^vvv" + "D--U" + "........",
			want: "[             ]", why: "signal silence",
		}, {
			name: "the device gone for good ends a call at the hold time",
			line: "..^vvv" + "D---------",
			want: "[          ]", why: "signal gone",
		}, {
			name: "a long call goes on in another recording, with silence or without",
			line: "..^" + strings.Repeat(".", 34) + "_..",
			want: "[" + strings.Repeat(" ", 29) + "|      ]", why: "signal full(silent) length released(silent)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, why := draw(len(tt.line), play(machine(t, true), tt.line))
			if strings.TrimRight(tt.want, " ") != got || why != tt.why {
				t.Errorf("\nline %q\ngot  %q %s\nwant %q %s", tt.line, got, why, tt.want, tt.why)
			}
		})
	}
}

// A seizure is counted where it is signalled, whatever becomes of its recording: the completeness statement compares.
func TestP02_SeizuresAreCountedApartFromRecordings(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		signals    bool
		want       Counts
	}{
		{"two calls", "..^vv_...^_..", true, Counts{Seen: 2, Began: 2, Ended: 2}},
		{"a call of two recordings is one", "..^" + strings.Repeat(".", 34) + "_..", true, Counts{Seen: 1, Began: 2, Ended: 2}},
		{"a call that is still up", "..^vv", true, Counts{Seen: 1, Began: 1}},
		{"a call that only rang is seen, and came to nothing", "..r...r.._..", true, Counts{Seen: 1, Missed: 1}},
		{"clicks are counted, to say what the minimal sound costs", "....v....v..vv....", false, Counts{Seen: 1, Began: 1, Clicks: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := machine(t, tt.signals)
			play(m, tt.line)
			if got := m.Counts(); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestRingingThatStopsIsAMissedCall(t *testing.T) {
	m := machine(t, true)
	play(m, "..n..r"+strings.Repeat(".", 299))
	if s := m.State(); s != Ringing {
		t.Errorf("%v 6 s after the last ring, want ringing", s)
	}
	m.Frame(Heard{Start: m.pos, Len: 2 * frame, Level: [2]pcm.DBFS{-70, -70}}, nil)
	if s := m.State(); s != Idle || m.Counts().Missed != 1 || m.ring.number != "" {
		t.Errorf("%v, %+v, the number of the missed call is kept: %v", s, m.Counts(), m.ring.number != "")
	}
}

func TestStates(t *testing.T) {
	for _, tt := range []struct {
		line    string
		signals bool
		want    State
	}{
		{"....", true, Idle}, {"..r.", true, Ringing}, {"..r.^.", true, InCall}, {"..r.^._", true, Idle},
		{"......vv", false, InCall}, {"......vv..D", false, Away}, {"......vv..D--U", false, InCall}, {"..r.D", true, Away},
		{"..r.D..U", true, Idle},
	} {
		m := machine(t, tt.signals)
		play(m, tt.line)
		if tt.want == Away { // D is told by the frame after it
			m.Frame(Heard{Start: m.pos + frame, Lost: frame}, nil)
		}
		if got := m.State(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.line, got, tt.want)
		}
	}
	names := fmt.Sprint(Idle, Ringing, InCall, Away, State(9), Begin, End, Kind(0))
	if names != "idle ringing call down unknown begin end none" {
		t.Errorf("written as %s", names)
	}
}

func TestFactsOfACall(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"incoming on an analogue line: ringing, then off-hook is the answer", "..n.r...^vv._", "in 02079460018 answered"},
		{"incoming on a digital line", "..<nm..r..avv._", "in 02079460018 ext 21 answered"},
		{"incoming and given up", "..<nm..r..._", "in 02079460018 ext 21"},
		{"outgoing: off-hook and nothing rang", "..^.0.2.0.avv_", "out 020"},
		{"keys after the answer are kept apart", "..>.0.2.a.4.5.._", "out 02 answered keys 45"},
		{"keys of an incoming call are never a number", "..r..^.4.5.._", "in answered keys 45"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := slices.DeleteFunc(play(machine(t, true), tt.line), func(t Transition) bool { return t.Kind == Known })
			if len(all) != 2 {
				t.Fatalf("%d transitions, want 2: %v", len(all), all)
			}
			if got := tell(all[1].Call); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func tell(f Facts) string {
	s := fmt.Sprint(f.Direction)
	if f.Number != "" {
		s += " " + f.Number.Reveal()
	}
	if f.Extension != "" {
		s += " ext " + f.Extension.Reveal()
	}
	if f.Answered {
		s += " answered"
	}
	if f.Keyed != "" {
		s += " keys " + f.Keyed.Reveal()
	}
	return s
}
