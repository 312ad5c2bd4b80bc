package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"linekeep/ui/service"
	"linekeep/vault/secret"
)

const (
	headerTime = 5 * time.Second  // the other end is on this machine
	stopTime   = 10 * time.Second // to finish a copy that is being written when the box stops
)

// Server answers on the socket.
type Server struct {
	path string
	svc  *service.Service
	log  *slog.Logger
}

// NewServer makes a server for the socket at path. Nothing listens until Run.
func NewServer(path string, svc *service.Service, log *slog.Logger) *Server {
	return &Server{path: path, svc: svc, log: log}
}

// Run answers until ctx ends, then lets a running copy finish for a short time. No goroutine is left when it returns.
func (s *Server) Run(ctx context.Context) (err error) {
	ln, err := s.listen(ctx)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: headerTime,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	served := make(chan error, 1) // Serve ends once
	go func() { served <- srv.Serve(secret.Listener(ln)) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the control socket: %w", err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := srv.Shutdown(late); err != nil {
		// Close cuts what did not finish; its reader sees a broken copy, not a short one.
		err = errors.Join(err, srv.Close())
		s.log.LogAttrs(late, slog.LevelWarn, "a request was cut at the stop", slog.Any("err", err))
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return nil
}

// listen opens the socket, mode 0600. One that a killed process left behind is taken away; one that answers is another
// box's on the same folder, and stays.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return nil, fmt.Errorf("make the control socket's folder: %w", err)
	}
	var d net.Dialer
	if c, err := d.DialContext(ctx, "unix", s.path); err == nil {
		return nil, errors.Join(fmt.Errorf("open the control socket %s: another process answers there", s.path), c.Close())
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("take away the old control socket: %w", err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", s.path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	// Until here the mode is the umask's, so the folder is ours alone as well.
	if err := os.Chmod(s.path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("close the control socket to others: %w", err), ln.Close())
	}
	return ln, nil
}

// Handler is the endpoints, for Run and for tests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathStatus, s.status)
	mux.HandleFunc("GET "+pathLines, s.lines)
	mux.HandleFunc("GET "+pathCalls, s.calls)
	mux.HandleFunc("POST "+pathSearch, s.search)
	mux.HandleFunc("POST "+pathCheck, s.check)
	mux.HandleFunc("POST "+pathScrub, s.scrub)
	mux.HandleFunc("POST "+pathPlay, s.play)
	mux.HandleFunc("GET "+pathKeys, s.keys)
	mux.HandleFunc("POST "+pathErase, s.erase)
	mux.HandleFunc("POST "+pathKeep, s.retention)
	mux.HandleFunc("POST "+pathPress, s.press)
	mux.HandleFunc("POST "+pathPeople, s.people)
	mux.HandleFunc("POST "+pathAudit, s.audit)
	return mux
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	v, err := s.svc.Status(r.Context(), service.Machine)
	s.answer(w, r, v, err)
}

func (s *Server) lines(w http.ResponseWriter, r *http.Request) {
	v, err := s.svc.Lines(r.Context(), service.Machine)
	s.answer(w, r, v, err)
}

func (s *Server) calls(w http.ResponseWriter, r *http.Request) {
	q, err := readQuery(r.URL.Query())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	v, err := s.svc.Calls(r.Context(), service.Machine, q)
	s.answer(w, r, v, err)
}

func (s *Server) check(w http.ResponseWriter, r *http.Request) {
	v, err := s.svc.Check(r.Context(), service.Machine)
	s.answer(w, r, v, err)
}

func (s *Server) press(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, struct{}{}, s.svc.Press(r.Context(), service.Machine))
}

func (s *Server) play(w http.ResponseWriter, r *http.Request) {
	var p service.Playing
	err := readSecret(w, r, &p)
	defer p.Code.Wipe()
	if err != nil {
		s.refuse(w, r, fmt.Errorf("%w: not a question to play a call", service.ErrBadQuestion))
		return
	}
	w.Header().Set("Trailer", trailFault)
	w.Header().Set("Content-Type", "application/octet-stream")
	out := &counting{w: w}
	err = s.svc.Play(r.Context(), service.Machine, out, p)
	switch {
	case err == nil:
	case out.n == 0:
		w.Header().Del("Trailer")
		s.refuse(w, r, err)
	default:
		w.Header().Set(trailFault, err.Error())
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "a copy broke off", slog.Any("err", err))
	}
}

// counting tells whether anything was written yet: an error before the first byte still has a status of its own.
type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.write(w, r, http.StatusOK, v)
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	name, status := nameOf(err)
	if status == http.StatusInternalServerError {
		s.log.LogAttrs(r.Context(), slog.LevelError, "a request failed", slog.String("path", r.URL.Path), slog.Any("err", err))
	}
	s.write(w, r, status, fault{Code: name, Text: err.Error()})
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil && r.Context().Err() == nil {
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "an answer did not arrive", slog.String("path", r.URL.Path), slog.Any("err", err))
	}
}

// readQuery reads the criteria of a list. Unknown ones are refused: a list that ignored one would show too much.
func readQuery(v url.Values) (service.Query, error) {
	var q service.Query
	var err error
	for key := range v {
		text := v.Get(key)
		switch key {
		case "from":
			q.From, err = time.Parse(time.RFC3339, text)
		case "to":
			q.To, err = time.Parse(time.RFC3339, text)
		case "line":
			q.Line = text
		case "direction":
			q.Direction = text
		case "shortest":
			q.Shortest, err = time.ParseDuration(text)
		case "limit":
			q.Limit, err = strconv.Atoi(text)
		default:
			return q, fmt.Errorf("%w: there is no criterion %q", service.ErrBadQuestion, key)
		}
		if err != nil {
			return q, fmt.Errorf("%w: %s: %w", service.ErrBadQuestion, key, err)
		}
	}
	return q, nil
}
