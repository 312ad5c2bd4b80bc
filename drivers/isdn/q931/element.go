package q931

import "fmt"

// Elements of a single octet. The first three have their content in the low four bits.
const (
	Shift           = 0x90 // 8: for one element only; 7: the codeset
	CongestionLevel = 0xb0
	RepeatIndicator = 0xd0
	MoreData        = 0xa0
	SendingComplete = 0xa1
)

// Elements of several octets, codeset 0.
const (
	SegmentedMessage    = 0x00
	BearerCapability    = 0x04
	CauseElement        = 0x08
	CallIdentity        = 0x10
	CallStateElement    = 0x14
	ChannelElement      = 0x18
	FacilityElement     = 0x1c
	ProgressElement     = 0x1e
	NetworkFacilities   = 0x20
	NotificationElement = 0x27
	Display             = 0x28
	DateTimeElement     = 0x29
	Keypad              = 0x2c
	SignalElement       = 0x34
	ConnectedNumber     = 0x4c
	ConnectedSubAddress = 0x4d
	CallingNumber       = 0x6c
	CallingSubAddress   = 0x6d
	CalledNumber        = 0x70
	CalledSubAddress    = 0x71
	RedirectingNumber   = 0x74
	RedirectionNumber   = 0x76
	TransitNetwork      = 0x78
	RestartElement      = 0x79
	LowLayer            = 0x7c
	HighLayer           = 0x7d
	UserUserElement     = 0x7e
	EscapeElement       = 0x7f
)

// Cause says why something happened to a call (ITU-T Q.850).
type Cause struct {
	Coding         uint8 // 0: ITU-T
	Location       uint8 // who says it: 0 user, 1 and 5 private network, 2 and 4 local network, 3 transit, 7 international, 10 beyond
	Recommendation uint8 // 0 if not given: Q.931
	Value          uint8
	Diagnostics    []byte
}

// ParseCause reads the element Cause.
func ParseCause(b []byte) (Cause, error) {
	var c Cause
	if len(b) == 0 {
		return c, short("cause")
	}
	c.Coding, c.Location = coding(b[0]), b[0]&0x0f
	first := b[0]
	b = b[1:]
	if first&0x80 == 0 {
		if len(b) == 0 {
			return c, short("cause")
		}
		c.Recommendation = b[0] & 0x7f
		b = b[1:]
	}
	if len(b) == 0 {
		return c, short("cause")
	}
	c.Value, c.Diagnostics = b[0]&0x7f, b[1:]
	return c, nil
}

// CallState is where a side sees a call: 0 null, 10 active, and others of Q.931 section 2.
type CallState struct{ Coding, Value uint8 }

// ParseCallState reads the element Call state.
func ParseCallState(b []byte) (CallState, error) {
	if len(b) == 0 {
		return CallState{}, short("call state")
	}
	return CallState{Coding: b[0] >> 6, Value: b[0] & 0x3f}, nil
}

// Progress tells of something on the way of the call, such as 8: in-band information is now available.
type Progress struct{ Coding, Location, Description uint8 }

// ParseProgress reads the element Progress indicator.
func ParseProgress(b []byte) (Progress, error) {
	if len(b) < 2 {
		return Progress{}, short("progress indicator")
	}
	return Progress{Coding: coding(b[0]), Location: b[0] & 0x0f, Description: b[1] & 0x7f}, nil
}

// ParseNotification reads the element Notification indicator: 0 suspended, 1 resumed, 121 held, 122 retrieved, and others.
func ParseNotification(b []byte) (uint8, error) { return sevenBits(b, "notification indicator") }

// ParseSignal reads the element Signal: 0 dial tone on, 1 ringing tone on, 4 busy tone on, 63 tones off, 64 and up alerting.
func ParseSignal(b []byte) (uint8, error) {
	if len(b) == 0 {
		return 0, short("signal")
	}
	return b[0], nil
}

// What is restarted, as ParseRestart says it.
const (
	RestartChannels  = 0 // the channels named beside it
	RestartInterface = 6 // the interface it came on
	RestartAll       = 7 // all interfaces of the D channel
)

// ParseRestart reads the element Restart indicator.
func ParseRestart(b []byte) (uint8, error) {
	if len(b) == 0 {
		return 0, short("restart indicator")
	}
	return b[0] & 7, nil
}

// DateTime is the exchange's clock. Seconds are not always told: then Second is -1.
type DateTime struct{ Year, Month, Day, Hour, Minute, Second int }

// ParseDateTime reads the element Date/time. Years have two digits: 2000 to 2099.
func ParseDateTime(b []byte) (DateTime, error) {
	if len(b) < 5 {
		return DateTime{}, short("date/time")
	}
	d := DateTime{Year: 2000 + int(b[0]), Month: int(b[1]), Day: int(b[2]), Hour: int(b[3]), Minute: int(b[4]), Second: -1}
	if len(b) > 5 {
		d.Second = int(b[5])
	}
	if b[0] > 99 || d.Month < 1 || d.Month > 12 || d.Day < 1 || d.Day > 31 || d.Hour > 23 || d.Minute > 59 || d.Second > 59 {
		return DateTime{}, fmt.Errorf("%w: date/time out of range", ErrElement)
	}
	return d, nil
}

// UserUser is what one terminal tells another.
type UserUser struct {
	Protocol uint8 // 4: characters of IA5
	Data     []byte
}

// ParseUserUser reads the element User-user.
func ParseUserUser(b []byte) (UserUser, error) {
	if len(b) == 0 {
		return UserUser{}, short("user-user")
	}
	return UserUser{Protocol: b[0], Data: b[1:]}, nil
}

// Segmented is a part of a message that was too long for a frame.
type Segmented struct {
	First     bool
	Remaining uint8 // parts that follow
	Type      Type  // of the whole message
}

// ParseSegmented reads the element Segmented message.
func ParseSegmented(b []byte) (Segmented, error) {
	if len(b) < 2 {
		return Segmented{}, short("segmented message")
	}
	return Segmented{First: b[0]&0x80 != 0, Remaining: b[0] & 0x7f, Type: Type(b[1])}, nil
}

// ParseText reads the elements Display and Keypad facility. Some exchanges put an octet before a display that says how
// to show it; it is left out. Octets past IA5 are read as ISO 8859-1, which is what European exchanges mean by them.
func ParseText(b []byte) string {
	for len(b) > 0 && (b[0]&0xe0 == 0x80 || b[0] == 0xb1) {
		b = b[1:]
	}
	plain := true
	for _, c := range b {
		plain = plain && c < 0x80
	}
	if plain {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

func coding(octet byte) uint8 { return octet >> 5 & 3 }

func sevenBits(b []byte, what string) (uint8, error) {
	if len(b) == 0 {
		return 0, short(what)
	}
	return b[0] & 0x7f, nil
}

func short(what string) error { return fmt.Errorf("%w: %s is too short", ErrElement, what) }
