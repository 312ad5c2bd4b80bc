package isdn_test

import (
	"fmt"

	"linekeep/drivers/isdn"
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
)

// fields are what we read of a frame, under the names that tshark gives them.
type fields []string

func (f *fields) add(name, format string, values ...any) {
	*f = append(*f, name+"="+fmt.Sprintf(format, values...))
}

func (f *fields) flag(name string, v bool) {
	n := 0
	if v {
		n = 1
	}
	f.add(name, "%d", n)
}

// fieldsOf gives nil for what cannot be read.
func fieldsOf(frame isdn.Frame) []string {
	var d q921.Frame
	if q921.Decode(frame.Data, &d) != nil {
		return nil
	}
	var f fields
	f.lapd(frame, &d)
	switch {
	case d.SAPI == q921.SAPIManagement && d.Kind == q921.UI:
		m, err := q921.ParseManagement(d.Info)
		if err != nil {
			return nil
		}
		f.add("tei.entity", "0x0f")
		f.add("tei.reference", "%d", m.Reference)
		f.add("tei.msg", "%d", m.Type)
		f.add("tei.action", "%d", m.Actions[0])
		f.add("tei.extend", "1")
	case d.SAPI == q921.SAPICall && (d.Kind == q921.I || d.Kind == q921.UI):
		var m q931.Message
		if q931.Decode(d.Info, &m) != nil || m.Cut != nil {
			return nil
		}
		f.message(&m)
	}
	return f
}

func (f *fields) lapd(frame isdn.Frame, d *q921.Frame) {
	b := frame.Data
	f.add("lapd.direction", "%d", 1-uint8(frame.From))
	f.add("lapd.address", "0x%02x%02x", b[0], b[1])
	f.add("lapd.sapi", "%d", d.SAPI)
	f.flag("lapd.cr", d.CR)
	f.add("lapd.ea1", "0")
	f.add("lapd.tei", "%d", d.TEI)
	f.add("lapd.ea2", "1")
	poll, modifier := "lapd.control.p", "lapd.control.u_modifier_cmd"
	if !d.Command(frame.From) {
		poll, modifier = "lapd.control.f", "lapd.control.u_modifier_resp"
	}
	if d.PF {
		f.add(poll, "1")
	}
	switch d.Kind {
	case q921.I:
		f.add("lapd.control", "0x%02x%02x", b[3], b[2])
		f.add("lapd.control.ftype", "0x0000")
		f.add("lapd.control.n_s", "%d", d.NS)
		f.add("lapd.control.n_r", "%d", d.NR)
	case q921.RR, q921.RNR, q921.REJ:
		f.add("lapd.control", "0x%02x%02x", b[3], b[2])
		f.add("lapd.control.ftype", "0x0001")
		f.add("lapd.control.s_ftype", "0x%04x", uint8(d.Kind-q921.RR))
		f.add("lapd.control.n_r", "%d", d.NR)
	default:
		modifiers := map[q921.Kind]uint8{q921.SABME: 0x1b, q921.DM: 0x03, q921.UI: 0, q921.DISC: 0x10, q921.UA: 0x18, q921.FRMR: 0x21, q921.XID: 0x2b}
		f.add("lapd.control", "0x%04x", b[2])
		f.add("lapd.control.ftype", "0x03")
		f.add(modifier, "0x%02x", modifiers[d.Kind])
	}
}

func (f *fields) message(m *q931.Message) {
	f.add("q931.disc", "0x%02x", m.Protocol)
	f.add("q931.call_ref_len", "%d", m.Reference.Octets)
	if r := m.Reference; r.Octets > 0 {
		f.flag("q931.call_ref_flag", r.ToMaker)
		if r.Octets == 1 {
			f.add("q931.call_ref", "%02x", r.Value)
		} else {
			f.add("q931.call_ref", "%02x:%02x", r.Value>>8, r.Value&0xff)
		}
	}
	f.add("q931.message_type", "0x%02x", uint8(m.Type))
	for _, e := range m.Elements {
		switch {
		case e.Single():
			f.single(e)
		case e.Codeset == 0 && (e.ID == q931.FacilityElement || e.ID == q931.NotificationElement):
			f.add("q932.ie.type", "0x%02x", e.ID)
			f.add("q932.ie.len", "%d", len(e.Body))
			f.element(e)
		default:
			f.add("q931.information_element", "%d", e.ID)
			f.add("q931.information_element_len", "%d", len(e.Body))
			f.element(e)
		}
	}
}

func (f *fields) single(e q931.Element) {
	switch {
	case e.ID&0xf0 == q931.Shift:
		f.add("q931.locking_codeset", "%d", e.ID&7)
	case e.Codeset != 0:
		f.add("not compared", "%#02x", e.ID)
	case e.ID == q931.MoreData:
		f.add("q931.more_data", "")
	case e.ID == q931.SendingComplete:
		f.add("q931.sending_complete", "")
	case e.ID&0xf0 == q931.CongestionLevel:
		f.add("q931.congestion_level", "0x%02x", e.ID&15)
	case e.ID&0xf0 == q931.RepeatIndicator:
		f.add("q931.repeat_indicator", "0x%02x", e.ID&15)
	}
}

