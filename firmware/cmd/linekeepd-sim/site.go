package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/linesim"
	"linekeep/firmware/appliance"
	"linekeep/firmware/config"
	"linekeep/firmware/inputs"
)

//go:embed site.toml
var siteTemplate string

// seed draws what the scripts leave to chance. Always the same, so that a demo can be told about.
const seed = 1

func settingsFile(site string) string { return filepath.Join(site, "linekeep.toml") }

// openSite reads the site's settings, and makes them at the first start.
func openSite(o options) (config.Config, error) {
	path := settingsFile(o.site)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeSite(o, path); err != nil {
			return config.Config{}, fmt.Errorf("make the demo site: %w", err)
		}
	}
	cfg, err := config.Load(path)
	if err != nil {
		return config.Config{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	return cfg, nil
}

// demoLine is a line of the template.
type demoLine struct {
	ID, Label, File string
	Channels        string
}

func makeSite(o options, path string) error {
	if err := os.MkdirAll(o.site, 0o700); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(o.demo, "*.txt"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s has no scripts", o.demo)
	}
	data := struct {
		TPM, Address string
		Scripts      []demoLine
	}{TPM: o.tpm, Address: o.address}
	for _, file := range files {
		l, err := describe(file)
		if err != nil {
			return err
		}
		data.Scripts = append(data.Scripts, l)
	}
	t, err := template.New("site").Parse(siteTemplate)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, data); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o600)
}

// describe makes a line of a script: 1-reception.txt is reception.
func describe(file string) (demoLine, error) {
	script, err := parse(file)
	if err != nil {
		return demoLine{}, err
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return demoLine{}, err
	}
	id := strings.TrimSuffix(filepath.Base(file), ".txt")
	if _, name, ok := strings.Cut(id, "-"); ok {
		id = name
	}
	l := demoLine{ID: id, Label: script.Name(), File: abs, Channels: "[1]"}
	if script.Channels() == line.MaxChannels {
		l.Channels = "[1, 2]"
	}
	return l, nil
}

func parse(file string) (*linesim.Script, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read a script: %w", err)
	}
	return linesim.Parse(file, text)
}

// chooseLines keeps the lines of the chosen driver.
func chooseLines(o options, cfg config.Config) (config.Config, error) {
	var chosen []config.Line
	for _, l := range cfg.Lines {
		if l.Driver == o.lines {
			chosen = append(chosen, l)
		}
	}
	cfg.Lines = chosen
	if len(chosen) == 0 {
		return cfg, fmt.Errorf("%w: %s names no line with driver %q", errUsage, settingsFile(o.site), o.lines)
	}
	return cfg, nil
}

// openLines makes the input of the chosen lines.
func openLines(o options, cfg config.Config, log *slog.Logger) ([]appliance.Input, error) {
	open := func() (appliance.Input, error) { return simulate(cfg.Lines, o.sounds) }
	if o.lines == config.ALSA {
		open = func() (appliance.Input, error) { return inputs.ALSA(cfg.Lines, log) }
	}
	in, err := open()
	return []appliance.Input{in}, err
}

func simulate(lines []config.Line, sounds string) (appliance.Input, error) {
	var scripts []*linesim.Script
	for _, l := range lines {
		script, err := parse(l.Device)
		if err != nil {
			return appliance.Input{}, err
		}
		if script.Channels() != len(l.Channels) {
			return appliance.Input{}, fmt.Errorf("%w: line %s has %d channels, its script %d", errUsage, l.ID, len(l.Channels), script.Channels())
		}
		scripts = append(scripts, script)
	}
	clips, err := linesim.LoadSounds(os.DirFS(sounds), scripts...)
	if err != nil {
		return appliance.Input{}, err
	}
	source, err := linesim.New(linesim.Config{Scripts: scripts, Sounds: clips, Seed: seed, Clock: time.Now})
	if err != nil {
		return appliance.Input{}, err
	}
	in := appliance.Input{Source: source, Lines: map[string]line.Line{}}
	for i, l := range source.Lines() {
		in.Lines[lines[i].ID] = l
	}
	return in, nil
}
