package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// Opening is what is known of a recording when it begins; it stands beside its wrap, boxed under K_meta.
type Opening struct {
	Line      string
	Class     string
	Start     time.Time
	Trigger   segment.Trigger
	Direction line.Direction
	Parties   []segment.Party
	Continues keys.ID // the zero ID if none
	Custody   uint32  // number of the custody key that its wrap is under; not in a manifest
}

// Closing is what is known of it when it ends.
type Closing struct {
	End       time.Time
	Reason    segment.Reason
	Direction line.Direction
	Number    line.Number
	Extension line.Number
	Answered  bool
	Silent    bool
	Length    line.Samples
}

// The labels of the boxes, in the associated data: no box can stand in another's place.
const (
	labelOpen     = "journal open"
	labelClose    = "journal close"
	labelManifest = "manifest"
)

const formVersion = 1

// ErrForm reports bytes that are authentic and yet not understood: written by a later version.
var ErrForm = errors.New("recording: unknown form")

// Forms is how bytes of one recording are boxed and opened.
type Forms struct {
	VaultID [16]byte
	ID      keys.ID
	Meta    keys.Key
}

func (f Forms) box(label string, plain []byte) []byte {
	return seal.Box(f.Meta, plain, []byte(label), f.VaultID[:], f.ID.Append(nil))
}

func (f Forms) unbox(label string, boxed []byte) ([]byte, error) {
	plain, err := seal.OpenBox(f.Meta, boxed, []byte(label), f.VaultID[:], f.ID.Append(nil))
	if err != nil {
		return nil, fmt.Errorf("open the %s of recording %s: %w", label, f.ID, err)
	}
	return plain, nil
}

// SealOpening gives the body of an opening: the wrap after its length, then the opening boxed. FORMAT.md section 9.
func (f Forms) SealOpening(wrap []byte, o Opening) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(wrap)))
	body = append(body, wrap...)
	return append(body, f.box(labelOpen, o.append(nil))...)
}

func (o *Opening) append(b []byte) []byte {
	b = append(b, formVersion, byte(o.Trigger), byte(o.Direction), byte(len(o.Parties)))
	for _, p := range o.Parties {
		b = append(b, byte(p))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(o.Start.UnixNano()))
	b = o.Continues.Append(b)
	b = binary.BigEndian.AppendUint32(b, o.Custody)
	b = appendString(b, o.Line)
	return appendString(b, o.Class)
}

// SplitOpening gives the wrap and the boxed opening.
func SplitOpening(body []byte) (wrap, boxed []byte, err error) {
	s := cryptobyte.String(body)
	var w cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&w) {
		return nil, nil, ErrForm
	}
	return w, s, nil
}

// OpenOpening reads an opening's body.
func (f Forms) OpenOpening(body []byte) (Opening, error) {
	_, boxed, err := SplitOpening(body)
	if err != nil {
		return Opening{}, err
	}
	plain, err := f.unbox(labelOpen, boxed)
	if err != nil {
		return Opening{}, err
	}
	return parseOpening(plain)
}

func parseOpening(plain []byte) (Opening, error) {
	s := cryptobyte.String(plain)
	var ver, trigger, direction, n uint8
	var parties []byte
	var o Opening
	ok := s.ReadUint8(&ver) && ver == formVersion && s.ReadUint8(&trigger) && s.ReadUint8(&direction) &&
		s.ReadUint8(&n) && s.ReadBytes(&parties, int(n)) && readTime(&s, &o.Start) && readID(&s, &o.Continues) &&
		s.ReadUint32(&o.Custody) && readString(&s, &o.Line) && readString(&s, &o.Class) && s.Empty()
	if !ok {
		return Opening{}, ErrForm
	}
	o.Trigger, o.Direction = segment.Trigger(trigger), line.Direction(direction)
	for _, p := range parties {
		o.Parties = append(o.Parties, segment.Party(p))
	}
	return o, nil
}

// Flags of a closing and of a manifest.
const (
	flagAnswered  = 1 << 0
	flagSilent    = 1 << 1
	flagRecovered = 1 << 2
)

func (c *Closing) flags() (b byte) {
	if c.Answered {
		b |= flagAnswered
	}
	if c.Silent {
		b |= flagSilent
	}
	return b
}

func (c *Closing) append(b []byte) []byte {
	b = append(b, byte(c.Reason), byte(c.Direction), c.flags())
	b = binary.BigEndian.AppendUint64(b, uint64(c.End.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Length))
	b = appendString(b, c.Number.Reveal())
	return appendString(b, c.Extension.Reveal())
}

func (c *Closing) read(s *cryptobyte.String) bool {
	var reason, direction, flags uint8
	var length uint64
	var number, extension string
	ok := s.ReadUint8(&reason) && s.ReadUint8(&direction) && s.ReadUint8(&flags) && flags <= flagAnswered|flagSilent && readTime(s, &c.End) &&
		s.ReadUint64(&length) && readString(s, &number) && readString(s, &extension)
	c.Reason, c.Direction, c.Length = segment.Reason(reason), line.Direction(direction), line.Samples(length)
	c.Number, c.Extension = line.Number(number), line.Number(extension)
	c.Answered, c.Silent = flags&flagAnswered != 0, flags&flagSilent != 0
	return ok
}

// SealClosing gives the body of a closing.
func (f Forms) SealClosing(c Closing) []byte {
	return f.box(labelClose, c.append([]byte{formVersion}))
}

// OpenClosing reads a closing's body.
func (f Forms) OpenClosing(body []byte) (Closing, error) {
	plain, err := f.unbox(labelClose, body)
	if err != nil {
		return Closing{}, err
	}
	s := cryptobyte.String(plain)
	var ver uint8
	var c Closing
	if !s.ReadUint8(&ver) || ver != formVersion || !c.read(&s) || !s.Empty() {
		return Closing{}, ErrForm
	}
	return c, nil
}

// appendString writes at most 255 bytes: names and numbers are bounded where they are configured or decoded.
func appendString(b []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	b = append(b, byte(len(s)))
	return append(b, s...)
}

func readString(s *cryptobyte.String, out *string) bool {
	var v cryptobyte.String
	ok := s.ReadUint8LengthPrefixed(&v)
	*out = string(v)
	return ok
}

func readTime(s *cryptobyte.String, out *time.Time) bool {
	var ns uint64
	ok := s.ReadUint64(&ns)
	*out = time.Unix(0, int64(ns)).UTC()
	return ok
}

func readID(s *cryptobyte.String, out *keys.ID) bool {
	return s.ReadUint32(&out.Shard) && s.ReadUint32(&out.Slot)
}
