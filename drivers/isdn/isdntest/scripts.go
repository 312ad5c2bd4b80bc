package isdntest

import (
	"slices"
	"time"

	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
)

// Script is one piece of life on an interface, and what a tracker must make of it.
type Script struct {
	Name    string
	Primary bool
	Play    func(w *Wire)
	Want    []string // Outcome.String of each call
}

// Wire plays the script.
func (s Script) Wire() *Wire {
	w := Basic()
	if s.Primary {
		w = Primary()
	}
	s.Play(w)
	return w
}

// Scripts are all of them.
func Scripts() []Script {
	return slices.Concat(dialledScripts(), offeredScripts(), endScripts(), toldScripts(), busScripts(), refusedScripts(), holdScripts(), waitingScripts(), linkScripts(), doubleScripts(), missedScripts(), lostEndScripts())
}

const (
	network                                      = q921.Network
	user                                         = q921.User
	national, subscriber, international, unknown = q931.NumberNational, q931.NumberSubscriber, q931.NumberInternational, q931.NumberUnknown
)

// caller and office are the two ends of most calls here: numbers that Ofcom keeps for drama.
func caller() []byte { return Calling(national, 0, 3, "1632960123") }
func office() []byte { return Called(subscriber, "960456") }

// Hangup ends a call in the usual three steps, begun by a side.
func (c Call) Hangup(from q921.Side, cause uint8) {
	say := map[q921.Side]func(q931.Type, ...[]byte){network: c.Network, user: c.User}
	say[from](q931.Disconnect, Cause(cause))
	say[from.Other()](q931.Release)
	say[from](q931.ReleaseComplete)
}

// Dial makes an outgoing call from a terminal up to the answer.
func (c Call) Dial(channel []byte, digits string) {
	c.User(q931.Setup, Speech(), Calling(national, 0, 0, "1632960456"), Called(unknown, digits), Complete())
	c.Network(q931.CallProceeding, channel)
	c.Wire.Wait(time.Second)
	c.Network(q931.Alerting, Progress(8))
	c.Wire.Wait(2 * time.Second)
	c.Network(q931.Connect)
	c.User(q931.ConnectAcknowledge)
	c.Wire.Wait(5 * time.Second)
}

// Ring offers a call on primary rate access up to the ringing.
func (c Call) Ring(channel []byte) {
	c.Network(q931.Setup, Speech(), channel, caller(), office(), Complete())
	c.User(q931.CallProceeding, channel)
	c.User(q931.Alerting)
	c.Wire.Wait(3 * time.Second)
}

// Take answers a call that rings.
func (c Call) Take() {
	c.User(q931.Connect)
	c.Network(q931.ConnectAcknowledge)
	c.Wire.Wait(5 * time.Second)
}

func dialledScripts() []Script {
	return []Script{
		{Name: "incoming en bloc", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 258}
			c.Ring(Slot(31, true))
			c.Take()
			c.Hangup(network, 16)
		}, Want: []string{"in ch31 office=960456 remote=01632960123 rang answered clearing(remote 16) released(16 remote)"}},
		{Name: "outgoing en bloc", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: user, Ref: 1}
			c.Dial(Slot(3, true), "01632960999")
			c.Hangup(user, 16)
		}, Want: []string{"out ch3 office=01632960456 remote=01632960999 rang answered clearing(office 16) progress(remote 8) released(16 office)"}},
		{Name: "outgoing overlap", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: user, Ref: 2}
			c.User(q931.Setup, Speech())
			c.Network(q931.SetupAcknowledge, Slot(7, true), Progress(8))
			for _, d := range "0163296" {
				c.User(q931.Information, Called(unknown, string(d)))
				w.Wait(200 * time.Millisecond)
			}
			c.User(q931.Information, Called(unknown, "0999"))
			c.Network(q931.CallProceeding)
			w.Wait(time.Second)
			c.Network(q931.Connect)
			w.Wait(time.Second)
			c.User(q931.Information, Text(q931.Keypad, "5#"))
			w.Wait(time.Second)
			c.Hangup(network, 31)
		}, Want: []string{"out ch7 remote=01632960999 keys=016329609995# answered clearing(remote 31) progress(remote 8) released(31 remote)"}},
		{Name: "incoming overlap", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 3}
			c.Network(q931.Setup, Speech(), Slot(2, false), caller(), Called(subscriber, "960"))
			c.User(q931.SetupAcknowledge, Slot(2, true))
			c.Network(q931.Information, Called(subscriber, "4"))
			c.Network(q931.Information, Called(subscriber, "56"))
			c.User(q931.Alerting)
			w.Wait(time.Second)
			c.Take()
			c.Hangup(user, 16)
		}, Want: []string{"in ch2 office=960456 remote=01632960123 rang answered clearing(office 16) released(16 office)"}},
	}
}

