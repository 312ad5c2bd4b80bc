package q921

import (
	"encoding/binary"
	"fmt"
)

// Message types of the management of terminal addresses.
const (
	IdentityRequest       = 1 // a terminal wants an address
	IdentityAssigned      = 2
	IdentityDenied        = 3
	IdentityCheckRequest  = 4
	IdentityCheckResponse = 5
	IdentityRemove        = 6
	IdentityVerify        = 7
)

const (
	managementEntity = 0x0f
	// maxActions is how many terminals one message can name. The standard lets a check response name all that a
	// terminal has; eight fit a bus.
	maxActions = 8
)

// Management is a message by which terminals get and lose their addresses.
type Management struct {
	Reference uint16 // a random number that tells askers apart
	Type      uint8
	Actions   [maxActions]uint8 // the addresses it is about: Count of them; Broadcast for any or all
	Count     int
}

// ParseManagement reads the information of a frame UI at SAPIManagement.
func ParseManagement(info []byte) (Management, error) {
	var m Management
	if len(info) < 5 || info[0] != managementEntity {
		return m, fmt.Errorf("%w: no message of TEI management in %d octets", ErrFrame, len(info))
	}
	m.Reference, m.Type = binary.BigEndian.Uint16(info[1:]), info[3]
	for _, octet := range info[4:] {
		if m.Count == maxActions {
			break
		}
		m.Actions[m.Count] = octet >> 1
		m.Count++
		if octet&1 != 0 {
			break
		}
	}
	return m, nil
}
