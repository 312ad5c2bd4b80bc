package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"linekeep/ui/service"
	"linekeep/vault/secret"
)

const pathPeople = "/v1/people"

func (s *Server) people(w http.ResponseWriter, r *http.Request) {
	var order service.PeopleOrder
	var err error
	secret.Do(func() {
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
		dec.DisallowUnknownFields()
		err = dec.Decode(&order)
	})
	defer func() {
		for _, p := range secrets(&order) {
			p.Wipe()
		}
	}()
	if err != nil {
		// What was sent may hold secrets, so it is not repeated.
		s.refuse(w, r, fmt.Errorf("%w: not an order about people", service.ErrBadQuestion))
		return
	}
	done, err := s.svc.People(r.Context(), service.Machine, order)
	s.answer(w, r, done, err)
}

// secrets are those of an order that are there.
func secrets(o *service.PeopleOrder) (all []secret.Password) {
	for _, p := range []secret.Password{o.Password, o.Slip, o.Fresh, o.Factor, o.Recovery} {
		if !p.IsZero() {
			all = append(all, p)
		}
	}
	return all
}

// People does something about people. It writes the secrets out for the way, which is a socket of this box, and wipes what
// it wrote.
func (c *Client) People(ctx context.Context, o service.PeopleOrder) (done service.PeopleDone, err error) {
	var body []byte
	defer func() { clear(body) }()
	secret.Do(func() {
		text := func(p secret.Password) (s string) {
			if !p.IsZero() {
				p.Use(func(b []byte) { s = string(b) })
			}
			return s
		}
		question := struct {
			service.PeopleOrder
			// In the place of those that are never marshalled.
			Password, Slip, Fresh, Factor, Recovery string
		}{o, text(o.Password), text(o.Slip), text(o.Fresh), text(o.Factor), text(o.Recovery)}
		body, err = json.Marshal(question)
	})
	if err != nil {
		return done, fmt.Errorf("ask about people: %w", err)
	}
	return done, c.ask(ctx, http.MethodPost, pathPeople, body, &done)
}
