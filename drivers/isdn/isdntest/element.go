package isdntest

import "linekeep/drivers/isdn/q931"

// Element makes an information element of several octets.
func Element(id uint8, body ...byte) []byte { return append([]byte{id, uint8(len(body))}, body...) }

// Speech is a bearer capability: 64 kbit/s, A-law.
func Speech() []byte { return Element(q931.BearerCapability, 0x80, 0x90, 0xa3) }

// B names a B channel of basic access, and no other; 0 is none, 3 any.
func B(n uint8) []byte {
	octet := 0x80 | n
	if n == 1 || n == 2 {
		octet |= 8
	}
	return Element(q931.ChannelElement, octet)
}

// Slot names a channel of primary rate access.
func Slot(n uint8, exclusive bool) []byte {
	octet := uint8(0xa1)
	if exclusive {
		octet |= 8
	}
	return Element(q931.ChannelElement, octet, 0x83, 0x80|n)
}

// Calling is the caller's number.
func Calling(kind, presentation, screening uint8, digits string) []byte {
	return Element(q931.CallingNumber, append([]byte{kind<<4 | 1, 0x80 | presentation<<5 | screening}, digits...)...)
}

// Called is the number called, or a part of it.
func Called(kind uint8, digits string) []byte {
	return Element(q931.CalledNumber, append([]byte{0x81 | kind<<4}, digits...)...)
}

// Redirecting is the number of who diverted the call.
func Redirecting(kind, presentation, reason uint8, digits string) []byte {
	return Element(q931.RedirectingNumber, append([]byte{kind<<4 | 1, presentation << 5, 0x80 | reason}, digits...)...)
}

// Connected is the number of who took the call.
func Connected(kind, presentation uint8, digits string) []byte {
	return Element(q931.ConnectedNumber, append([]byte{kind<<4 | 1, 0x81 | presentation<<5}, digits...)...)
}

// SubAddress is a sub-address of digits.
func SubAddress(id uint8, digits string) []byte {
	return Element(id, append([]byte{0x80, 0x50}, digits...)...)
}

// Cause says why, as the exchange nearby does.
func Cause(value uint8) []byte { return Element(q931.CauseElement, 0x82, 0x80|value) }

// Text is a display, or keys pressed.
func Text(id uint8, text string) []byte { return Element(id, []byte(text)...) }

// Progress says that a tone or an announcement is in the channel, or something else.
func Progress(description uint8) []byte {
	return Element(q931.ProgressElement, 0x82, 0x80|description)
}

// Notice says what the other end does.
func Notice(description uint8) []byte {
	return Element(q931.NotificationElement, 0x80|description)
}

// Complete says that the number called is complete.
func Complete() []byte { return []byte{q931.SendingComplete} }

// Indicator says what is restarted.
func Indicator(class uint8) []byte { return Element(q931.RestartElement, 0x80|class) }

// State is where a side sees a call.
func State(value uint8) []byte { return Element(q931.CallStateElement, value) }
