//go:build cgo

package alsa

import (
	"fmt"
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatHoldsTheAudioThreadUpIsToldOfAProcessThatMayNotBeDumpedToo(t *testing.T) {
	for _, c := range []struct {
		call, wchan string // empty: not to be read
		want        bool
	}{
		{call: "running", want: true},
		{call: fmt.Sprintf("%d 0x0 0x0", unix.SYS_FUTEX), want: true},
		{call: fmt.Sprintf("%d 0x0 0x0", unix.SYS_PPOLL)},
		{call: fmt.Sprintf("%d 0x0 0x0", unix.SYS_IOCTL), wchan: "0"},
		{wchan: "futex_do_wait", want: true},
		{wchan: "0", want: true},
		{wchan: "poll_schedule_timeout.constprop.0"},
		{wchan: "snd_pcm_lib_read"},
		{}, // it has ended
	} {
		got := runs(func(file string) ([]byte, error) {
			switch {
			case file == "syscall" && c.call != "":
				return []byte(c.call), nil
			case file == "syscall" && c.wchan != "":
				return nil, fmt.Errorf("open %s: %w", file, fs.ErrPermission)
			case file == "wchan" && c.wchan != "":
				return []byte(c.wchan), nil
			}
			return nil, fs.ErrNotExist
		})
		if got != c.want {
			t.Errorf("syscall %q, wchan %q: runs %v", c.call, c.wchan, got)
		}
	}
}
