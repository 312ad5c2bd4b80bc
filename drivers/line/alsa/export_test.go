package alsa

import (
	"time"
)

// Card is a device that a test opens by itself, without a pump.
type Card struct {
	card
	counts counters
}

// OpenALSA makes a Card as a Source does.
func OpenALSA(d Device) *Card { return &Card{card: openALSA(d)} }

// OpenAndShut opens the device and closes it at once.
func (c *Card) OpenAndShut() error {
	if _, err := c.open(time.Now(), &c.counts); err != nil {
		return err
	}
	c.shut()
	return nil
}

// Free ends the card.
func (c *Card) Free() { c.free() }

// Offer calls back with sound said to be so many frames of two channels, and says how many chunks were taken.
func Offer(sound []byte, frames uint32) int {
	c := newCapture(format{rateHz: 8000, channels: 2, sampleBytes: 2}, time.Now(), &counters{})
	c.data(sound, frames)
	return c.ring.waiting()
}
