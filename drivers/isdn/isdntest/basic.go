package isdntest

import (
	"time"

	"linekeep/drivers/isdn/q931"
)

// bus gives two terminals their addresses and links.
func bus(w *Wire) {
	for tei := uint8(64); tei < 66; tei++ {
		w.Assign(tei, uint16(tei)*251)
		w.Establish(user, tei)
	}
	w.Wait(time.Second)
}

// broadcast offers a call to the bus.
func broadcast(w *Wire, ref uint16, channel uint8) Call {
	c := Call{Wire: w, Maker: network, Ref: ref, TEI: 64}
	c.Offer(Speech(), B(channel), caller(), office())
	return c
}

func busScripts() []Script {
	return []Script{
		{Name: "two terminals ring, one takes it", Play: func(w *Wire) {
			bus(w)
			c := broadcast(w, 5, 1)
			c.User(q931.Alerting)
			c.From(65).User(q931.Alerting)
			w.Wait(2 * time.Second)
			c.From(65).User(q931.Connect)
			c.From(65).Network(q931.ConnectAcknowledge)
			c.Network(q931.Release, Cause(26))
			c.User(q931.ReleaseComplete)
			w.Wait(5 * time.Second)
			c.From(65).Hangup(user, 16)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 rang answered clearing(office 16) released(16 office)"}},
		{Name: "two terminals take it at once, the exchange chooses", Play: func(w *Wire) {
			bus(w)
			c := broadcast(w, 6, 2)
			c.User(q931.Connect)
			c.From(65).User(q931.Connect)
			c.Network(q931.ConnectAcknowledge)
			c.From(65).Network(q931.Release, Cause(26))
			c.From(65).User(q931.ReleaseComplete)
			w.Wait(5 * time.Second)
			c.Hangup(network, 16)
		}, Want: []string{"in ch2 office=960456 remote=01632960123 answered clearing(remote 16) released(16 remote)"}},
		{Name: "one is busy, one rings, the caller gives up", Play: func(w *Wire) {
			bus(w)
			c := broadcast(w, 7, 1)
			c.User(q931.ReleaseComplete, Cause(17))
			c.From(65).User(q931.Alerting)
			w.Wait(3 * time.Second)
			c.From(65).Hangup(network, 16)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 rang clearing(remote 16) released(16 remote)"}},
		{Name: "all are busy", Play: func(w *Wire) {
			bus(w)
			c := broadcast(w, 8, 1)
			c.User(q931.ReleaseComplete, Cause(17))
			c.From(65).User(q931.ReleaseComplete, Cause(17))
			w.Wait(8 * time.Second)
			broadcast(w, 9, 2).User(q931.Alerting)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 released(timed out)", "in ch2 office=960456 remote=01632960123 rang up"}},
	}
}

func refusedScripts() []Script {
	return []Script{
		{Name: "nobody answers, offered twice", Play: func(w *Wire) {
			bus(w)
			broadcast(w, 10, 1)
			w.Wait(4 * time.Second)
			broadcast(w, 10, 1)
			w.Wait(11 * time.Second)
			w.Unnumbered(network, true, 63, 127, 0x03, 0x0f, 0, 0, 4, 0xff)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 released(timed out)"}},
		{Name: "the same reference at two terminals", Play: func(w *Wire) {
			bus(w)
			a, b := Call{Wire: w, Maker: user, Ref: 1, TEI: 64}, Call{Wire: w, Maker: user, Ref: 1, TEI: 65}
			a.Dial(B(1), "960111")
			b.Dial(B(2), "960222")
			a.Hangup(user, 16)
			b.Hangup(network, 16)
		}, Want: []string{
			"out ch1 office=01632960456 remote=960111 rang answered clearing(office 16) progress(remote 8) released(16 office)",
			"out ch2 office=01632960456 remote=960222 rang answered clearing(remote 16) progress(remote 8) released(16 remote)"}},
		{Name: "dialled by keys, with any channel", Play: func(w *Wire) {
			bus(w)
			c := Call{Wire: w, Maker: user, Ref: 2, TEI: 64}
			c.User(q931.Setup, Speech(), B(3), Text(q931.Keypad, "*21#"))
			c.Network(q931.CallProceeding, B(2))
			c.Network(q931.Connect)
			c.Hangup(network, 16)
		}, Want: []string{"out ch2 remote=*21# answered clearing(remote 16) released(16 remote)"}},
		{Name: "the reference is used again at once", Play: func(w *Wire) {
			bus(w)
			for range 3 {
				c := broadcast(w, 11, 1)
				c.User(q931.Alerting)
				w.Wait(time.Second)
				c.User(q931.Connect)
				c.Network(q931.ConnectAcknowledge)
				w.Wait(time.Second)
				c.Hangup(user, 16)
			}
		}, Want: []string{
			"in ch1 office=960456 remote=01632960123 rang answered clearing(office 16) released(16 office)",
			"in ch1 office=960456 remote=01632960123 rang answered clearing(office 16) released(16 office)",
			"in ch1 office=960456 remote=01632960123 rang answered clearing(office 16) released(16 office)"}},
	}
}

func holdScripts() []Script {
	return []Script{
		{Name: "hold, ask another on the same channel, retrieve", Play: func(w *Wire) {
			bus(w)
			c := Call{Wire: w, Maker: user, Ref: 3, TEI: 64}
			c.Dial(B(1), "960111")
			c.User(q931.Hold)
			c.Network(q931.HoldAcknowledge)
			w.Wait(time.Second)
			d := Call{Wire: w, Maker: user, Ref: 4, TEI: 64}
			d.Dial(B(1), "960222")
			d.Hangup(user, 16)
			w.Wait(time.Second)
			c.User(q931.Retrieve)
			c.Network(q931.RetrieveAcknowledge, B(1))
			w.Wait(time.Second)
			c.Hangup(network, 16)
		}, Want: []string{
			"out ch1 ch1 office=01632960456 remote=960111 rang answered held1 clearing(remote 16) progress(remote 8) released(16 remote)",
			"out ch1 office=01632960456 remote=960222 rang answered clearing(office 16) progress(remote 8) released(16 office)"}},
		{Name: "held, and let go", Play: func(w *Wire) {
			bus(w)
			c := Call{Wire: w, Maker: user, Ref: 5, TEI: 64}
			c.Dial(B(2), "960111")
			c.User(q931.Hold)
			c.Network(q931.HoldAcknowledge)
			w.Wait(10 * time.Second)
			c.Hangup(network, 16)
		}, Want: []string{"out ch2 office=01632960456 remote=960111 rang answered held1 clearing(remote 16) progress(remote 8) released(16 remote)"}},
		{Name: "hold and retrieve refused", Play: func(w *Wire) {
			bus(w)
			c := Call{Wire: w, Maker: user, Ref: 6, TEI: 64}
			c.Dial(B(2), "960111")
			c.User(q931.Hold)
			c.Network(q931.HoldReject, Cause(50))
			c.Hangup(network, 16)
		}, Want: []string{"out ch2 office=01632960456 remote=960111 rang answered clearing(remote 16) progress(remote 8) released(16 remote)"}},
	}
}

func waitingScripts() []Script {
	return []Script{
		{Name: "a call waits until a channel is free", Play: func(w *Wire) {
			bus(w)
			c := broadcast(w, 12, 0)
			c.User(q931.Alerting)
			w.Wait(5 * time.Second)
			c.User(q931.Connect, B(2))
			c.Network(q931.ConnectAcknowledge, B(2))
			w.Wait(time.Second)
			c.Hangup(user, 16)
		}, Want: []string{"in ch0 ch2 office=960456 remote=01632960123 rang answered clearing(office 16) released(16 office)"}},
		{Name: "a call waits in vain", Play: func(w *Wire) {
			bus(w)
			c := broadcast(w, 13, 0)
			c.User(q931.Alerting)
			w.Wait(5 * time.Second)
			c.Hangup(network, 16)
		}, Want: []string{"in ch0 office=960456 remote=01632960123 rang clearing(remote 16) released(16 remote)"}},
		{Name: "parked and resumed elsewhere", Play: func(w *Wire) {
			bus(w)
			c := Call{Wire: w, Maker: user, Ref: 7, TEI: 64}
			c.Dial(B(1), "960111")
			c.User(q931.Suspend, Element(q931.CallIdentity, 7))
			c.Network(q931.SuspendAcknowledge)
			w.Wait(10 * time.Second)
			d := Call{Wire: w, Maker: user, Ref: 8, TEI: 65}
			d.User(q931.Resume, Element(q931.CallIdentity, 7))
			d.Network(q931.ResumeAcknowledge, B(1))
			w.Wait(time.Second)
			d.Hangup(user, 16)
			e := Call{Wire: w, Maker: user, Ref: 9, TEI: 65}
			e.User(q931.Resume, Element(q931.CallIdentity, 7))
			e.Network(q931.ResumeReject, Cause(85))
		}, Want: []string{
			`out ch1 office=01632960456 remote=960111 rang answered progress(remote 8) unmodelled(office 37 "\b\x01\a%\x10\x01\a") unmodelled(remote 45 "\b\x01\x87-") released(suspended)`,
			`unknown ch1 answered clearing(office 16) unmodelled(office 38 "\b\x01\b&\x10\x01\a") unmodelled(remote 46 "\b\x01\x88.\x18\x01\x89") released(16 office)`}},
	}
}
