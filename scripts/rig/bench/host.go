package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"linekeep/scripts/rig/bench/wire"
)

// port is the way to the host, which is opened once: a virtio port has room for one.
var port = sync.OnceValues(func() (*hostPort, error) {
	path := os.Getenv("RIG_CONTROL") // set by scripts/rig/init
	if path == "" {
		return nil, errors.New("this is not the rig's guest: it has no port to the host")
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the port to the host: %w", err)
	}
	return &hostPort{f: f, in: bufio.NewReader(f)}, nil
})

type hostPort struct {
	mu sync.Mutex
	f  *os.File
	in *bufio.Reader
}

func (p *hostPort) ask(q wire.Request) (json.RawMessage, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("ask the host: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.f.Write(append(text, '\n')); err != nil {
		return nil, fmt.Errorf("ask the host: %w", err)
	}
	line, err := p.in.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("ask the host: %w", err)
	}
	var a wire.Answer
	if err := json.Unmarshal(line, &a); err != nil {
		return nil, fmt.Errorf("ask the host: %w", err)
	}
	if a.Fault != "" {
		return nil, fmt.Errorf("the host: %s", a.Fault)
	}
	return a.Return, nil
}

// QMP has QEMU do a command of its monitor, and gives what it answers.
func QMP(command string, arguments map[string]any) (json.RawMessage, error) {
	p, err := port()
	if err != nil {
		return nil, err
	}
	return p.ask(wire.Request{Execute: command, Arguments: arguments})
}

// Keep has the host keep a file in build/rig/kept: what a person looks at afterwards, such as a capture for tshark.
func Keep(name string, data []byte) error {
	p, err := port()
	if err != nil {
		return err
	}
	_, err = p.ask(wire.Request{Keep: name, Data: data})
	return err
}

// PlugStick plugs the USB stick in. Its partition, FAT with the label RIGSTICK, shows up as a disk's some 1.5 s later.
func PlugStick() error {
	var err error
	// After it was pulled out, QEMU takes a moment to let go of its file.
	eventually(letGo, func() bool {
		_, err = QMP("device_add", map[string]any{"driver": "usb-storage", "id": "stick", "drive": "stick", "bus": "xhci.0", "serial": StickSerial, "removable": true})
		return err == nil
	})
	return err
}

const letGo = 10 * time.Second

// StickSerial is the stick's serial number.
const StickSerial = "RIGSTICK0001"

// UnplugStick pulls it out, whatever is going on.
func UnplugStick() error {
	_, err := QMP("device_del", map[string]any{"id": "stick"})
	return err
}

// WarnNVMe sets the NVMe disk's critical warning (NVM Express, SMART / health information, byte 0): 4 says that it is no
// longer reliable, 0 that all is well.
func WarnNVMe(warning int) error {
	_, err := QMP("qom-set", map[string]any{"path": "/machine/peripheral/nvme0", "property": "smart_critical_warning", "value": warning})
	return err
}
