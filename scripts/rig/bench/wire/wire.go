// Package wire is what the guest's tests and the host say to each other, one JSON object a line over a virtio port.
//
//	In:    a Request of the guest's
//	Out:   an Answer of the host's, one for each, in order
//	Owner: whoever holds the port
//	Full:  the guest waits for each answer
package wire

import "encoding/json"

// Request asks the host for one thing: to have QEMU do something, or to keep a file.
type Request struct {
	Execute   string         `json:"execute,omitempty"` // a command of QEMU's monitor (QMP)
	Arguments map[string]any `json:"arguments,omitempty"`
	Keep      string         `json:"keep,omitempty"` // a file's name
	Data      []byte         `json:"data,omitempty"` // what is in it
}

// Answer is what came of it.
type Answer struct {
	Return json.RawMessage `json:"return,omitempty"`
	Fault  string          `json:"fault,omitempty"` // empty when it was done
}