// element adds what is said within one.
func (f *fields) element(e q931.Element) {
	b := e.Body
	var err error
	switch {
	case e.Codeset != 0:
		f.add("q931.data", "%s", hexColons(b))
	case e.ID == q931.BearerCapability || e.ID == q931.LowLayer:
		err = f.bearer(b)
	case e.ID == q931.CauseElement:
		err = f.cause(b)
	case e.ID == q931.ChannelElement:
		err = f.channel(b)
	case e.ID == q931.FacilityElement:
		err = f.facility(b)
	case e.ID == q931.HighLayer:
		err = f.compatibility(b)
	default:
		err = f.short(e)
	}
	if err != nil {
		f.add("error", "%v", err)
	}
}

func (f *fields) bearer(b []byte) error {
	c, err := q931.ParseBearer(b)
	f.add("q931.coding_standard", "0x%02x", c.Coding)
	if c.Coding != 0 {
		f.add("q931.bearer_capability.data", "%s", hexColons(b))
		return err
	}
	f.add("q931.information_transfer_capability", "0x%02x", c.Capability)
	f.add("q931.transfer_mode", "0x%02x", c.Mode)
	f.add("q931.information_transfer_rate", "0x%02x", c.Rate)
	if c.Rate == 0x18 {
		f.add("q931.bearer_capability.rate_multiplier", "%d", c.Multiplier)
	}
	for n, l := range c.Layer {
		if l.Given {
			f.add("q931.layer_ident", "0x%02x", n)
			f.add(fmt.Sprintf("q931.uil%d", n), "0x%02x", l.Protocol)
		}
	}
	r := c.Layer[1].Rates()
	if r.Octets > 0 {
		f.flag("q931.layer_1", !r.Synchronous)
		f.flag("q931.layer_1_in_band_negotiation", r.InBand)
		f.add("q931.bearer_capability.user_rate", "0x%02x", r.UserRate)
	}
	if r.Octets > 1 {
		f.add("q931.bearer_capability.intermediate_rate", "0x%02x", r.Intermediate)
		f.flag("q931.send_data_net_independent_clock", r.SendClock)
		f.flag("q931.accept_data_net_independent_clock", r.AcceptClock)
		f.flag("q931.send_data_flow_control", r.SendFlow)
		f.flag("q931.accept_data_flow_control", r.AcceptFlow)
	}
	return err
}

func (f *fields) cause(b []byte) error {
	c, err := q931.ParseCause(b)
	f.add("q931.coding_standard", "0x%02x", c.Coding)
	f.add("q931.cause_location", "%d", c.Location)
	if c.Recommendation != 0 {
		f.add("q931.cause.recommendation", "0x%02x", c.Recommendation)
	}
	f.add("q931.cause_value", "%d", c.Value)
	for _, d := range c.Diagnostics { // the corpus has only those of an element that is missing
		f.add("q931.information_element", "%d", d)
	}
	return err
}

func (f *fields) channel(b []byte) error {
	c, err := q931.ParseChannel(b)
	f.flag("q931.channel.interface_id_present", c.Interface != nil)
	f.flag("q931.channel.interface_type", c.Primary)
	f.flag("q931.channel.exclusive", c.Exclusive)
	f.flag("q931.channel.dchan", c.DChannel)
	f.add("q931.channel.selection", "0x%02x", c.Selection)
	if !c.Primary || c.Named == nil {
		return err
	}
	f.add("q931.coding_standard", "0x%02x", c.Coding)
	f.flag("q931.channel.map", c.Map)
	f.add("q931.channel.element_type", "0x%02x", c.Type)
	if c.Map { // the octets of Channels, which has no slot 0
		for shift := 24; shift >= 0; shift -= 8 {
			f.add("q931.channel.slot_map", "0x%02x", c.Channels>>shift&0xff)
		}
		return err
	}
	for n := uint32(1); n < 32; n++ {
		if c.Channels>>n&1 != 0 {
			f.add("q931.channel.number", "%d", n)
		}
	}
	return err
}

func (f *fields) facility(b []byte) error {
	c, err := q931.ParseFacility(b)
	f.add("q932.pp", "0x%02x", c.Profile)
	for p := range c.Components {
		f.add("q932.ros.present", "%d", p.ID)
		f.add("q932.ros.local", "%d", p.Operation)
	}
	return err
}

func (f *fields) compatibility(b []byte) error {
	c, err := q931.ParseCompatibility(b)
	f.add("q931.coding_standard", "0x%02x", c.Coding)
	f.add("q931.interpretation", "0x%02x", c.Interpretation)
	f.add("q931.presentation_method_protocol_profile", "0x%02x", c.Presentation)
	f.add("q931.high_layer_characteristics", "0x%02x", c.Characteristic)
	if c.Extended {
		f.add("q931.extended_high_layer_characteristics", "0x%02x", c.Extension)
	}
	return err
}
