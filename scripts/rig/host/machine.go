package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// machine is the guest and what it is plugged into.
type machine struct {
	o    options
	dir  string // sockets and the chip's state; short, because a socket's path has at most 107 bytes
	logs *os.File

	qemu, chip        *exec.Cmd
	results, control  net.Conn
	qmp               *qmp
	listeners         map[string]net.Listener
	stick, sata, nvme string
}

// connectWithin is how long swtpm and QEMU may take to show up.
const connectWithin = 30 * time.Second

// prepare makes the disks and the sockets.
func prepare(ctx context.Context, o options) (*machine, error) {
	m := &machine{o: o, listeners: map[string]net.Listener{}}
	m.sata, m.nvme, m.stick = filepath.Join(o.dir, "sata.img"), filepath.Join(o.dir, "nvme.img"), filepath.Join(o.dir, "stick.img")
	if err := errors.Join(makeData(ctx, m.sata), makeBlank(m.nvme, nvmeBytes), makeStick(ctx, m.stick)); err != nil {
		return nil, err
	}
	var err error
	if m.dir, err = os.MkdirTemp("", "rig"); err != nil {
		return nil, fmt.Errorf("make a folder for sockets: %w", err)
	}
	if m.logs, err = os.Create(filepath.Join(o.dir, "qemu.log")); err != nil {
		return nil, errors.Join(fmt.Errorf("make QEMU's log: %w", err), m.clear())
	}
	if err := os.Mkdir(filepath.Join(m.dir, "tpm"), 0o700); err != nil {
		return nil, errors.Join(err, m.clear())
	}
	// We listen and QEMU comes: then there is nothing to wait for but it.
	for _, name := range []string{"results", "control", "qmp"} {
		l, err := net.Listen("unix", filepath.Join(m.dir, name))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for QEMU: %w", err), m.clear())
		}
		m.listeners[name] = l
	}
	return m, nil
}

func (m *machine) clear() error {
	var faults []error
	for _, l := range m.listeners {
		faults = append(faults, l.Close())
	}
	if m.logs != nil {
		faults = append(faults, m.logs.Close())
	}
	return errors.Join(append(faults, os.RemoveAll(m.dir))...)
}

// start runs chip and machine, and waits until both are connected.
func (m *machine) start(ctx context.Context) error {
	socket := filepath.Join(m.dir, "chip")
	m.chip = child(ctx, m.logs, "swtpm", "socket", "--tpm2", "--tpmstate", "dir="+filepath.Join(m.dir, "tpm"), "--ctrl", "type=unixio,path="+socket)
	if err := m.chip.Start(); err != nil {
		return fmt.Errorf("start swtpm: %w", err)
	}
	deadline := time.Now().Add(connectWithin)
	for _, err := os.Stat(socket); err != nil; _, err = os.Stat(socket) {
		if time.Now().After(deadline) {
			m.stopChip()
			return fmt.Errorf("start swtpm: %w", err)
		}
		<-time.After(20 * time.Millisecond)
	}
	m.qemu = child(ctx, m.logs, "qemu-system-x86_64", m.arguments(socket)...)
	if err := m.qemu.Start(); err != nil {
		m.stopChip()
		return fmt.Errorf("start QEMU: %w", err)
	}
	err := errors.Join(m.accept("results", &m.results), m.accept("control", &m.control))
	var words net.Conn
	err = errors.Join(err, m.accept("qmp", &words))
	if err == nil {
		m.qmp, err = greet(words)
	}
	if err != nil {
		_ = m.qemu.Process.Kill() // it may have ended by itself, which is why we are here
		m.wait()
		m.hangUp()
		return fmt.Errorf("%w; see %s", err, m.logs.Name())
	}
	return nil
}

func (m *machine) accept(name string, to *net.Conn) error {
	l := m.listeners[name]
	if err := l.(*net.UnixListener).SetDeadline(time.Now().Add(connectWithin)); err != nil {
		return err
	}
	conn, err := l.Accept()
	if err != nil {
		return fmt.Errorf("wait for QEMU's %s: %w", name, err)
	}
	*to = conn
	return nil
}

// wait gives QEMU's exit status, -1 when it was killed. The chip goes when nobody uses it any more.
func (m *machine) wait() int {
	_ = m.qemu.Wait() // its status is not 0 when all is well
	m.stopChip()
	return m.qemu.ProcessState.ExitCode()
}

func (m *machine) stopChip() {
	_ = m.chip.Process.Kill() // it ends by itself when QEMU does
	_ = m.chip.Wait()
}

func (m *machine) hangUp() {
	for _, c := range []net.Conn{m.control, m.results} {
		if c != nil {
			_ = c.Close() // the other end is gone: nothing can be lost
		}
	}
	if m.qmp != nil {
		_ = m.qmp.conn.Close()
	}
}

// arguments are QEMU's. Plain TCG: the rig must run where there is no KVM, and be as fast everywhere.
func (m *machine) arguments(chip string) []string {
	in := func(name string) string { return filepath.Join(m.dir, name) }
	return []string{
		"-name", "linekeep-rig", "-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max", "-smp", "2", "-m", "1536",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
		"-kernel", m.o.kernel, "-initrd", m.o.initrd, "-append", "console=ttyS0 quiet panic=-1",
		"-serial", "file:" + filepath.Join(m.o.dir, "console.log"),
		"-device", "isa-debug-exit,iobase=0xf4,iosize=4",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=results,path=" + in("results"), "-device", "virtserialport,chardev=results,name=rig.results",
		"-chardev", "socket,id=control,path=" + in("control"), "-device", "virtserialport,chardev=control,name=rig.control",
		"-chardev", "socket,id=chip,path=" + chip, "-tpmdev", "emulator,id=tpm0,chardev=chip", "-device", "tpm-tis,tpmdev=tpm0",
		"-drive", "if=none,id=sata,format=raw,file=" + m.sata, "-device", "ide-hd,drive=sata,serial=RIGSATA0001,bus=ide.0",
		"-drive", "if=none,id=nvme,format=raw,file=" + m.nvme, "-device", "nvme,id=nvme0,drive=nvme,serial=RIGNVME0001",
		// As a blockdev, the stick can be plugged in again.
		"-device", "qemu-xhci,id=xhci", "-blockdev", "driver=file,node-name=stickfile,filename=" + m.stick,
		"-blockdev", "driver=raw,node-name=stick,file=stickfile",
		"-qmp", "unix:" + in("qmp"),
	}
}
