package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"linekeep/audio/call"
	"linekeep/audio/pcm"
	"linekeep/audio/pipeline"
	"linekeep/audio/rule"
	"linekeep/drivers/line"
	"linekeep/vault/catalog/number"
	"linekeep/vault/keys"
)

const (
	defaultLookback = 2 * time.Second  // card guard's delay: time to say "hold on" and press the key
	longestLookback = 10 * time.Second // what it holds back is what a power cut loses
	maxLines        = 64               // twice what one box is made for; a wrong loop in a script makes more
	maxDeviceName   = 255              // miniaudio keeps an ALSA name in 256 bytes
)

// An id stands in folder names, log lines and commands, so it is short and plain.
var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// A box's name is read over the telephone.
var boxName = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]{0,15}$`)

var phoneNumber = regexp.MustCompile(`^\+?[0-9 ]{2,24}$`)

// reader turns a file into a Config and keeps what is wrong on the way.
type reader struct {
	at     map[string]int
	faults []Fault
}

func (r *reader) fault(key, format string, args ...any) {
	r.faults = append(r.faults, Fault{Key: key, Line: r.at[key], Text: fmt.Sprintf(format, args...)})
}

// unknown tells a key that means nothing, at each place where it stands: the library gives its name without the index.
func (r *reader) unknown(key string) {
	found := false
	for path := range r.at {
		if bare(path) == key {
			r.fault(path, "there is no such setting")
			found = true
		}
	}
	if !found {
		r.fault(key, "there is no such setting")
	}
}

// take moves a setting that is there and right into dst; otherwise dst keeps its default.
func take[T any](r *reader, key string, v value[T], dst *T) {
	switch {
	case v.fault != "":
		r.fault(key, "%s", v.fault)
	case v.set:
		*dst = v.v
	}
}

// need does the same for a text without a default.
func need(r *reader, key string, v value[string], dst *string) {
	take(r, key, v, dst)
	if v.fault == "" && strings.TrimSpace(*dst) == "" {
		r.fault(key, "is missing")
	}
}

func (r *reader) config(f file) Config {
	c := Config{Console: Console{Address: ":8443"}, Control: Control{Socket: "/run/linekeep/control.sock"},
		TPM: TPM{Device: "/dev/tpmrm0"}, Data: Data{Classes: []string{"standard"}}}
	need(r, "site.name", f.Site.Name, &c.Site.Name)
	need(r, "site.box", f.Site.Box, &c.Site.Box)
	if c.Site.Box != "" && !boxName.MatchString(c.Site.Box) {
		r.fault("site.box", "%q is not a name of capital letters, figures and dashes, such as LK-7F3A", c.Site.Box)
	}
	c.Site.Numbers = number.Defaults()
	take(r, "site.country", f.Site.Country, &c.Site.Numbers.Country)
	take(r, "site.area", f.Site.Area, &c.Site.Numbers.Area)
	for _, err := range parts(c.Site.Numbers.Validate()) {
		field, text, _ := strings.Cut(err.Error(), ": ")
		r.fault("site."+field, "%s", text)
	}
	need(r, "data.folder", f.Data.Folder, &c.Data.Folder)
	take(r, "data.classes", f.Data.Classes, &c.Data.Classes)
	r.classes(c.Data.Classes)
	c.Data.Keep = r.keep(f.Data.Keep, c.Data.Classes)
	need(r, "tpm.device", f.TPM.Device, &c.TPM.Device)
	need(r, "tpm.policy", f.TPM.Policy, &c.TPM.Policy)
	take(r, "custody.fingerprint", f.Custody.Fingerprint, &c.Custody.Fingerprint)
	need(r, "console.address", f.Console.Address, &c.Console.Address)
	r.address("console.address", c.Console.Address)
	need(r, "control.socket", f.Control.Socket, &c.Control.Socket)
	// Linux keeps the path of a unix socket in 108 bytes, the last of them 0 (unix(7)).
	if len(c.Control.Socket) > 107 {
		r.fault("control.socket", "has %d bytes; Linux takes at most 107 for a socket", len(c.Control.Socket))
	}
	c.Lines = r.lines(f.Lines, c.Data.Classes)
	return c
}

func (r *reader) classes(names []string) {
	if len(names) == 0 {
		r.fault("data.classes", "names no class; every recording has one")
	}
	for i, name := range names {
		switch {
		case keys.ValidClass(name) != nil:
			r.fault("data.classes", "%q is not a name of small letters, figures and dashes, a letter first", name)
		case name == "catalog" || name == "kept": // folders of the vault's own
			r.fault("data.classes", "%q is a name the vault uses itself", name)
		case slices.Contains(names[:i], name):
			r.fault("data.classes", "%q stands twice", name)
		}
	}
}

func (r *reader) address(key, address string) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		r.fault(key, "%q is not an address such as 192.168.1.20:8443 or :8443", address)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		r.fault(key, "%q is not a port from 0 to 65535", port)
	}
}

func (r *reader) lines(in []fileLine, classes []string) []Line {
	if len(in) == 0 {
		r.fault("line", "there is no [[line]]; the box would record nothing")
	}
	if len(in) > maxLines {
		r.fault("line", "%d lines; one box takes at most %d", len(in), maxLines)
	}
	ids, inputs := map[string]string{}, map[string]string{}
	out := make([]Line, 0, len(in))
	for i, f := range in {
		key := fmt.Sprintf("line[%d]", i+1)
		l := r.line(key, f, classes)
		if first, twice := ids[l.ID]; twice && l.ID != "" {
			r.fault(key+".id", "%q is also the id of %s", l.ID, first)
		}
		ids[l.ID] = key
		for _, ch := range l.Channels {
			if l.Driver == DAHDI || l.Driver == MISDN { // their drivers know what they take
				continue
			}
			input := fmt.Sprintf("%s %s channel %d", l.Driver, l.Device, ch)
			if first, twice := inputs[input]; twice && l.Device != "" {
				r.fault(key+".channels", "%s is already recorded by %s", input, first)
			}
			inputs[input] = key
		}
		out = append(out, l)
	}
	r.cards(out)
	return out
}

func (r *reader) line(key string, f fileLine, classes []string) Line {
	l := Line{Channels: []int{1}, Call: call.Defaults()}
	if len(classes) > 0 {
		l.Class = classes[0]
	}
	need(r, key+".id", f.ID, &l.ID)
	if l.ID != "" && !plainName.MatchString(l.ID) {
		r.fault(key+".id", "%q is not a name of small letters, figures and dashes", l.ID)
	}
	need(r, key+".label", f.Label, &l.Label)
	number := ""
	take(r, key+".number", f.Number, &number)
	l.Number = line.Number(number)
	if number != "" && !phoneNumber.MatchString(number) {
		r.fault(key+".number", "is not a telephone number or an extension: figures and blanks, + in front")
	}
	r.input(key, f, &l)
	r.rules(key, f, &l)
	take(r, key+".class", f.Class, &l.Class)
	if !slices.Contains(classes, l.Class) {
		r.fault(key+".class", "%q is not one of data.classes", l.Class)
	}
	r.cardGuard(key, f, &l)
	r.vox(key+".vox", f, &l.Call)
	return l
}

func (r *reader) input(key string, f fileLine, l *Line) {
	driver := ""
	need(r, key+".driver", f.Driver, &driver)
	l.Driver = Driver(driver)
	if drivers := []Driver{ALSA, DAHDI, MISDN, Sim}; driver != "" && !slices.Contains(drivers, l.Driver) {
		r.fault(key+".driver", "%q is not a driver: %q, %q, %q, or %q in the simulator", driver, ALSA, DAHDI, MISDN, Sim)
	}
	need(r, key+".device", f.Device, &l.Device)
	if l.Signals = "none"; l.Driver == MISDN || l.Driver == DAHDI && strings.HasPrefix(strings.TrimSpace(l.Device), "span") {
		l.Signals = "isdn"
	}
	take(r, key+".signals", f.Signals, &l.Signals)
	if l.Signals != "none" && (l.Driver == ALSA || l.Driver == Sim) {
		r.fault(key+".signals", "%q: %s has none that are set here", l.Signals, l.Driver)
	}
	if len(l.Device) > maxDeviceName {
		r.fault(key+".device", "has %d bytes; at most %d", len(l.Device), maxDeviceName)
	}
	take(r, key+".channels", f.Channels, &l.Channels)
	if n := len(l.Channels); n < 1 || n > line.MaxChannels {
		r.fault(key+".channels", "%d channels: one that carries both sides, or two, the office's and the caller's", n)
	}
	for i, ch := range l.Channels {
		if ch < 1 || ch > 64 || slices.Contains(l.Channels[:i], ch) {
			r.fault(key+".channels", "%v: channels are counted from 1 to 64, and each is named once", l.Channels)
			break
		}
	}
}

// rules reads which calls are recorded, and for how long that may be paused.
func (r *reader) rules(key string, f fileLine, l *Line) {
	for _, m := range []struct {
		key  string
		text value[string]
		dst  *rule.Mode
	}{{key + ".recording", f.Recording, &l.Recording}, {key + ".withheld", f.Withheld, &l.Withheld}} {
		text := rule.Always.String()
		take(r, m.key, m.text, &text)
		mode, err := rule.ParseMode(text)
		if err != nil {
			r.fault(m.key, "%q is not one of %q", text, rule.Modes())
		}
		*m.dst = mode
	}
	l.PauseFor = pipeline.DefaultPause
	take(r, key+".pause_for", f.PauseFor, &l.PauseFor)
	if l.PauseFor < pipeline.ShortestPause || l.PauseFor > pipeline.LongestPause {
		r.fault(key+".pause_for", "%v is not between %v and %v", l.PauseFor, pipeline.ShortestPause, pipeline.LongestPause)
	}
}

func (r *reader) cardGuard(key string, f fileLine, l *Line) {
	take(r, key+".card_guard", f.CardGuard, &l.CardGuard)
	lookback := defaultLookback
	take(r, key+".lookback", f.Lookback, &lookback)
	if lookback < line.FramePeriod || lookback > longestLookback {
		r.fault(key+".lookback", "%v is not between %v and %v", lookback, line.FramePeriod, longestLookback)
	}
	if l.CardGuard {
		l.Lookback = lookback
	}
}

func (r *reader) vox(key string, f fileLine, c *call.Config) {
	level := float64(c.Level)
	take(r, key+".level", f.Vox.Level, &level)
	c.Level = pcm.DBFS(level)
	take(r, key+".hold", f.Vox.Hold, &c.Hold)
	take(r, key+".pre_roll", f.Vox.PreRoll, &c.PreRoll)
	take(r, key+".min_sound", f.Vox.MinSound, &c.MinSound)
	take(r, key+".max_length", f.Vox.MaxLength, &c.MaxLength)
	for _, err := range parts(c.Validate()) {
		field, text, _ := strings.Cut(err.Error(), ": ")
		r.fault(key+"."+snake(field), "%s", text)
	}
}

// snake is the setting's name for a field of a Config: PreRoll is pre_roll.
func snake(field string) string {
	var b strings.Builder
	for i, c := range field {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// parts are the errors that errors.Join joined.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
