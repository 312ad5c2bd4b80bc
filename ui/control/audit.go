package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"linekeep/ui/service"
)

const (
	pathAudit = "/v1/audit"
	// maxCheckpoints bounds what an auditor brings: a file of a few thousand checkpoints.
	maxCheckpoints = 4 << 20
)

func (s *Server) audit(w http.ResponseWriter, r *http.Request) {
	var q service.AuditQuestion
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCheckpoints))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		s.refuse(w, r, fmt.Errorf("%w: %w", service.ErrBadQuestion, err))
		return
	}
	v, err := s.svc.Audit(r.Context(), service.Machine, q)
	s.answer(w, r, v, err)
}

// Audit asks the audit log.
func (c *Client) Audit(ctx context.Context, q service.AuditQuestion) (a service.AuditAnswer, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("write the question: %w", err)
	}
	return a, c.ask(ctx, http.MethodPost, pathAudit, body, &a)
}
