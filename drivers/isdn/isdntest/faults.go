package isdntest

import (
	"time"

	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
)

func linkScripts() []Script {
	return []Script{
		{Name: "frames sent again", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 258}
			c.Network(q931.Setup, Speech(), Slot(4, true), caller(), Called(subscriber, "960"))
			w.Again()
			c.User(q931.SetupAcknowledge, Slot(4, true))
			c.Network(q931.Information, Called(subscriber, "456"))
			w.Again()
			c.User(q931.Alerting)
			w.Again()
			c.Take()
			c.Hangup(user, 16)
			w.Again()
		}, Want: []string{"in ch4 office=960456 remote=01632960123 rang answered clearing(office 16) released(16 office)"}},
		{Name: "the link is set up anew in mid-call", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 1}
			c.Ring(Slot(1, true))
			c.Take()
			w.Wait(20 * time.Second)
			w.Establish(network, 0)
			c.User(q931.Information, Text(q931.Keypad, "1"))
			c.Network(q931.Notify, Notice(122))
			w.Wait(20 * time.Second)
			w.Establish(user, 0)
			c.Hangup(network, 16)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 keys=1 rang answered clearing(remote 16) notified(remote 122) released(16 remote)"}},
		{Name: "the link is set up anew unheard", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 1}
			c.Ring(Slot(1, true))
			c.Take()
			w.Wait(20 * time.Second)
			w.Establish(network, 0)
			w.Unheard()
			w.Unheard()
			c.Hangup(network, 16)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 rang answered clearing(remote 16) released(16 remote)"}},
	}
}

func doubleScripts() []Script {
	return []Script{
		{Name: "the link is down for good", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 1}
			c.Ring(Slot(1, true))
			c.Take()
			w.Unnumbered(network, true, q921.SAPICall, 0, 0x53)
			w.Wait(91 * time.Second)
			w.Unnumbered(network, true, q921.SAPICall, 0, 0x7f)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 rang answered released(link lost)"}},
		{Name: "SETUP comes twice", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 2}
			c.Network(q931.Setup, Speech(), Slot(1, true), caller(), office(), Complete())
			w.Wait(4 * time.Second)
			c.Ring(Slot(1, true))
			c.Take()
			c.Hangup(network, 16)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 rang answered clearing(remote 16) released(16 remote)"}},
		{Name: "SETUP was missed", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 3}
			c.Network(q931.Setup, Speech(), Slot(1, true), caller(), office())
			w.Unheard()
			w.Wait(50 * time.Millisecond)
			c.User(q931.Alerting, Slot(1, true))
			w.Wait(time.Second)
			c.Take()
			c.Hangup(network, 16)
		}, Want: []string{"in ch1 rang answered clearing(remote 16) released(16 remote)"}},
		{Name: "CONNECT was missed", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 4}
			c.Ring(Slot(1, true))
			c.User(q931.Connect)
			w.Unheard()
			c.Network(q931.ConnectAcknowledge)
			w.Wait(time.Second)
			c.Hangup(network, 16)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 rang answered clearing(remote 16) released(16 remote)"}},
	}
}

func missedScripts() []Script {
	return []Script{
		{Name: "the acknowledgement of CONNECT was missed", Play: func(w *Wire) {
			bus(w)
			c := broadcast(w, 5, 1)
			c.User(q931.Connect)
			c.Network(q931.ConnectAcknowledge)
			w.Unheard()
			w.Wait(5 * time.Second)
			c.Hangup(user, 16)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 answered clearing(office 16) released(16 office)"}},
		{Name: "DISCONNECT and RELEASE were missed", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 6}
			c.Ring(Slot(1, true))
			c.Take()
			c.Network(q931.Disconnect, Cause(16))
			w.Unheard()
			c.User(q931.Release, Cause(16))
			w.Unheard()
			c.Network(q931.ReleaseComplete)
		}, Want: []string{"in ch1 office=960456 remote=01632960123 rang answered released(0 remote)"}},
		{Name: "the whole end was missed, another call has the channel", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 7}
			c.Ring(Slot(1, true))
			c.Take()
			c.Hangup(network, 16)
			w.Unheard()
			w.Unheard()
			w.Unheard()
			w.Wait(time.Minute)
			d := Call{Wire: w, Maker: user, Ref: 7}
			d.Dial(Slot(1, true), "960111")
			d.Hangup(user, 16)
		}, Want: []string{
			"in ch1 office=960456 remote=01632960123 rang answered released(taken over)",
			"out ch1 office=01632960456 remote=960111 rang answered clearing(office 16) progress(remote 8) released(16 office)"}},
	}
}

func lostEndScripts() []Script {
	return []Script{
		{Name: "the end was missed, the reference comes again", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 8}
			c.Ring(Slot(1, true))
			c.Take()
			w.Wait(time.Minute)
			c.Ring(Slot(2, true))
			c.Hangup(network, 16)
		}, Want: []string{
			"in ch1 office=960456 remote=01632960123 rang answered released(taken over)",
			"in ch2 office=960456 remote=01632960123 rang clearing(remote 16) released(16 remote)"}},
		{Name: "a side does not know the call any more", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: network, Ref: 9}
			c.Ring(Slot(1, true))
			c.Take()
			c.Network(q931.StatusEnquiry)
			c.User(q931.Status, Cause(30), State(0))
		}, Want: []string{"in ch1 office=960456 remote=01632960123 rang answered released(30 office)"}},
		{Name: "a tone after DISCONNECT", Primary: true, Play: func(w *Wire) {
			w.Establish(network, 0)
			c := Call{Wire: w, Maker: user, Ref: 10}
			c.User(q931.Setup, Speech(), Slot(1, false), Called(unknown, "960111"))
			c.Network(q931.CallProceeding, Slot(1, true))
			w.Wait(time.Second)
			c.Network(q931.Disconnect, Cause(1), Progress(8))
			w.Wait(15 * time.Second)
			c.User(q931.Release, Cause(16))
			c.Network(q931.ReleaseComplete)
		}, Want: []string{"out ch1 remote=960111 clearing(remote 1) progress(remote 8) released(1 remote)"}},
		{Name: "what is no frame, and messages of no call", Primary: true, Play: func(w *Wire) {
			w.Raw(network, []byte{0xff})
			w.Establish(network, 0)
			w.Send(network, 0, []byte{3, 1, 5, 7})
			w.Send(network, 0, []byte{8, 0xff, 5, 7})
			w.Send(network, 0, Message(0, 0, false, q931.FacilityMessage))
			w.Send(user, 0, Message(2, 99, false, q931.Disconnect))
			c := Call{Wire: w, Maker: network, Ref: 11}
			c.Ring(Slot(1, true))
			c.Network(q931.Type(0x13))
			c.Hangup(network, 16)
		}, Want: []string{`in ch1 office=960456 remote=01632960123 rang clearing(remote 16) unmodelled(remote 19 "\b\x02\x00\v\x13") released(16 remote)`}},
	}
}
