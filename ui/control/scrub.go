package control

import (
	"context"
	"fmt"
	"net/http"

	"linekeep/ui/service"
)

func (s *Server) scrub(w http.ResponseWriter, r *http.Request) {
	var q service.Scrubbing
	err := readSecret(w, r, &q)
	defer q.Password.Wipe()
	if err != nil {
		s.refuse(w, r, fmt.Errorf("%w: not a question to read the vault again", service.ErrBadQuestion))
		return
	}
	v, err := s.svc.Scrub(r.Context(), service.Machine, q)
	s.answer(w, r, v, err)
}

// Scrub reads the vault again, or says how far that is.
func (c *Client) Scrub(ctx context.Context, q service.Scrubbing) (v service.Scrubbed, err error) {
	return v, c.askSecret(ctx, pathScrub, func() any {
		return struct {
			service.Scrubbing
			Password string
		}{q, text(q.Password)}
	}, &v)
}
