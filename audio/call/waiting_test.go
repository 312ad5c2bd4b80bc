package call

import (
	"testing"

	"linekeep/audio/pcm"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// digital is a line with two channels that tells the answer.
func digital() *Machine {
	return machineOf(short(), line.Info{Channels: 2, Signals: true, Answers: true})
}

// TestALineThatTellsTheAnswer draws lines as play does; a call that came to nothing is told by its reason.
func TestALineThatTellsTheAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, line, want string
		ends             segment.Reason // of the call that came to nothing
	}{
		{"recorded from the answer on, with its pre-roll", "..<..r....avvvv..._..", "        [         ]", 0},
		{"nobody answers", "..<..r......_..", "", segment.EndMissed},
		{"the caller's tones are no answer", "..>..........._..", "", segment.EndMissed},
		{"the line goes away while it rings", "..<..r..D-------", "", segment.EndGone},
		{"the next call tells that the one before is over", "..<..r....>..avv_", "           [    ]", segment.EndMissed},
		{"an answer without a seizure that was seen", "....avvv.._", "  [       ]", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := digital()
			all := play(m, tt.line)
			if got, _ := draw(len(tt.line), all); got != tt.want {
				t.Errorf("\nline %q\ngot  %q\nwant %q", tt.line, got, tt.want)
			}
			var failed []segment.Reason
			for _, x := range all {
				if x.Kind == Failed {
					failed = append(failed, x.Reason)
				}
			}
			if tt.ends == 0 && len(failed) > 0 || tt.ends != 0 && (len(failed) != 1 || failed[0] != tt.ends) {
				t.Errorf("came to nothing: %v, want %v", failed, tt.ends)
			}
		})
	}
}

func TestABusyOrRefusedCallIsRejected(t *testing.T) {
	for _, cause := range []uint16{causeBusy, causeRejected} {
		m := digital()
		m.Event(line.Event{Kind: line.Seized, Direction: line.Outgoing})
		m.Event(line.Event{Kind: line.Numbered, Side: line.Remote, Number: "01632960018", At: frame})
		m.Event(line.Event{Kind: line.Released, Code: cause, At: 5 * frame})
		all := m.Frame(Heard{Start: 0, Len: 6 * frame, Level: [2]pcm.DBFS{-70, -70}}, nil)
		if len(all) != 1 || all[0].Kind != Failed || all[0].Reason != segment.EndRejected || all[0].Call.Cause != cause ||
			all[0].Call.Number != "01632960018" || all[0].At != 0 {
			t.Errorf("cause %d: %+v", cause, all)
		}
		if c := m.Counts(); c.Seen != 1 || c.Missed != 1 || m.State() != Idle {
			t.Errorf("cause %d: %+v, %v", cause, c, m.State())
		}
	}
}

// An answer can be lost from view; a call must not be lost with it.
func TestACallWhoseAnswerWasNotSeenIsRecordedOnceTheOfficeSpeaks(t *testing.T) {
	m := digital()
	m.Event(line.Event{Kind: line.Seized, Direction: line.Outgoing})
	var all []Transition
	for i := range line.Samples(60) {
		level := [2]pcm.DBFS{-70, -20} // an announcement
		if i >= 30 {
			level = [2]pcm.DBFS{-20, -70}
		}
		all = m.Frame(Heard{Start: i * frame, Len: frame, Level: level}, all)
	}
	m.Event(line.Event{Kind: line.Released, At: 60 * frame})
	all = m.Frame(Heard{Start: 60 * frame, Len: frame, Level: [2]pcm.DBFS{-70, -70}}, all)
	if len(all) != 2 || all[0].Kind != Begin || all[0].Trigger != segment.BySound || all[0].At < 30*frame || all[1].Kind != End ||
		all[1].Call.Answered || all[1].Call.Silent || all[1].Call.Direction != line.Outgoing {
		t.Errorf("got %+v", all)
	}
}

func TestWhatALineSaysOfACallIsKeptWithIt(t *testing.T) {
	m := digital()
	m.Event(line.Event{Kind: line.Seized, Direction: line.Incoming})
	m.Event(line.Event{Kind: line.Numbered, Side: line.Remote, Note: line.Withheld})
	m.Event(line.Event{Kind: line.Noted, Note: line.Redirecting, Number: "01632960100", Code: 1})
	for range 2 * maxNotes {
		m.Event(line.Event{Kind: line.Noted, Note: line.Display, Side: line.Remote, Text: "A. Caller"})
	}
	m.Event(line.Event{Kind: line.Answered, At: frame})
	m.Event(line.Event{Kind: line.Released, At: 3 * frame, Code: 16})
	all := m.Frame(Heard{Len: 4 * frame, Level: [2]pcm.DBFS{-70, -70}}, nil)
	end := all[len(all)-1]
	f := end.Call
	if end.Kind != End || !f.Withheld || f.Number != "" || f.Cause != 16 || len(f.Notes) != maxNotes ||
		f.Notes[0] != (Note{Note: line.Redirecting, Number: "01632960100", Code: 1}) || f.Notes[1].Text != "A. Caller" {
		t.Errorf("got %+v with %d notes", f, len(f.Notes))
	}
}

func TestAHeldCallIsTwoRecordingsAndOneCall(t *testing.T) {
	m := digital()
	for _, e := range []line.Event{
		{Kind: line.Seized, Direction: line.Outgoing, Call: 5}, {Kind: line.Answered, Call: 5, At: frame}, {Kind: line.Held, Call: 5, At: 10 * frame},
		{Kind: line.Retrieved, Call: 5, At: 20 * frame}, {Kind: line.Numbered, Call: 5, Side: line.Remote, Number: "01632960018", At: 20 * frame},
		{Kind: line.Released, Call: 5, Code: 16, At: 28 * frame},
	} {
		m.Event(e)
	}
	var all []Transition
	for i := range line.Samples(30) {
		all = m.Frame(Heard{Start: i * frame, Len: frame, Level: [2]pcm.DBFS{-20, -70}}, all)
	}
	picture, _ := draw(30, all)
	if want := "[         ]       [         ]"; picture != want {
		t.Errorf("got %q, want %q", picture, want)
	}
	end := all[len(all)-1]
	if all[1].Reason != segment.EndHeld || end.Reason != segment.EndSignal || !end.Call.Answered || end.Call.Number != "01632960018" {
		t.Errorf("%+v", all)
	}
	if c := m.Counts(); c.Seen != 1 || c.Began != 2 || c.Ended != 2 {
		t.Errorf("counts %+v", c)
	}
}

func TestACallThatMovedHereFromAnotherChannelIsSeenHereToo(t *testing.T) {
	m := digital()
	m.Event(line.Event{Kind: line.Retrieved, Call: 9, At: frame})
	m.Event(line.Event{Kind: line.Retrieved, Call: 9, At: frame}) // told twice
	m.Event(line.Event{Kind: line.Released, Call: 9, At: 5 * frame})
	m.Frame(Heard{Len: 8 * frame, Level: [2]pcm.DBFS{-70, -70}}, nil)
	if c := m.Counts(); c.Seen != 1 || c.Began != 1 || c.Ended != 1 || c.Missed != 0 {
		t.Errorf("counts %+v", c)
	}
}