func offeredScripts() []Script {
	return []Script{
		{Name: "the other side takes another channel", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 4}
			c.Network(q931.Setup, Speech(), Slot(5, false), caller(), office())
			c.User(q931.CallProceeding, Slot(9, true))
			c.User(q931.Alerting)
			c.Take()
			c.Hangup(user, 16)
		}, Want: []string{"in ch9 office=960456 remote=01632960123 rang answered clearing(office 16) released(16 office)"}},
		{Name: "busy", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 5}
			c.Network(q931.Setup, Speech(), Slot(1, true), caller(), office())
			c.User(q931.ReleaseComplete, Cause(17))
		}, Want: []string{"in ch1 office=960456 remote=01632960123 released(17 office)"}},
		{Name: "no answer", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 6}
			c.Ring(Slot(1, true))
			c.Hangup(network, 102)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 rang clearing(remote 102) released(102 remote)"}},
		{Name: "withheld, and not to be had, and two numbers", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			for i, number := range [][]byte{Calling(national, 1, 3, "1632960123"), Calling(unknown, 2, 3, ""),
				append(Calling(international, 0, 0, "441632960111"), Calling(national, 0, 3, "1632960123")...)} {
				c := Call{Wire: w, Maker: network, Ref: uint16(7 + i)}
				c.Network(q931.Setup, Speech(), Slot(1, true), number, office())
				c.User(q931.CallProceeding, Slot(1, true))
				c.Hangup(network, 16)
				w.Wait(time.Second)
			}
		}, Want: []string{
			"in ch1 office=960456 clearing(remote 16) withheld(remote) released(16 remote)",
			"in ch1 office=960456 clearing(remote 16) unavailable(remote) released(16 remote)",
			"in ch1 office=960456 remote=+441632960111 clearing(remote 16) second-number(remote 01632960123) released(16 remote)"}},
	}
}

func endScripts() []Script {
	return []Script{
		{Name: "all that is told of a call", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 11}
			c.Network(q931.Setup, Speech(), Slot(1, true), caller(), SubAddress(q931.CallingSubAddress, "11"), office(),
				SubAddress(q931.CalledSubAddress, "22"), Redirecting(national, 0, 15, "1632960777"), Text(q931.Display, "Anna"),
				[]byte{0x9d}, Text(q931.Display, "of codeset 5"), Element(q931.UserUserElement, 4, 'H', 'i'))
			c.User(q931.CallProceeding, Slot(1, true))
			c.User(q931.Connect, Connected(subscriber, 0, "960457"))
			c.Network(q931.ConnectAcknowledge)
			c.Network(q931.Notify, Notice(121))
			c.Network(q931.FacilityMessage, Element(q931.FacilityElement, 0x91, 0xa1, 6, 2, 1, 1, 2, 1, 6))
			w.Wait(time.Second)
			c.Hangup(user, 16)
		}, Want: []string{`in ch1 office=960456 remote=01632960123 answered clearing(office 16) connected(office 960457) display(remote "Anna") ` +
			`facility(remote "\x91\xa1\x06\x02\x01\x01\x02\x01\x06") notified(remote 121) redirecting(remote 15 01632960777) ` +
			`sub-address(office "22") sub-address(remote "11") ` + unmodelledFacility + ` user-to-user(remote "\x04Hi") released(16 office)`}},
		{Name: "two at once, the same reference from both sides", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			in, out := Call{Wire: w, Maker: network, Ref: 12}, Call{Wire: w, Maker: user, Ref: 12}
			in.Ring(Slot(1, true))
			out.User(q931.Setup, Speech(), Called(unknown, "01632960888"))
			in.User(q931.Connect)
			out.Network(q931.CallProceeding, Slot(31, true))
			in.Network(q931.ConnectAcknowledge)
			out.Network(q931.Connect)
			w.Wait(time.Second)
			in.Hangup(network, 16)
			out.Hangup(user, 16)
		}, Want: []string{
			"in ch1 office=960456 remote=01632960123 rang answered clearing(remote 16) released(16 remote)",
			"out ch31 remote=01632960888 answered clearing(office 16) released(16 office)"}},
	}
}

func toldScripts() []Script {
	return []Script{
		{Name: "restart of one channel, then of the interface", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			for i := uint8(1); i <= 3; i++ {
				c := Call{Wire: w, Maker: network, Ref: 20 + uint16(i)}
				c.Ring(Slot(i, true))
				c.Take()
			}
			w.Restart(network, 0, Slot(2, true), Indicator(0))
			w.Wait(time.Second)
			w.Restart(user, 0, Indicator(7))
		}, Want: []string{
			"in ch1 office=960456 remote=01632960123 rang answered released(restarted)",
			"in ch2 office=960456 remote=01632960123 rang answered released(restarted)",
			"in ch3 office=960456 remote=01632960123 rang answered released(restarted)"}},
	}
}

// unmodelledFacility is the message FACILITY of a script, kept whole.
const unmodelledFacility = `unmodelled(remote 98 "\b\x02\x00\vb\x1c\t\x91\xa1\x06\x02\x01\x01\x02\x01\x06")`
