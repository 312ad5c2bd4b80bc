// Package api is what the box says of itself to whoever asks: the console's pages and live meters, linekeepctl, other systems.
//
//	In:    nothing; firmware/health fills these values
//	Out:   JSON shapes, free of anything about a particular past call: no numbers, no times of past calls
//	Owner: plain values; no goroutine
//	Full:  a Status is a few kilobytes for 32 lines; it is made anew for each asking
package api

import "time"

// Recording is the answer to the one question: is it recording? In the words of the lamps.
type Recording string

// The answers. Anything but Yes comes with at least one alarm that says why.
const (
	Yes     Recording = "recording"
	Trouble Recording = "trouble" // recording, something is wrong
	No      Recording = "not recording"
)

// Status is the box at one moment.
type Status struct {
	Now       time.Time
	Box       string // the box's name, such as LK-7F3A
	Site      string // the office's name
	Version   string
	Started   time.Time
	Recording Recording
	Sentence  string // "All 4 lines are working. 1 call now."
	Lines     []Line
	Alarms    []Alarm
	Today     Totals
	Store     Store
	Custody   string // fingerprint of the key that recordings are locked with, as it is on the disk
	Rescue    string // fingerprint of the rescue page's certificate: printed on the sheet, seen when the vault is locked
}

// LineState is what a line is doing.
type LineState string

// The states of a line.
const (
	Idle    LineState = "idle"
	Ringing LineState = "ringing"
	Call    LineState = "call"
	Paused  LineState = "paused"
	Fault   LineState = "fault" // its device is away, or its sound is being lost
)

// Line is one line at one moment.
type Line struct {
	ID    string // from the configuration
	Label string // "Reception"
	State LineState
	Since time.Time // of the state
	Fault string    // in words, when State is Fault
	Sides []Side
	Today Totals
}

// Side is the level of one channel.
type Side struct {
	Name  string  // "Office", "Caller", or "Line" where both are on one channel
	Level float64 // dBFS RMS of the last tenth of a second, -96 to 0
	Peak  float64 // dBFS, highest sample of the last second
}

// Totals is a completeness statement: Seen = Recorded + Gaps + Missed + Now, at every moment. The console shows a
// call that none of these accounts for as missed, so all of them must be counted under one lock.
type Totals struct {
	Seen     uint64 // calls seen on the line
	Recorded uint64 // filed from start to end
	Gaps     uint64 // filed, with at least one gap whose cause is known
	Missed   uint64 // not in the vault
	Now      uint64 // going on at this moment, or over and not yet filed
}

// Alarm is something a person must know.
type Alarm struct {
	Code     string // stable, such as "store.full"
	Severity string // "fault" (sound is being lost, or in danger) or "due" (a person must do something)
	Title    string // "The disk is full"
	Text     string // what is so, since when
	Todo     string // what to do
	Since    time.Time
}

// VaultLocked is the code of the alarm that the vault does not open, though the box records.
const VaultLocked = "vault.locked"

// Store is how the vault is.
type Store struct {
	Answers    bool      // the last heartbeat was written and read back
	LastStored time.Time // when sound was last synced to disk
	FreeBytes  int64
	HoursLeft  float64       // of sound, at the bytes an hour of recent calls; 0 if not known
	Lag        time.Duration // heard to stored, the newest group
}
