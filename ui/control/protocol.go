// Package control is linekeepctl's way in: HTTP over a unix socket that only root of the box can open.
//
//	In:    requests on the socket, each an act of ui/service by the caller Machine
//	Out:   JSON, or the bytes of a copy; errors as {"error": code, "text": words}
//	Owner: Server.Run owns the listener and the server, and ends both
//	Full:  root is not limited; copies and checks take turns (ui/service). Recording never waits for any of this
//
// The same folder has both ends, so that they cannot come to differ.
package control

import (
	"errors"
	"net/http"

	"linekeep/ui/service"
)

// The paths, each with the act of the permission table behind it.
const (
	pathStatus = "/v1/status"
	pathLines  = "/v1/lines"
	pathCalls  = "/v1/calls"
	pathSearch = "/v1/search"
	pathCheck  = "/v1/check"
	pathScrub  = "/v1/scrub"
	pathPlay   = "/v1/play"
	pathKeys   = "/v1/keys"
	pathErase  = "/v1/erase"
	pathPress  = "/v1/press"
	pathKeep   = "/v1/retention"
)

// maxQuestion bounds a request's body: an id, a code and two words, or what is known of a person.
const maxQuestion = 4 << 10

// trailFault is the trailer that says why a copy broke off after its first byte. Without it, half a file would look
// like a whole one.
const trailFault = "Linekeep-Fault"

// fault is the body of an answer that is an error.
type fault struct {
	Code string `json:"error"`
	Text string `json:"text"`
}

// codes tie the errors a caller can choose by to their names and statuses on the way.
func codes() []struct {
	err    error
	name   string
	status int
} {
	return []struct {
		err    error
		name   string
		status int
	}{
		{service.ErrNotAllowed, "not_allowed", http.StatusForbidden},
		{service.ErrNoCall, "no_call", http.StatusNotFound},
		{service.ErrSignIn, "sign_in", http.StatusUnauthorized},
		{service.ErrWrongCode, "wrong_code", http.StatusUnauthorized},
		{service.ErrBadQuestion, "bad_question", http.StatusBadRequest},
		{service.ErrVaultLocked, "vault_locked", http.StatusLocked},
		{service.ErrNoButton, "no_button", http.StatusConflict},
	}
}

func nameOf(err error) (name string, status int) {
	for _, c := range codes() {
		if errors.Is(err, c.err) {
			return c.name, c.status
		}
	}
	return "failed", http.StatusInternalServerError
}

// told is an error as the other end told it. It is the error of the same name here.
type told struct {
	kind error
	text string
}

func (t told) Error() string { return t.text }
func (t told) Unwrap() error { return t.kind }

func fromName(f fault) error {
	for _, c := range codes() {
		if c.name == f.Code {
			return told{kind: c.err, text: f.Text}
		}
	}
	return errors.New(f.Text)
}
