package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"linekeep/ui/api"
	"linekeep/ui/service"
	"linekeep/vault/check"
)

// ErrNoDaemon reports that nothing answers on the socket.
var ErrNoDaemon = errors.New("control: no daemon answers")

// Client asks a daemon. Its methods return the errors of package service, as the daemon told them, and ErrNoDaemon.
type Client struct {
	http *http.Client
	path string
}

// NewClient makes a client of the socket at path. Nothing is opened until something is asked.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status is how the box is.
func (c *Client) Status(ctx context.Context) (v api.Status, err error) {
	return v, c.ask(ctx, http.MethodGet, pathStatus, nil, &v)
}

// Lines is how the lines are.
func (c *Client) Lines(ctx context.Context) (v []api.Line, err error) {
	return v, c.ask(ctx, http.MethodGet, pathLines, nil, &v)
}

// Check has the vault read whole.
func (c *Client) Check(ctx context.Context) (v check.Report, err error) {
	return v, c.ask(ctx, http.MethodPost, pathCheck, nil, &v)
}

// Press presses the button of a box that only simulates one.
func (c *Client) Press(ctx context.Context) error {
	return c.ask(ctx, http.MethodPost, pathPress, nil, &struct{}{})
}

// Calls lists what the vault holds.
func (c *Client) Calls(ctx context.Context, q service.Query) (list service.List, err error) {
	v := url.Values{}
	set := func(key, text string, is bool) {
		if is {
			v.Set(key, text)
		}
	}
	set("from", q.From.Format(time.RFC3339), !q.From.IsZero())
	set("to", q.To.Format(time.RFC3339), !q.To.IsZero())
	set("line", q.Line, q.Line != "")
	set("direction", q.Direction, q.Direction != "")
	set("shortest", q.Shortest.String(), q.Shortest != 0)
	set("limit", strconv.Itoa(q.Limit), q.Limit != 0)
	return list, c.ask(ctx, http.MethodGet, pathCalls+"?"+v.Encode(), nil, &list)
}

// Play copies a call to w. After an error, what was written is not a whole copy.
func (c *Client) Play(ctx context.Context, w io.Writer, p service.Playing) error {
	body, err := writeSecret(func() any {
		return struct {
			service.Playing
			Code string
		}{p, text(p.Code)}
	})
	defer func() { clear(body) }()
	if err != nil {
		return err
	}
	resp, err := c.do(ctx, http.MethodPost, pathPlay, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("copy the call: %w", err)
	}
	if text := resp.Trailer.Get(trailFault); text != "" {
		return fmt.Errorf("the copy broke off: %s", text)
	}
	return nil
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte, into any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// do gives only answers that are no errors.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	// The host is never looked up: the socket is the address.
	req, err := http.NewRequestWithContext(ctx, method, "http://linekeep"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	resp, err := c.http.Do(req)
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return nil, fmt.Errorf("%w on %s: %w", ErrNoDaemon, c.path, op.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var f fault
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxQuestion)).Decode(&f); err != nil {
		return nil, fmt.Errorf("the daemon answers %s", resp.Status)
	}
	return nil, fromName(f)
}
