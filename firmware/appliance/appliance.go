// Package appliance joins the parts into a box: one visible list, one Run, one order of stopping. It has no logic of its
// own: what a part does is the part's, and which parts are real is firmware/cmd's.
//
//	In:    the parts that differ between a box and a laptop (the chip, the lines), and the settings
//	Out:   a box that records until its context ends
//	Owner: Run owns all goroutines of the box, by the Run of each part
//	Full:  see each part; here nothing queues
//
// Started from right to left, stopped from left to right, so that what is on its way goes all the way down:
//
//	control, console   nobody asks a box that is going down
//	inputs             no new sound
//	health             knows the end of every call
//	pipeline           reads what the lines still hold, closes the calls, commits the last group: stored
//	vault              moves and files what it can; keys wiped
//	chip               nothing loaded is left in it
package appliance

import (
	"context"
	"errors"
	"log/slog"

	"linekeep/drivers/line"
	"linekeep/drivers/tpm"
	"linekeep/firmware/config"
)

// Input is a piece of hardware and the lines it carries, by their ids.
type Input struct {
	Source line.Source
	Lines  map[string]line.Line
}

// Parts are what a box and a laptop have different. Run takes them over, and closes the chip.
type Parts struct {
	Chip   tpm.Sealer
	Inputs []Input
}

// Run builds the box and runs it until ctx ends.
func Run(ctx context.Context, cfg config.Config, parts Parts, log *slog.Logger) error {
	return errors.New("appliance: the vault is not there yet")
}
