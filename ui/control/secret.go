package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"linekeep/vault/secret"
)

// readSecret reads a question that may hold secrets. An error says nothing of what was sent.
func readSecret(w http.ResponseWriter, r *http.Request, q any) (err error) {
	secret.Do(func() {
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
		dec.DisallowUnknownFields()
		err = dec.Decode(q)
	})
	return err
}

// writeSecret writes a question with secrets in it, for the way, which is a socket of this box. Question makes what is sent: with the
// text of a secret in the place of the field that is never marshalled. The caller clears what it gets.
func writeSecret(question func() any) (body []byte, err error) {
	secret.Do(func() { body, err = json.Marshal(question()) })
	if err != nil {
		return body, fmt.Errorf("write the question: %w", err)
	}
	return body, nil
}

// askSecret asks a question with secrets in it.
func (c *Client) askSecret(ctx context.Context, path string, question func() any, into any) error {
	body, err := writeSecret(question)
	defer func() { clear(body) }()
	if err != nil {
		return err
	}
	return c.ask(ctx, http.MethodPost, path, body, into)
}

// text is a secret as it is sent; for question alone.
func text(p secret.Password) (s string) {
	if !p.IsZero() {
		p.Use(func(b []byte) { s = string(b) })
	}
	return s
}
