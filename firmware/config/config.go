// Package config reads the box's settings file. It only joins: each part's own package has its defaults and judges its values.
//
//	In:    a TOML file, as linekeep.example.toml shows it; every key may be left out that has a default
//	Out:   a Config that every part accepts, or Faults: everything that is wrong with the file, at once
//	Owner: plain values; no goroutine
//	Full:  a file of more than MaxSize is refused
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/rule"
	"linekeep/drivers/line"
	"linekeep/vault/catalog/number"
	"linekeep/vault/retention"
)

// MaxSize is the largest settings file read: a hundred lines take some 20 KB.
const MaxSize = 1 << 20

// Config is what the settings file says.
type Config struct {
	Site    Site
	Data    Data
	TPM     TPM
	Custody Custody
	Console Console
	Control Control
	Lines   []Line
}

// Site names the office and its box.
type Site struct {
	Name string // of the office, as its people read it
	Box  string // of the box, such as LK-7F3A
	// Numbers says how telephone numbers are written where the box stands, so that a search finds all their forms.
	Numbers number.Rules
}

// Data is where recordings are kept.
type Data struct {
	Folder  string
	Classes []string                    // retention classes
	Keep    map[string]retention.Months // how long each is kept; a class that is not there has retention.Default
}

// TPM is the chip that opens the vault.
type TPM struct {
	Device string // a device such as /dev/tpmrm0
	Policy string // the file with the vendor's signed policy
}

// Custody is who may hear.
type Custody struct {
	Fingerprint string // of the key that recordings are locked with, as printed; empty where none is known
}

// Console is the web console.
type Console struct {
	Address string // host:port
}

// Control is linekeepctl's way in.
type Control struct {
	Socket string // a unix socket, mode 0600
}

// Driver says what hears a line.
type Driver string

// The drivers there are.
const (
	ALSA  Driver = "alsa"  // a sound card
	DAHDI Driver = "dahdi" // an analogue, E1 or BRI card by DAHDI
	MISDN Driver = "misdn" // two ISDN cards by mISDN
	Sim   Driver = "sim"   // a script of recorded speech; linekeepd-sim only
)

// Line is one tapped line.
type Line struct {
	ID        string
	Label     string
	Number    line.Number // the line's own, if it has one
	Driver    Driver
	Device    string // of ALSA its name; of sim the file of its script; of the others as their packages read it
	Channels  []int  // of ALSA and sim from 1: one that carries both sides, or the office's side and the caller's; of a circuit its time slot
	Signals   string // how calls are found, of DAHDI and MISDN: none, isdn, loop or e&m
	Class     string // one of Data.Classes
	Call      call.Config
	Recording rule.Mode     // which of its calls are recorded
	Withheld  rule.Mode     // of those whose number is kept back; Always leaves them to Recording
	PauseFor  time.Duration // how long a pause lasts unless somebody ends it, or says otherwise
	CardGuard bool
	Lookback  time.Duration // how much is still held back when card guard is on; 0 without card guard
}

// Load reads and checks the file at path. A file that can be read and is wrong gives Faults. Files that it names by a
// relative path are taken from its own folder.
func Load(path string) (Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the settings: %w", err)
	}
	if info.Size() > MaxSize {
		return Config{}, fmt.Errorf("read the settings %s: %d bytes, more than %d", path, info.Size(), MaxSize)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the settings: %w", err)
	}
	c, err := Parse(string(text))
	if faults := (Faults{}); errors.As(err, &faults) {
		faults.File = path
		return Config{}, faults
	}
	if err != nil {
		return Config{}, err
	}
	return c.below(filepath.Dir(path)), nil
}

// below makes the files that c names by a relative path those of folder.
func (c Config) below(folder string) Config {
	for _, path := range []*string{&c.Data.Folder, &c.TPM.Device, &c.TPM.Policy, &c.Control.Socket} {
		*path = join(folder, *path)
	}
	c.Lines = slices.Clone(c.Lines)
	for i := range c.Lines {
		if l := &c.Lines[i]; l.Driver == Sim {
			l.Device = join(folder, l.Device)
		}
	}
	return c
}

func join(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
