package control

import (
	"context"
	"fmt"
	"net/http"

	"linekeep/ui/service"
	"linekeep/vault/secret"
)

const pathPeople = "/v1/people"

func (s *Server) people(w http.ResponseWriter, r *http.Request) {
	var order service.PeopleOrder
	err := readSecret(w, r, &order)
	defer func() {
		for _, p := range secrets(&order) {
			p.Wipe()
		}
	}()
	if err != nil {
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

// People does something about people.
func (c *Client) People(ctx context.Context, o service.PeopleOrder) (done service.PeopleDone, err error) {
	return done, c.askSecret(ctx, pathPeople, func() any {
		return struct {
			service.PeopleOrder
			Password, Slip, Fresh, Factor, Recovery string
		}{o, text(o.Password), text(o.Slip), text(o.Fresh), text(o.Factor), text(o.Recovery)}
	}, &done)
}
