package isdn_test

import (
	"math/rand/v2"

	"linekeep/drivers/isdn"
	"linekeep/drivers/isdn/isdntest"
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
	"linekeep/drivers/line"
)

// maker makes frames that are right, with chance values in every field. What tshark 4.0 reads wrongly is left out: the
// explicit identifier of another interface (read twice), transit network selection (its first octet taken for a length),
// octet 5b of V.120, octets 5c and 5d after 5b (read one late), octets of display past IA5, the coding of a call state; and what it
// keeps as it came: elements of another coding than ITU-T's, all that follows a segmented message, high layers that are no profile.
type maker struct {
	r  *rand.Rand
	at line.Position
}

func newMaker(seed uint64) *maker { return &maker{r: rand.New(rand.NewPCG(seed, 921))} }

func (m *maker) below(n int) uint8 { return uint8(m.r.IntN(n)) }
func (m *maker) bit() bool         { return m.r.IntN(2) == 0 }

func (m *maker) text(alphabet string, most int) []byte {
	b := make([]byte, 1+m.r.IntN(most))
	for i := range b {
		b[i] = alphabet[m.r.IntN(len(alphabet))]
	}
	return b
}

func (m *maker) octets(least, most int) []byte {
	b := make([]byte, least+m.r.IntN(most-least+1))
	for i := range b {
		b[i] = uint8(m.r.Uint32())
	}
	return b
}

// frame is another frame.
func (m *maker) frame() isdn.Frame {
	m.at += 80
	from := q921.Side(m.below(2))
	f := isdn.Frame{From: from, At: m.at}
	tei := m.below(128)
	switch m.r.IntN(8) {
	case 0:
		controls := []uint8{0x6f, 0x0f, 0x43, 0x63, 0x87, 0xaf}
		f.Data = append(isdntest.Address(from, m.bit(), m.below(2)*16, tei), controls[m.r.IntN(len(controls))]|m.below(2)<<4)
		if f.Data[2]&^0x10 == 0x87 {
			f.Data = append(f.Data, m.octets(5, 5)...)
		}
	case 1:
		f.Data = append(isdntest.Address(from, m.bit(), 0, tei), 1+4*m.below(3), m.below(255))
	case 2:
		f.Data = append(isdntest.Address(from, true, q921.SAPIManagement, q921.Broadcast), 0x03, 0x0f)
		f.Data = append(append(f.Data, m.octets(2, 2)...), 1+m.below(7), m.below(128)<<1|1)
	case 3:
		f.Data = append(append(isdntest.Address(from, true, 0, q921.Broadcast), 0x03), m.message()...)
	default:
		f.Data = isdntest.Numbered(from, tei, m.below(128), m.below(128), m.message())
		f.Data[3] |= m.below(2)
	}
	return f
}

func (m *maker) message() []byte {
	octets := m.r.IntN(3)
	ref := uint16(m.r.IntN(1 << 15))
	if octets == 1 {
		ref &= 0x7f
	}
	types := []q931.Type{0x01, 0x02, 0x03, 0x05, 0x07, 0x0d, 0x0f, 0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x28, 0x2d, 0x2e, 0x30, 0x31,
		0x33, 0x37, 0x45, 0x46, 0x4d, 0x4e, 0x5a, 0x62, 0x64, 0x6e, 0x75, 0x79, 0x7b, 0x7d}
	elements := make([][]byte, m.r.IntN(6))
	for i := range elements {
		elements[i] = m.element()
	}
	if m.r.IntN(8) == 0 { // and others of a codeset that is not ours, for one element or to the end
		shift := uint8(0x94) + m.below(2)<<3
		elements = append(elements, []byte{shift}, isdntest.Element(0x50, m.octets(1, 5)...))
		if shift&8 == 0 {
			elements = append(elements, isdntest.Element(0x51, m.octets(1, 5)...))
		}
	}
	return isdntest.Message(octets, ref, m.bit(), types[m.r.IntN(len(types))], elements...)
}

const digits = "0123456789*#"

