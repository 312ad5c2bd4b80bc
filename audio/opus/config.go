package opus

import (
	"errors"
	"fmt"
)

// Config says how sound is encoded.
type Config struct {
	Bitrate    int  // bit/s of one party track
	Complexity int  // 0 (cheapest) to 10
	DTX        bool // one-byte packets while nobody speaks: an hour of one party of a call falls from 10.4 to 4.1 MB, and what lies under the speech is lost
}

// Defaults is the setting the figures of this project are measured with.
func Defaults() Config { return Config{Bitrate: 24_000, Complexity: 5} }

// Validate reports every fault of c.
func (c Config) Validate() error {
	var errs []error
	// Under 6 kbit/s libopus has no narrowband speech mode; over 64 kbit/s telephone sound gains nothing,
	// and packets would outgrow what the journal plans for.
	if c.Bitrate < 6_000 || c.Bitrate > 64_000 {
		errs = append(errs, fmt.Errorf("bitrate: %d is not between 6000 and 64000 bit/s", c.Bitrate))
	}
	if c.Complexity < 0 || c.Complexity > 10 {
		errs = append(errs, fmt.Errorf("complexity: %d is not between 0 and 10", c.Complexity))
	}
	return errors.Join(errs...)
}
