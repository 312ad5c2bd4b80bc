package q931

import "fmt"

// Which channel is meant, as Channel.Selection says it.
const (
	SelectNone  = 0 // no channel: the call waits
	SelectNamed = 1 // basic access: B1; primary rate access: the ones named
	SelectB2    = 2 // basic access only
	SelectAny   = 3
)

// Channel is the element Channel identification.
type Channel struct {
	Primary   bool // primary rate access; otherwise basic
	Exclusive bool // only this one will do; otherwise it is preferred
	DChannel  bool // the D channel itself is meant
	Selection uint8
	Interface []byte // identifier of another interface that is meant; nil for the one at hand
	Coding    uint8
	Type      uint8  // 3: B channels, 6: H0, 8: H11, 9: H12
	Map       bool   // named by a map of slots, otherwise by number
	Named     []byte // the numbers or the map as they came
	Channels  uint32 // bit n set: B channel, or slot, n (1 to 31)
}

// First is the lowest channel named, 0 if none is.
func (c Channel) First() uint8 {
	for n := uint8(1); n < 32; n++ {
		if c.Channels>>n&1 != 0 {
			return n
		}
	}
	return 0
}

// ParseChannel reads the element Channel identification.
func ParseChannel(b []byte) (Channel, error) {
	var c Channel
	if len(b) == 0 {
		return c, short("channel identification")
	}
	c.Primary, c.Exclusive, c.DChannel, c.Selection = b[0]&0x20 != 0, b[0]&8 != 0, b[0]&4 != 0, b[0]&3
	explicit := b[0]&0x40 != 0
	b = b[1:]
	if explicit {
		end := 0
		for end < len(b) && b[end]&0x80 == 0 {
			end++
		}
		if end == len(b) {
			return c, fmt.Errorf("%w: channel identification ends within the interface's name", ErrElement)
		}
		c.Interface, b = b[:end+1], b[end+1:]
	}
	switch {
	case !c.Primary && (c.Selection == SelectNamed || c.Selection == SelectB2) && !c.DChannel:
		c.Channels = 1 << c.Selection
	case c.Primary && c.Selection == SelectNamed && len(b) > 0:
		c.Coding, c.Map, c.Type, c.Named = coding(b[0]), b[0]&0x10 != 0, b[0]&0x0f, b[1:]
		c.name()
	case c.Primary && c.Selection == SelectNamed && !c.DChannel:
		return c, short("channel identification")
	}
	return c, nil
}

// name turns numbers or a map into Channels. A map begins with the highest slots: four octets tell 31 to 0 of an E1
// line, three 24 to 1 of a T1 line.
func (c *Channel) name() {
	if !c.Map {
		for _, octet := range c.Named {
			if n := octet & 0x7f; n < 32 {
				c.Channels |= 1 << n
			}
		}
		c.Channels &^= 1
		return
	}
	var slots uint64
	for _, octet := range c.Named[:min(4, len(c.Named))] {
		slots = slots<<8 | uint64(octet)
	}
	if len(c.Named) == 3 {
		slots <<= 1
	}
	c.Channels = uint32(slots) &^ 1
}
