package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"linekeep/ui/service"
)

// search takes its question from the body: numbers and names stand in no address, which is what logs keep.
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	var q service.Query
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	dec.DisallowUnknownFields() // a search that ignored a criterion would show too much
	if err := dec.Decode(&q); err != nil {
		s.refuse(w, r, fmt.Errorf("%w: not a question to search calls", service.ErrBadQuestion))
		return
	}
	v, err := s.svc.Search(r.Context(), service.Machine, q)
	s.answer(w, r, v, err)
}

// Search finds calls by what is known of them.
func (c *Client) Search(ctx context.Context, q service.Query) (list service.List, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return list, fmt.Errorf("ask to search: %w", err)
	}
	return list, c.ask(ctx, http.MethodPost, pathSearch, body, &list)
}
