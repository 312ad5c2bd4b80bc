// Package alsatest gives tests real ALSA capture devices without a sound card: it builds the simulated device of
// drivers/line/alsa/ioplug, writes the configuration that names them, and moves their plugs.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    Device, what a device hears and how it behaves
//	Out:   ALSA names that anything in this process, or a child with Environ, can capture from
//	Owner: no goroutine; the devices live in alsa-lib, inside whoever opens them
//	Full:  nothing is kept
package alsatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// alsaConf is where alsa-lib's own configuration lies; ours is read after it.
const alsaConf = "/usr/share/alsa/alsa.conf"

// Device describes a simulated device. The zero value of a field means its default.
type Device struct {
	Name     string  // ALSA name; must be told
	File     string  // what it hears: headerless little-endian samples; must be told
	Channels int     // 1
	RateHz   int     // 8000
	Bits     int     // 16; or 32
	Speed    float64 // 1; its clock against ours
	// OverrunMS is how much each Overrun loses; 60.
	OverrunMS int
	// UnplugMS takes it away so long after its first start, ReplugMS brings it back so long after that.
	UnplugMS, ReplugMS int
}

// Bench is a set of devices and the configuration that names them.
type Bench struct {
	t     testing.TB
	dir   string
	lib   string
	plugs []*Plug
}

// New makes an empty bench. It fails the test when the device cannot be built: the toolchain is part of the project.
func New(t testing.TB) *Bench {
	t.Helper()
	if _, err := os.Stat(alsaConf); err != nil {
		t.Fatalf("alsa-lib's configuration is missing (scripts/setup installs libasound2-dev): %v", err)
	}
	return &Bench{t: t, dir: t.TempDir(), lib: Build(t)}
}

// Build compiles the simulated device unless build/ioplug has it already, and returns the path of the library.
func Build(t testing.TB) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("no go.mod above the test's folder")
		}
	}
	lib := filepath.Join(root, "build", "ioplug", "libasound_module_pcm_linesim.so")
	made, err := os.Stat(lib)
	fresh := err == nil
	for _, part := range []string{"pcm_linesim.c", "config.c", "linesim.h", "../../../../scripts/ioplug"} {
		source, err := os.Stat(filepath.Join(root, "drivers/line/alsa/ioplug", part))
		if err != nil {
			t.Fatal(err)
		}
		fresh = fresh && source.ModTime().Before(made.ModTime())
	}
	if !fresh {
		if out, err := exec.Command(filepath.Join(root, "scripts", "ioplug")).CombinedOutput(); err != nil {
			t.Fatalf("scripts/ioplug: %v\n%s", err, out)
		}
	}
	return lib
}

// Add puts a device on the bench. Call Start when all are there.
func (b *Bench) Add(d Device) *Plug {
	b.t.Helper()
	p := &Plug{t: b.t, Device: d, control: filepath.Join(b.dir, d.Name+".control")}
	p.write()
	b.plugs = append(b.plugs, p)
	return p
}

// Start writes the configuration and points this process at it until the test ends.
func (b *Bench) Start() {
	b.t.Helper()
	key, value, _ := strings.Cut(b.Environ(), "=")
	b.t.Setenv(key, value)
}

// Environ writes the configuration and returns the variable that points a child process at it.
func (b *Bench) Environ() string {
	b.t.Helper()
	path := filepath.Join(b.dir, "asound.conf")
	if err := os.WriteFile(path, []byte(b.Config()), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return "ALSA_CONFIG_PATH=" + alsaConf + ":" + path
}

// Config is the configuration in ALSA's own words.
func (b *Bench) Config() string {
	var s strings.Builder
	fmt.Fprintf(&s, "pcm_type.linesim { lib %q }\n", b.lib)
	for _, p := range b.plugs {
		fmt.Fprintf(&s, "pcm.%s {\n\ttype linesim\n\tfile %q\n\tcontrol %q\n", p.Name, p.File, p.control)
		for _, f := range []struct {
			name  string
			value int
		}{
			{"channels", p.Channels}, {"rate", p.RateHz}, {"bits", p.Bits}, {"overrun_ms", p.OverrunMS},
			{"unplug_ms", p.UnplugMS}, {"replug_ms", p.ReplugMS},
		} {
			if f.value != 0 {
				fmt.Fprintf(&s, "\t%s %d\n", f.name, f.value)
			}
		}
		if p.Speed != 0 {
			fmt.Fprintf(&s, "\tspeed %.6f\n", p.Speed)
		}
		s.WriteString("}\n")
	}
	return s.String()
}

// Plug is a device on the bench, with a hand on its plug.
type Plug struct {
	Device
	t       testing.TB
	control string
	orders  struct{ unplugged, stalled, held, lost, overruns int }
}

// Unplug pulls the device out: a stream that runs turns DISCONNECTED, and it cannot be opened.
func (p *Plug) Unplug() { p.orders.unplugged = 1; p.write() }

// Replug puts it back.
func (p *Plug) Replug() { p.orders.unplugged = 0; p.write() }

// Stall makes the device give nothing, and lose what it would have given, or ends that.
func (p *Plug) Stall(on bool) { p.orders.stalled = number(on); p.write() }

// Hold makes the device wake nobody, and then give all that it has at once.
func (p *Plug) Hold(on bool) { p.orders.held = number(on); p.write() }

// Lose drops frames on the way, of which ALSA says nothing.
func (p *Plug) Lose(frames int) { p.orders.lost += frames; p.write() }

// Overrun makes the device run over once: the next read says EPIPE.
func (p *Plug) Overrun() { p.orders.overruns++; p.write() }

func number(on bool) int {
	if on {
		return 1
	}
	return 0
}

// write replaces the control file whole, so that the device never reads half of one.
func (p *Plug) write() {
	p.t.Helper()
	text := fmt.Sprintf("unplugged %d\nstalled %d\nheld %d\nlost %d\noverruns %d\n",
		p.orders.unplugged, p.orders.stalled, p.orders.held, p.orders.lost, p.orders.overruns)
	if err := os.WriteFile(p.control+".new", []byte(text), 0o600); err != nil {
		p.t.Errorf("order %s: %v", p.Name, err)
	}
	if err := os.Rename(p.control+".new", p.control); err != nil {
		p.t.Errorf("order %s: %v", p.Name, err)
	}
}
