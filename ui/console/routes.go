package console

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"linekeep/ui/api"
	"linekeep/ui/assets"
	"linekeep/ui/live"
	"linekeep/ui/view"
)

// policy lets a page load from this box alone, and run and style nothing that stands in the page itself. Text becomes
// HTML in one place of the script only, under the name linekeep.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types linekeep"

// secureHeaders go with every answer. There is no Strict-Transport-Security among them: with a certificate of the
// box's own it would take from people the one way they have to get past the browser's warning.
func secureHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
}

// handler is every address of the console. A method that an address does not know is answered with 405 by the mux.
func (c *Console) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.home)
	mux.HandleFunc("GET /healthz", c.health)
	mux.HandleFunc("GET "+assets.Prefix, func(w http.ResponseWriter, r *http.Request) {
		if !c.files.Serve(w, r) {
			c.notFound(w, r)
		}
	})
	mux.Handle("GET /live", c.hub)
	mux.HandleFunc("GET /", c.notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secureHeaders(w.Header())
		mux.ServeHTTP(w, r)
	})
}

func (c *Console) home(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := c.view.Home(w, c.status(r.Context())); err != nil {
		// Mostly a browser that has gone away in mid-page.
		c.log.LogAttrs(r.Context(), slog.LevelDebug, "page not sent", slog.Any("err", err))
	}
}

func (c *Console) notFound(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	if err := c.view.NotFound(w); err != nil {
		c.log.LogAttrs(r.Context(), slog.LevelDebug, "page not sent", slog.Any("err", err))
	}
}

func (c *Console) health(w http.ResponseWriter, r *http.Request) { oneWord(w, c.status(r.Context())) }

// oneWord is for monitoring: 200 while the box records, 503 while it does not.
func oneWord(w http.ResponseWriter, st api.Status) {
	code := http.StatusOK
	if st.Recording != api.Yes && st.Recording != api.Trouble {
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	// A monitor that hangs up before one word has reached it learns nothing, and that is its answer.
	_, _ = w.Write([]byte(string(st.Recording) + "\n"))
}

// source joins what the box says to the words of the pages, for the live part.
type source struct {
	status func(context.Context) api.Status
	view   *view.View
}

// Gauges are the meters.
func (s source) Gauges(ctx context.Context, dst []live.Gauge) []live.Gauge {
	for _, g := range view.Gauges(s.status(ctx), nil) {
		dst = append(dst, live.Gauge{g.Lit, g.Peak, float64(g.DB)})
	}
	return dst
}

// Pieces are the parts of the page, and its moving texts.
func (s source) Pieces(ctx context.Context) ([]live.Piece, map[string]string, error) {
	parts, texts, err := s.view.Live(s.status(ctx))
	if err != nil {
		return nil, nil, err
	}
	pieces := make([]live.Piece, len(parts))
	for i, p := range parts {
		pieces[i] = live.Piece(p)
	}
	return pieces, texts, nil
}

// plainHost reports whether name is an IP address or made of letters, digits, hyphens and dots: nothing else may come
// back in a redirect.
func plainHost(name string) bool {
	if _, err := netip.ParseAddr(unbracket(name)); err == nil {
		return true
	}
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == ""
}

func unbracket(name string) string { return strings.TrimSuffix(strings.TrimPrefix(name, "["), "]") }

func bracket(name string) string {
	if ip := net.ParseIP(unbracket(name)); ip != nil && ip.To4() == nil {
		return "[" + unbracket(name) + "]"
	}
	return name
}
