package q931

// Information transfer capabilities.
const (
	Speech             = 0x00
	UnrestrictedData   = 0x08
	RestrictedData     = 0x09
	Audio3k1           = 0x10
	UnrestrictedTones  = 0x11
	Video              = 0x18
	rateMultiple       = 0x18 // the rate is a multiple of 64 kbit/s, told in an octet of its own
	layerOne           = 1
	layerTwo           = 2
	layerThree         = 3
	layer1V120         = 8
	negotiationAllowed = 0x40
)

// Bearer is what a call is to carry: the elements Bearer capability and Low layer compatibility.
type Bearer struct {
	Coding     uint8 // 0: ITU-T, as below; otherwise only Coding and Capability are read
	Capability uint8 // Speech, Audio3k1, and others
	Negotiable bool  // low layer compatibility only: another answer may be given
	Mode       uint8 // 0: circuit, 2: packet
	Rate       uint8 // 0x10: 64 kbit/s
	Multiplier uint8 // with Rate 0x18
	Layer      [4]Layer
	Rest       []byte // what was not read
}

// Layer is what is said of one layer's protocol.
type Layer struct {
	Given    bool
	Protocol uint8  // layer 1: 2 µ-law, 3 A-law
	More     []byte // the octets that follow it within the layer, as 5a to 5d of layer 1 (rate adaption)
}

// LawMu and LawA are the layer 1 protocols of ITU-T G.711.
const (
	LawMu = 2
	LawA  = 3
)

// ParseBearer reads the elements Bearer capability and Low layer compatibility.
func ParseBearer(b []byte) (Bearer, error) {
	var c Bearer
	if len(b) == 0 {
		return c, short("bearer capability")
	}
	c.Coding, c.Capability = coding(b[0]), b[0]&0x1f
	more := b[0]&0x80 == 0
	b = b[1:]
	for first := true; more; first = false {
		if len(b) == 0 {
			return c, short("bearer capability")
		}
		if first {
			c.Negotiable = b[0]&negotiationAllowed != 0
		}
		more = b[0]&0x80 == 0
		b = b[1:]
	}
	if c.Coding != 0 {
		c.Rest = b
		return c, nil
	}
	if len(b) == 0 {
		return c, short("bearer capability")
	}
	c.Mode, c.Rate = coding(b[0]), b[0]&0x1f
	b = b[1:]
	if c.Rate == rateMultiple {
		if len(b) == 0 {
			return c, short("bearer capability")
		}
		c.Multiplier = b[0] & 0x7f
		b = b[1:]
	}
	for len(b) > 0 {
		layer := coding(b[0])
		if layer < layerOne || layer > layerThree || c.Layer[layer].Given {
			break
		}
		c.Layer[layer], b = parseLayer(b)
	}
	c.Rest = b
	return c, nil
}

func parseLayer(b []byte) (Layer, []byte) {
	l := Layer{Given: true, Protocol: b[0] & 0x1f}
	end := 1
	for b[end-1]&0x80 == 0 && end < len(b) {
		end++
	}
	if end > 1 {
		l.More = b[1:end]
	}
	return l, b[end:]
}

// Rates is how slower data is fitted to a B channel: octets 5a to 5d, ITU-T V.110 and V.120.
type Rates struct {
	Synchronous  bool
	InBand       bool // negotiation
	UserRate     uint8
	Intermediate uint8 // V.110 only, as the four after it
	SendClock    bool
	AcceptClock  bool
	SendFlow     bool
	AcceptFlow   bool
	Header       bool // V.120 only, as the five after it
	MultiFrame   bool
	Mode         bool
	Link         bool // negotiation of the logical link
	Assignor     bool
	OutBand      bool
	StopBits     uint8
	DataBits     uint8
	Parity       uint8
	Duplex       bool
	Modem        uint8
	Octets       int // how many of the four were there
}

// Rates reads octets 5a to 5d of layer 1.
func (l Layer) Rates() Rates {
	var r Rates
	r.Octets = min(4, len(l.More))
	m := l.More
	if len(m) > 0 {
		r.Synchronous, r.InBand, r.UserRate = m[0]&0x40 == 0, m[0]&0x20 != 0, m[0]&0x1f
	}
	if len(m) > 1 && l.Protocol == layer1V120 {
		r.Header, r.MultiFrame, r.Mode = m[1]&0x40 != 0, m[1]&0x20 != 0, m[1]&0x10 != 0
		r.Link, r.Assignor, r.OutBand = m[1]&8 != 0, m[1]&4 != 0, m[1]&2 != 0
	} else if len(m) > 1 {
		r.Intermediate = coding(m[1])
		r.SendClock, r.AcceptClock, r.SendFlow, r.AcceptFlow = m[1]&0x10 != 0, m[1]&8 != 0, m[1]&4 != 0, m[1]&2 != 0
	}
	if len(m) > 2 {
		r.StopBits, r.DataBits, r.Parity = coding(m[2]), m[2]>>3&3, m[2]&7
	}
	if len(m) > 3 {
		r.Duplex, r.Modem = m[3]&0x40 != 0, m[3]&0x3f
	}
	return r
}

// Compatibility is the element High layer compatibility: what program a call is for.
type Compatibility struct {
	Coding         uint8
	Interpretation uint8
	Presentation   uint8
	Characteristic uint8 // 1: telephony, 4: fax group 2/3, 0x21: fax group 4, and others
	Extended       bool  // Extension was given
	Extension      uint8
}

// ParseCompatibility reads it.
func ParseCompatibility(b []byte) (Compatibility, error) {
	var c Compatibility
	if len(b) < 2 {
		return c, short("high layer compatibility")
	}
	c.Coding, c.Interpretation, c.Presentation = coding(b[0]), b[0]>>2&7, b[0]&3
	c.Characteristic = b[1] & 0x7f
	if b[1]&0x80 == 0 && len(b) > 2 {
		c.Extended, c.Extension = true, b[2]&0x7f
	}
	return c, nil
}
