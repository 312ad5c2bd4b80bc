package isdn_test

import (
	"linekeep/drivers/isdn/q931"
)

// short adds the elements of few octets, and numbers.
func (f *fields) short(e q931.Element) error {
	b := e.Body
	switch e.ID {
	case q931.CallingNumber, q931.CalledNumber, q931.ConnectedNumber, q931.RedirectingNumber:
		return f.number(e)
	case q931.CallingSubAddress, q931.CalledSubAddress, q931.ConnectedSubAddress:
		if e.ID == q931.ConnectedSubAddress { // not one that tshark knows
			f.add("q931.data", "%s", hexColons(b))
			return nil
		}
		s, err := q931.ParseSubAddress(b)
		f.add("q931.party_subaddr.type", "0x%02x", s.Kind)
		odd := 0
		if s.Odd {
			odd = 1
		}
		f.add("q931.party_subaddr.odd_even", "0x%02x", odd)
		f.add("q931.party_subaddr", "%s", hexColons(s.Data))
		return err
	case q931.ProgressElement:
		p, err := q931.ParseProgress(b)
		f.add("q931.coding_standard", "0x%02x", p.Coding)
		f.add("q931.progress_indicator.location", "0x%02x", p.Location)
		f.add("q931.progress_indicator.description", "0x%02x", p.Description)
		return err
	case q931.CallStateElement:
		s, err := q931.ParseCallState(b)
		f.add("q931.coding_standard", "0x%02x", s.Coding)
		f.add("q931.call_state", "0x%02x", s.Value)
		return err
	case q931.NotificationElement:
		n, err := q931.ParseNotification(b)
		f.add("q932.nd", "0x%02x", n)
		return err
	case q931.SignalElement:
		s, err := q931.ParseSignal(b)
		f.add("q931.signal", "0x%02x", s)
		return err
	case q931.RestartElement:
		r, err := q931.ParseRestart(b)
		f.add("q931.restart_indicator", "0x%02x", r)
		return err
	case q931.SegmentedMessage:
		s, err := q931.ParseSegmented(b)
		name := "q931.segment.not_first"
		if s.First {
			name = "q931.segment.first"
		}
		f.add(name, "%d", s.Remaining)
		f.add("q931.segment_type", "0x%02x", uint8(s.Type))
		return err
	}
	return f.words(e)
}

// words adds the elements that are text, or a clock.
func (f *fields) words(e q931.Element) error {
	b := e.Body
	switch e.ID {
	case q931.Display:
		f.add("q931.display_information", "%s", q931.ParseText(b))
	case q931.Keypad:
		f.add("q931.keypad_facility", "%s", q931.ParseText(b))
	case q931.UserUserElement:
		u, err := q931.ParseUserUser(b)
		f.add("q931.user.protocol_discriminator", "0x%02x", u.Protocol)
		f.add("q931.user.string", "%s", u.Data)
		return err
	case q931.DateTimeElement:
		d, err := q931.ParseDateTime(b)
		octets := []byte{uint8(d.Year - 2000), uint8(d.Month), uint8(d.Day), uint8(d.Hour), uint8(d.Minute)}
		if d.Second >= 0 {
			octets = append(octets, uint8(d.Second))
		}
		f.add("q931.date_time", "%s", hexColons(octets))
		return err
	case q931.NetworkFacilities:
		n, err := q931.ParseNetworkFacility(b)
		if n.Name == nil {
			f.add("q931.netid.length", "0")
		} else {
			f.add("q931.netid.length", "%d", len(n.Name)+1)
			f.add("q931.netid.type", "0x%02x", n.Kind)
			f.add("q931.netid.plan", "0x%02x", n.Plan)
			f.add("q931.netid", "%s", n.Name)
		}
		f.add("q931.netid.facility_specification", "%s", hexColons(n.Specification))
		return err
	default:
		f.add("q931.data", "%s", hexColons(b))
	}
	return nil
}

func (f *fields) number(e q931.Element) error {
	n, err := q931.ParseNumber(e.Body)
	f.add("q931.number_type", "0x%02x", n.Kind)
	f.add("q931.numbering_plan", "0x%02x", n.Plan)
	if n.Shown {
		f.add("q931.presentation_ind", "0x%02x", n.Presentation)
		f.add("q931.screening_ind", "0x%02x", n.Screening)
	}
	if n.Reasoned {
		f.add("q931.extension.reason", "0x%02x", n.Reason)
	}
	if len(n.Digits) > 0 || e.ID != q931.CallingNumber {
		names := map[uint8]string{q931.CallingNumber: "calling_party", q931.CalledNumber: "called_party",
			q931.ConnectedNumber: "connected", q931.RedirectingNumber: "redirecting"}
		f.add("q931."+names[e.ID]+"_number.digits", "%s", n.Digits)
	}
	return err
}
