package space

import (
	"errors"
	"fmt"
	"time"
)

// Bytes is an amount of disk.
type Bytes int64

// The units people write.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

func (b Bytes) String() string {
	switch {
	case b >= 10*GiB || b <= -10*GiB:
		return fmt.Sprintf("%d GiB", b/GiB)
	case b >= MiB || b <= -MiB:
		return fmt.Sprintf("%d MiB", b/MiB)
	}
	return fmt.Sprintf("%d KiB", b/KiB)
}

// Config says where the guard stands.
type Config struct {
	StopCalls Bytes         // below this no new call begins
	StopAll   Bytes         // below this nothing is written
	Ballast   Bytes         // blocks held in a file of ours and given back when the vault must close or open on a full disk
	Poll      time.Duration // how often Run looks
}

// Defaults fit a disk of some tens of gigabytes or more. StopAll is an hour of 32 calls (about 200 MB an hour
// at 24 kbit/s and two parties) and the files Badger may begin meanwhile; Ballast is more than a table, a
// memtable's log and a value log's window for each folder open for writing.
func Defaults() Config {
	return Config{StopCalls: 512 * MiB, StopAll: 256 * MiB, Ballast: 64 * MiB, Poll: time.Second}
}

// Validate reports every fault together.
func (c Config) Validate() error {
	var errs []error
	if c.StopAll <= 0 {
		errs = append(errs, fmt.Errorf("space.stop_all: %v, must be more than nothing", c.StopAll))
	}
	if c.StopCalls < c.StopAll {
		errs = append(errs, fmt.Errorf("space.stop_calls: %v, must not be less than stop_all (%v)", c.StopCalls, c.StopAll))
	}
	if c.Ballast < 0 || c.Ballast > c.StopAll {
		errs = append(errs, fmt.Errorf("space.ballast: %v, must be between nothing and stop_all (%v)", c.Ballast, c.StopAll))
	}
	if c.Poll < 10*time.Millisecond || c.Poll > time.Minute {
		errs = append(errs, fmt.Errorf("space.poll: %v, must be between 10ms and 1m", c.Poll))
	}
	return errors.Join(errs...)
}