func (m *maker) element() []byte {
	number := m.text(digits, 20)
	kind := m.below(5)
	switch m.r.IntN(24) {
	case 0:
		return m.bearer(q931.BearerCapability)
	case 1:
		return m.bearer(q931.LowLayer)
	case 2:
		if m.bit() {
			return isdntest.Element(q931.CauseElement, 0x80|m.below(16), 0x80|96, 0x18)
		}
		return isdntest.Element(q931.CauseElement, m.below(16), 0x81, 0x80|1+m.below(95))
	case 3:
		return isdntest.Element(q931.CauseElement, 0x80|m.below(16), 0x80|m.below(95))
	case 4:
		return isdntest.Element(q931.ChannelElement, 0x80|m.below(16))
	case 5:
		return isdntest.Slot(1+m.below(31), m.bit())
	case 6:
		return isdntest.Element(q931.ChannelElement, 0xa1|m.below(2)<<3, 0x93, uint8(m.r.Uint32()), uint8(m.r.Uint32()), uint8(m.r.Uint32()), uint8(m.r.Uint32())&^1)
	case 7:
		return isdntest.Calling(kind, m.below(3), m.below(4), string(number))
	case 8:
		return isdntest.Called(kind, string(number))
	case 9:
		return isdntest.Redirecting(kind, m.below(3), m.below(16), string(number))
	case 10:
		return isdntest.Connected(kind, m.below(3), string(number))
	case 11:
		return isdntest.Element(q931.CallingSubAddress+m.below(2)*4, append([]byte{0x80 | m.below(4)<<4 | m.below(2)<<3}, m.octets(1, 10)...)...)
	}
	return m.small()
}

func (m *maker) small() []byte {
	const ia5 = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789.,-"
	switch m.r.IntN(16) {
	case 0:
		return isdntest.Element(q931.Display, m.text(ia5, 40)...)
	case 1:
		return isdntest.Element(q931.Keypad, m.text(digits, 20)...)
	case 2:
		return isdntest.Element(q931.ProgressElement, 0x80|m.below(16), 0x80|m.below(128))
	case 3:
		return isdntest.Element(q931.CallStateElement, m.below(32))
	case 4:
		return isdntest.Notice(m.below(128))
	case 5:
		return isdntest.Element(q931.SignalElement, uint8(m.r.Uint32()))
	case 6:
		return isdntest.Indicator(m.below(8))
	case 7:
		return isdntest.Element(q931.UserUserElement, append([]byte{4}, m.text(ia5, 30)...)...)
	case 8:
		b := []byte{m.below(100), 1 + m.below(12), 1 + m.below(31), m.below(24), m.below(60), m.below(60)}
		return isdntest.Element(q931.DateTimeElement, b[:5+m.r.IntN(2)]...)
	case 9:
		if m.bit() {
			return isdntest.Element(q931.NetworkFacilities, append([]byte{0}, m.octets(1, 4)...)...)
		}
		name := m.text("0123456789", 8)
		b := append([]byte{uint8(len(name) + 1), 0x80 | m.below(4)<<4 | 1}, name...)
		return isdntest.Element(q931.NetworkFacilities, append(b, m.octets(1, 4)...)...)
	case 10:
		return isdntest.Element(q931.HighLayer, 0x81|m.below(8)<<2, 0x80|m.below(128))
	case 11:
		return isdntest.Element(q931.HighLayer, 0x91, 0x5e, 0x80|m.below(128))
	case 12:
		return isdntest.Element(q931.CallIdentity, m.octets(1, 8)...)
	case 13:
		return []byte{[]uint8{q931.MoreData, q931.SendingComplete, q931.CongestionLevel | m.below(16), q931.RepeatIndicator | m.below(16)}[m.r.IntN(4)]}
	case 14:
		return isdntest.Element(0x55+m.below(8), m.octets(1, 8)...) // none that anybody knows
	}
	return isdntest.Indicator(m.below(8))
}

// bearer makes bearer capability, or low layer compatibility.
func (m *maker) bearer(id uint8) []byte {
	b := []byte{0x80 | m.below(32), 0x80 | m.below(3)<<5 | m.below(24)}
	switch m.r.IntN(5) {
	case 0:
		return isdntest.Element(id, append([]byte{0xa0 | m.below(3)<<5 | m.below(32)}, m.octets(2, 5)...)...)
	case 1:
		b[1] = 0x98
		b = append(b, 0x80|m.below(128))
	}
	switch m.r.IntN(4) {
	case 0:
		b = append(b, 0xa0|m.below(32))
	case 1:
		b = append(b, 0x21, 0x80|m.below(128))
	case 2:
		b = append(b, 0x21, m.below(128), 0x80|m.below(128)&^1)
	}
	if m.bit() {
		b = append(b, 0xc2, 0xe6)
	}
	return isdntest.Element(id, b...)
}
