package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"linekeep/ui/service"
	"linekeep/vault/secret"
)

func (s *Server) retention(w http.ResponseWriter, r *http.Request) {
	var order service.RetentionOrder
	var err error
	secret.Do(func() {
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
		dec.DisallowUnknownFields()
		err = dec.Decode(&order)
	})
	defer order.Password.Wipe()
	if err != nil {
		// What was sent may hold a password, so it is not repeated.
		s.refuse(w, r, fmt.Errorf("%w: not an order about retention", service.ErrBadQuestion))
		return
	}
	v, err := s.svc.Retention(r.Context(), service.Machine, order)
	s.answer(w, r, v, err)
}

// Retention does something about how long recordings are kept, and says how it stands then.
func (c *Client) Retention(ctx context.Context, o service.RetentionOrder) (v service.Retention, err error) {
	var body []byte
	defer func() { clear(body) }() // the way is a socket of this box
	secret.Do(func() {
		question := struct {
			service.RetentionOrder
			Password string // in the place of the one that is never marshalled
		}{RetentionOrder: o}
		if !o.Password.IsZero() {
			o.Password.Use(func(b []byte) { question.Password = string(b) })
		}
		body, err = json.Marshal(question)
	})
	if err != nil {
		return v, fmt.Errorf("ask about retention: %w", err)
	}
	return v, c.ask(ctx, http.MethodPost, pathKeep, body, &v)
}
