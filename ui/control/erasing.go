package control

import (
	"context"
	"fmt"
	"net/http"

	"linekeep/ui/service"
)

func (s *Server) keys(w http.ResponseWriter, r *http.Request) {
	v, err := s.svc.Keys(r.Context(), service.Machine)
	s.answer(w, r, v, err)
}

func (s *Server) erase(w http.ResponseWriter, r *http.Request) {
	var e service.Erasure
	err := readSecret(w, r, &e)
	defer e.Password.Wipe()
	if err != nil {
		s.refuse(w, r, fmt.Errorf("%w: not a question to erase calls", service.ErrBadQuestion))
		return
	}
	v, err := s.svc.Erase(r.Context(), service.Machine, e)
	s.answer(w, r, v, err)
}

// Keys tells how the vault's keys stand.
func (c *Client) Keys(ctx context.Context) (v service.Keys, err error) {
	return v, c.ask(ctx, http.MethodGet, pathKeys, nil, &v)
}

// Erase erases calls for good.
func (c *Client) Erase(ctx context.Context, e service.Erasure) (v service.Erased, err error) {
	return v, c.askSecret(ctx, pathErase, func() any {
		return struct {
			service.Erasure
			Password string
		}{e, text(e.Password)}
	}, &v)
}
