// Package uitest is for tests of the console: boxes in every state, and a real browser to look at them.
//
//	In:    nothing
//	Out:   Scenes, and Chromium behind a small interface
//	Owner: Start owns the browser and ends it with the test
//	Full:  one browser for a test; each look opens its own tab
package uitest

import (
	"fmt"
	"strings"
	"time"

	"linekeep/ui/api"
)

// Scene is a box in one state.
type Scene struct {
	Name   string
	Status api.Status
}

// Now is the moment of every scene.
func Now() time.Time { return time.Date(2026, time.November, 23, 9, 15, 24, 0, time.UTC) }

func ago(d time.Duration) time.Time { return Now().Add(-d) }

// Quiet is an office of four lines with one call up and nothing wrong.
func Quiet() api.Status {
	return api.Status{
		Now: Now(), Box: "LK-7F3A", Site: "Hartley & Rowe", Version: "0.1.0", Started: Now().AddDate(0, 0, -12),
		Recording: api.Yes, Sentence: "All 4 lines are working. 1 call now.",
		Lines: []api.Line{
			{ID: "1", Label: "Reception", State: api.Call, Since: ago(4*time.Minute + 12*time.Second),
				Sides: talk(-17, -11, -23, -14), Today: api.Totals{Seen: 24, Recorded: 23, Now: 1}},
			{ID: "2", Label: "Orders", State: api.Idle, Since: ago(9 * time.Minute),
				Sides: hush(-53), Today: api.Totals{Seen: 31, Recorded: 30, Gaps: 1}},
			{ID: "3", Label: "Accounts", State: api.Idle, Since: ago(31 * time.Minute),
				Sides: hush(-55), Today: api.Totals{Seen: 7, Recorded: 7}},
			{ID: "4", Label: "Workshop", State: api.Idle, Since: ago(95 * time.Minute), Sides: hush(-54)},
		},
		Today: api.Totals{Seen: 62, Recorded: 60, Gaps: 1, Now: 1},
		Store: api.Store{Answers: true, LastStored: ago(300 * time.Millisecond), FreeBytes: 212e9, HoursLeft: 12480,
			Lag: 640 * time.Millisecond},
	}
}

func talk(office, officePeak, caller, callerPeak float64) []api.Side {
	return []api.Side{{Name: "Office", Level: office, Peak: officePeak}, {Name: "Caller", Level: caller, Peak: callerPeak}}
}

func hush(peak float64) []api.Side {
	return []api.Side{{Name: "Line", Level: peak - 5, Peak: peak}}
}

// Scenes are all states the page must bear.
func Scenes() []Scene {
	return []Scene{
		{"recording", Quiet()}, {"ringing", ringing()}, {"paused", paused()}, {"line-fault", lineFault()},
		{"trouble", trouble()}, {"not-recording", notRecording()}, {"no-lines", noLines()}, {"new-day", newDay()},
		{"many-lines", manyLines()}, {"long-words", longWords()}, {"does-not-add-up", missed()},
	}
}

// Locked is an office whose box records while its vault does not open.
func Locked() api.Status {
	st := Quiet()
	st.Recording, st.Sentence = api.Trouble, "The box records, but its vault is locked. 1 call now."
	st.Custody, st.Rescue = "JHAWT-8GXCX-6G021-Q3C8H", "1C2D 3E4F"
	st.Today = api.Totals{Seen: 3, Recorded: 2, Now: 1}
	st.Alarms = []api.Alarm{{Code: api.VaultLocked, Severity: "fault", Title: "The box records, but its vault is locked",
		Text:  "The security chip was wiped, or is another one. No call can be found or heard until the vault is opened again.",
		Todo:  "Open this box's page in a browser, press the button on the box and type the recovery code of the printed sheet.",
		Since: ago(12 * time.Minute)}}
	return st
}

func ringing() api.Status {
	st := Quiet()
	st.Lines[2].State, st.Lines[2].Since = api.Ringing, ago(6*time.Second)
	st.Today.Seen, st.Today.Now = 63, 2
	st.Lines[2].Today.Seen, st.Lines[2].Today.Now = 8, 1
	return st
}

func paused() api.Status {
	st := Quiet()
	st.Sentence = "For a card payment. The other 3 lines record."
	st.Lines[1].State, st.Lines[1].Since = api.Paused, ago(38*time.Second)
	st.Lines[1].Sides = talk(-20, -12, -90, -90)
	st.Lines[1].Today = api.Totals{Seen: 32, Recorded: 30, Gaps: 1, Now: 1}
	st.Today.Seen, st.Today.Now = 63, 2
	return st
}

func lineFault() api.Status {
	st := Quiet()
	st.Recording = api.Trouble
	st.Sentence = "No power on the line since 08:40. The other 3 lines record."
	st.Lines[2].State, st.Lines[2].Since = api.Fault, ago(35*time.Minute)
	st.Lines[2].Fault = "The adapter of this line is not there. Calls on this line are not recorded."
	st.Lines[2].Sides = []api.Side{{Name: "Line", Level: -96, Peak: -96}}
	st.Alarms = []api.Alarm{{Code: "line.gone", Severity: "fault", Title: "Line 3, Accounts, is dead",
		Text: "The adapter of this line is not there. Calls on this line are not recorded.",
		Todo: "check that the grey cable sits in socket 3", Since: ago(35 * time.Minute)}}
	return st
}

