package control

import (
	"context"
	"fmt"
	"net/http"

	"linekeep/ui/service"
)

func (s *Server) retention(w http.ResponseWriter, r *http.Request) {
	var order service.RetentionOrder
	err := readSecret(w, r, &order)
	defer order.Password.Wipe()
	if err != nil {
		s.refuse(w, r, fmt.Errorf("%w: not an order about retention", service.ErrBadQuestion))
		return
	}
	v, err := s.svc.Retention(r.Context(), service.Machine, order)
	s.answer(w, r, v, err)
}

// Retention does something about how long recordings are kept, and says how it stands then.
func (c *Client) Retention(ctx context.Context, o service.RetentionOrder) (v service.Retention, err error) {
	return v, c.askSecret(ctx, pathKeep, func() any {
		return struct {
			service.RetentionOrder
			Password string
		}{o, text(o.Password)}
	}, &v)
}
