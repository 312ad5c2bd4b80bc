package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"linekeep/ui/service"
	"linekeep/vault/secret"
)

func (s *Server) scrub(w http.ResponseWriter, r *http.Request) {
	var q service.Scrubbing
	if err := readSecret(w, r, &q); err != nil {
		s.refuse(w, r, fmt.Errorf("%w: not a question to read the vault again", service.ErrBadQuestion))
		return
	}
	defer q.Password.Wipe()
	v, err := s.svc.Scrub(r.Context(), service.Machine, q)
	s.answer(w, r, v, err)
}

// readSecret reads a question that may hold a password. An error says nothing of what was sent.
func readSecret(w http.ResponseWriter, r *http.Request, q any) (err error) {
	secret.Do(func() {
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
		dec.DisallowUnknownFields()
		err = dec.Decode(q)
	})
	return err
}

// Scrub reads the vault again, or says how far that is.
func (c *Client) Scrub(ctx context.Context, q service.Scrubbing) (v service.Scrubbed, err error) {
	var body []byte
	defer func() { clear(body) }() // the way is a socket of this box
	secret.Do(func() {
		question := struct {
			service.Scrubbing
			Password string // in the place of the one that is never marshalled
		}{Scrubbing: q}
		if !q.Password.IsZero() {
			q.Password.Use(func(b []byte) { question.Password = string(b) })
		}
		body, err = json.Marshal(question)
	})
	if err != nil {
		return v, fmt.Errorf("ask for a scrub: %w", err)
	}
	return v, c.ask(ctx, http.MethodPost, pathScrub, body, &v)
}