func trouble() api.Status {
	st := Quiet()
	st.Recording = api.Trouble
	st.Sentence = "All 4 lines are working. The disk is nearly full."
	st.Store.HoursLeft, st.Store.FreeBytes = 31, 1.2e9
	st.Alarms = []api.Alarm{
		{Code: "archive.old", Severity: "due", Title: "The archive stick has not been in for 9 days",
			Text: "Calls are safe on the box, but the last 9 days have no second copy.",
			Todo: "put the stick marked Archive B into the left socket of the box", Since: Now().AddDate(0, 0, -9)},
		{Code: "store.full", Severity: "fault", Title: "The disk is nearly full",
			Text: "There is room for 31 hours of calls. After that nothing more is recorded.",
			Todo: "ring whoever looks after the box", Since: ago(2 * time.Hour)},
	}
	return st
}

func notRecording() api.Status {
	st := Quiet()
	st.Recording = api.No
	st.Sentence = "The disk does not answer since 09:12. Calls are being lost."
	st.Store = api.Store{LastStored: ago(3 * time.Minute)}
	st.Today = api.Totals{Seen: 62, Recorded: 60, Gaps: 1, Missed: 1}
	st.Lines[0].State, st.Lines[0].Fault = api.Fault, "The disk does not answer. This call is being lost."
	st.Alarms = []api.Alarm{{Code: "store.dead", Severity: "fault", Title: "The disk does not answer",
		Text: "Calls are being lost.",
		Todo: "switch the box off at its own switch, wait for 10 s, and switch it on again. If this page stays red, " +
			"ring whoever looks after the box", Since: ago(3 * time.Minute)}}
	return st
}

func noLines() api.Status {
	st := Quiet()
	st.Lines, st.Today = nil, api.Totals{}
	st.Recording, st.Sentence = api.No, "No line is set up."
	st.Alarms = []api.Alarm{{Code: "line.none", Severity: "due", Title: "No line is set up",
		Text: "The box has nothing to listen to.", Todo: "name at least one line in its configuration", Since: st.Started}}
	return st
}

func newDay() api.Status {
	st := Quiet()
	st.Now = time.Date(2026, time.November, 24, 0, 0, 7, 0, time.UTC)
	st.Sentence = "All 4 lines are working. No call now."
	st.Today = api.Totals{}
	st.Store.HoursLeft, st.Store.Lag = 0, 0
	for i := range st.Lines {
		st.Lines[i].Today, st.Lines[i].State, st.Lines[i].Sides = api.Totals{}, api.Idle, hush(-54)
	}
	return st
}

func manyLines() api.Status {
	st := Quiet()
	st.Lines = nil
	states := []api.LineState{api.Call, api.Idle, api.Idle, api.Ringing, api.Call, api.Idle, api.Paused, api.Idle}
	for i := range 32 {
		l := api.Line{ID: fmt.Sprint(i + 1), Label: fmt.Sprintf("Desk %d", i+1), State: states[i%len(states)],
			Since: ago(time.Duration(i+1) * 37 * time.Second), Sides: hush(-50 - float64(i%6)),
			Today: api.Totals{Seen: uint64(3 * i), Recorded: uint64(3 * i)}}
		if l.State != api.Idle {
			l.Sides = talk(-12-float64(i), -8-float64(i), -40+float64(i), -34+float64(i))
			l.Today.Seen, l.Today.Now = l.Today.Seen+1, 1
		}
		st.Today.Seen += l.Today.Seen
		st.Lines = append(st.Lines, l)
	}
	st.Today = api.Totals{Seen: 1504, Recorded: 1488, Now: 16}
	st.Recording, st.Sentence = api.Yes, "All 32 lines are working. 8 calls now."
	return st
}

func longWords() api.Status {
	st := trouble()
	st.Site = "Hartley, Rowe, Featherstonehaugh & Daughters (Chartered Surveyors) of Berwick-upon-Tweed"
	st.Box = "LK-7F3A-0001-WAREHOUSE"
	st.Sentence = strings.Repeat("The second adapter answers late, and its sound is marked with gaps. ", 2)
	st.Lines[0].Label = "Reception and visitors' enquiries, ground floor"
	st.Lines[1].Label = "Donaudampfschifffahrtsgesellschaftskapitän"
	st.Lines[2].Label = "<b>Bold & brash</b>\"'"
	st.Lines[0].Since = ago(80 * time.Hour)
	st.Lines[0].Today = api.Totals{Seen: 12345, Recorded: 12300, Missed: 44, Now: 1}
	st.Lines[3].State, st.Lines[3].Since, st.Lines[3].Fault = api.Fault, ago(80*time.Hour), strings.Repeat("The device is away. ", 8)
	st.Today = api.Totals{Seen: 1234567, Recorded: 1234000, Gaps: 500, Missed: 66, Now: 1}
	st.Alarms[0].Title = "The archive stick in the socket Verwaltungsgemeinschaftsarchivdatentraegersteckplatz-2 has not been in for 9 days"
	st.Alarms[1].Text = strings.Repeat("There is room for 31 hours of calls, and after that nothing more is recorded. ", 4)
	return st
}

func missed() api.Status {
	st := Quiet()
	st.Today = api.Totals{Seen: 64, Recorded: 60, Gaps: 1, Missed: 1, Now: 1}
	st.Lines[2].Today = api.Totals{Seen: 9, Recorded: 7, Missed: 1}
	return st
}
