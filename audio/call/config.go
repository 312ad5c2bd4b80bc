package call

import (
	"errors"
	"fmt"
	"time"

	"linekeep/audio/pcm"
	"linekeep/drivers/line"
)

// Config says how calls are found on one line.
type Config struct {
	Level     pcm.DBFS      // RMS of 20 ms that counts as sound
	Hold      time.Duration // silence, or absence of the line, that ends a call
	PreRoll   time.Duration // kept from before what began a call
	MinSound  time.Duration // sound shorter than this is a click and begins nothing
	MaxLength time.Duration // of a recording; the call goes on in another one
}

// Defaults suit an analogue line at the nominal levels of the telephone network.
func Defaults() Config {
	return Config{
		// Idle lines and cheap sound cards measure -60 to -70 dBFS; the weakest talker who can still be understood
		// is near -35. In between, so that neither noise begins a call nor a quiet voice fails to.
		Level: -45,
		// Longer than the 4 s of silence in the ring-back tone of Germany, the Netherlands and the USA (ITU-T E.180;
		// the UK has 2 s), so that waiting for an answer is not a call of its own; the field's manuals say 3 to 5 s.
		Hold: 5 * time.Second,
		// A word begins up to 200 ms before its loud part; the rest is for the ear to find its place.
		PreRoll: time.Second,
		// Three packets. Relay and hook clicks last 1 to 20 ms, and so touch at most two packets; the shortest
		// stressed vowel of speech lasts about 60. The cost: where no sound ever lasts that long there is no call,
		// and a call's hold time is not prolonged by a knock. Counts.Clicks tells how often that was so.
		MinSound: 60 * time.Millisecond,
		// A line that never falls silent must not grow one recording for ever.
		MaxLength: 4 * time.Hour,
	}
}

// The limits within which a Config makes sense.
const (
	lowestLevel  pcm.DBFS = -90
	highestLevel pcm.DBFS = -6
	shortestHold          = 500 * time.Millisecond
	longestHold           = time.Minute
	longestPre            = 30 * time.Second
	longestClick          = time.Second
	shortestMax           = time.Minute
	longestMax            = 24 * time.Hour
)

// Validate reports every field that makes no sense, by its name.
func (c Config) Validate() error {
	var faults []error
	if !(c.Level >= lowestLevel && c.Level <= highestLevel) { // written so that NaN is refused too
		faults = append(faults, fmt.Errorf("%s: %.1f is not between %.0f and %.0f dBFS", "Level", float64(c.Level), float64(lowestLevel), float64(highestLevel)))
	}
	within := func(field string, d, low, high time.Duration) {
		if d < low || d > high {
			faults = append(faults, fmt.Errorf("%s: %v is not between %v and %v", field, d, low, high))
		}
	}
	within("Hold", c.Hold, shortestHold, longestHold)
	within("PreRoll", c.PreRoll, 0, longestPre)
	within("MinSound", c.MinSound, line.FramePeriod, longestClick)
	within("MaxLength", c.MaxLength, shortestMax, longestMax)
	return errors.Join(faults...)
}

// History is how much of a line must still be at hand when a call begins: the pre-roll, the sound it took to be sure,
// and one frame more, because an event may be told up to a frame after its place.
func (c Config) History() line.Samples {
	return line.In(c.PreRoll) + line.In(c.MinSound) + 2*line.FrameSamples
}
