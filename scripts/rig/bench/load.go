package bench

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Run runs a program and gives its output; the error has it too.
func Run(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Modprobe loads a module of the kernel, with parameters such as "debug=1". One that is there stays as it is.
func Modprobe(name string, parameters ...string) error {
	_, err := Run("modprobe", append([]string{name}, parameters...)...)
	return err
}

// eventually asks until ok or the time is over.
func eventually(within time.Duration, ok func() bool) bool {
	for end := time.Now().Add(within); ; <-time.After(10 * time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

var (
	loadDAHDI = sync.OnceValue(func() error {
		if there("/sys/module/dahdi_dynamic_loc") { // by another program of this boot
			return nil
		}
		// Without it, spans are there and have no channels.
		err := Modprobe("dahdi", "auto_assign_spans=1")
		if err == nil {
			err = Modprobe("dahdi_dynamic")
		}
		if err == nil {
			err = Modprobe("dahdi_dynamic_loc")
		}
		if err == nil {
			err = Configure()
		}
		return err
	})
	loadISDN = sync.OnceValue(func() error {
		if there("/sys/module/l1oip") {
			return nil
		}
		// Loaded once in a boot: it cannot be taken out again after a D channel was used.
		var types, addresses, ports, remotes, ids []string
		for c := range cards {
			types = append(types, c.kind())
			addresses = append(addresses, "127,0,0,1")
			ports = append(ports, fmt.Sprint(c.port()))
			remotes = append(remotes, fmt.Sprint(c.remotePort()))
			ids = append(ids, fmt.Sprint(c.id()))
		}
		err := Modprobe("mISDN_core")
		if err == nil {
			list := func(name string, of []string) string { return name + "=" + strings.Join(of, ",") }
			err = Modprobe("l1oip", list("type", types), list("ip", addresses), list("port", ports), list("remoteport", remotes), list("id", ids))
		}
		return err
	})
	loadALSA = sync.OnceValue(func() error {
		if err := Modprobe("snd-aloop"); err != nil {
			return err
		}
		if !eventually(5*time.Second, func() bool { return there("/dev/snd/pcmC0D1c") }) {
			return fmt.Errorf("snd-aloop made no devices")
		}
		return nil
	})
)

// LoadDAHDI loads DAHDI and makes the spans of scripts/rig/system.conf, once in a boot.
func LoadDAHDI() error { return loadDAHDI() }

// LoadISDN loads mISDN with the cards that Card names, once in a boot.
func LoadISDN() error { return loadISDN() }

// LoadALSA loads the sound card that hears itself, once in a boot.
func LoadALSA() error { return loadALSA() }

// Configure runs dahdi_cfg with the rig's settings: it makes the spans that are missing, and sets up all channels.
func Configure() error {
	_, err := Run("dahdi_cfg", "-c", "/etc/dahdi/system.conf")
	return err
}

func there(path string) bool {
	found, _ := filepath.Glob(path) // a fixed pattern is never malformed
	return len(found) > 0
}
