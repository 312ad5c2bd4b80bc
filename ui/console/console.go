// Package console is the box's own web server: one page that says whether it records, over HTTPS with the box's own
// certificate.
//
// There is no sign-in yet, so it shows health data only: totals of the day and what each line is doing now. It never
// sees a recording, a number or the time of a past call, because api.Status has no room for one.
//
//	In:    a function that says how the box is; browsers
//	Out:   the page, its assets, its live socket, and a word for monitoring
//	Owner: Run owns the listener, the server and the live hub, and ends them all
//	Full:  at most Config.Connections browsers' connections; more wait at the door. Recording never waits for any of this
package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"linekeep/ui/api"
	"linekeep/ui/assets"
	"linekeep/ui/live"
	"linekeep/ui/view"
)

// Config is where and how the console answers.
type Config struct {
	Listen      string      // address for HTTPS, such as ":8443"
	Redirect    string      // address for plain HTTP, which only sends on to HTTPS; empty for none
	Names       []string    // names and IP addresses the certificate is made out to, when it is made
	Connections int         // browsers' connections at once
	Keep        Keep        // where the key and the certificate lie
	Live        live.Config // pace and limits of the live part
}

// Defaults are the figures for an office. Keep is the caller's to choose.
func Defaults() Config {
	return Config{
		Listen: ":8443",
		Names:  []string{"localhost", "127.0.0.1", "::1"},
		// A page takes two connections, one of them for as long as it is open; 60 open pages of 32
		// lines took 15 MB with both their ends in one process: at most 250 KB a page.
		Connections: 192,
		Live:        live.Defaults(),
	}
}

// Validate reports every fault.
func (c Config) Validate() error {
	errs := []error{c.Live.Validate()}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("console: listen: %w", err))
	}
	if c.Redirect != "" {
		if _, _, err := net.SplitHostPort(c.Redirect); err != nil {
			errs = append(errs, fmt.Errorf("console: redirect: %w", err))
		}
	}
	if c.Connections < 2 {
		errs = append(errs, errors.New("console: connections must be 2 or more: a page takes two"))
	}
	if c.Keep == nil {
		errs = append(errs, errors.New("console: no place to keep the certificate"))
	}
	return errors.Join(errs...)
}

const (
	// headerTime and bodyTime end a connection that dawdles; nothing here has a body worth the name.
	headerTime = 5 * time.Second
	bodyTime   = 10 * time.Second
	// answerTime is for the largest answer, a page of 32 lines, over a poor wireless link. The live socket has its own.
	answerTime = 20 * time.Second
	idleTime   = 60 * time.Second
	headerMax  = 16 << 10
	// stopTime is how long browsers may finish what they are loading when the box stops.
	stopTime = 2 * time.Second
)

// Console is the server, ready to run.
type Console struct {
	cfg    Config
	status func(context.Context) api.Status
	log    *slog.Logger
	cert   Certificate
	view   *view.View
	files  *assets.Set
	hub    *live.Hub
}

// New makes a console that says what status says. The certificate is read, or made at the first start.
// status is called by several goroutines at once and must answer at once.
func New(cfg Config, status func(context.Context) api.Status, log *slog.Logger) (*Console, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cert, err := loadOrMake(cfg.Keep, cfg.Names, time.Now())
	if err != nil {
		return nil, err
	}
	files, err := assets.Load()
	if err != nil {
		// A box whose page has lost its looks still records, and the page still says so.
		log.LogAttrs(context.Background(), slog.LevelError, "console has no style and no live part", slog.Any("err", err))
	}
	v, err := view.New(view.Files{Style: files.Style, Script: files.Script, Icon: files.Icon})
	if err != nil {
		return nil, err
	}
	hub, err := live.New(cfg.Live, source{status: status, view: v}, log)
	if err != nil {
		return nil, err
	}
	return &Console{cfg: cfg, status: status, log: log, cert: cert, view: v, files: files, hub: hub}, nil
}

// Certificate is what the console shows to browsers.
func (c *Console) Certificate() Certificate { return c.cert }

// Run answers browsers until ctx ends. When it returns, no connection and no goroutine is left.
func (c *Console) Run(ctx context.Context) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", c.cfg.Listen)
	if err != nil {
		return fmt.Errorf("open the console's door: %w", err)
	}
	if c.cfg.Redirect == "" {
		return c.Serve(ctx, ln)
	}
	plain, err := lc.Listen(ctx, "tcp", c.cfg.Redirect)
	if err != nil {
		return errors.Join(fmt.Errorf("open the console's plain door: %w", err), ln.Close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Serve(ctx, ln) })
	g.Go(func() error { return c.redirect(ctx, plain) })
	return g.Wait()
}

// Serve is Run on a listener that is open already. It closes ln.
func (c *Console) Serve(ctx context.Context, ln net.Listener) error {
	c.log.LogAttrs(ctx, slog.LevelInfo, "console answers",
		slog.String("address", ln.Addr().String()), slog.String("fingerprint", c.cert.Fingerprint()))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.hub.Run(ctx) })
	g.Go(func() error {
		return serveTLS(ctx, newServer(ctx, c.handler(), c.log), c.cert, newDoor(ln, c.cfg.Connections))
	})
	return g.Wait()
}

// serveTLS answers at a door under a certificate until ctx ends.
func serveTLS(ctx context.Context, srv *http.Server, cert Certificate, door net.Listener) error {
	srv.TLSConfig = &tls.Config{
		Certificates: []tls.Certificate{cert.pair},
		MinVersion:   tls.VersionTLS13, // every browser since 2018; an office's telephone recorder has no older guests
	}
	return serve(ctx, srv, func() error { return srv.ServeTLS(door, "", "") })
}

// redirect sends plain HTTP on to HTTPS, and says nothing else.
func (c *Console) redirect(ctx context.Context, ln net.Listener) error {
	srv := newServer(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secureHeaders(w.Header())
		to, ok := secureAddress(r.Host, c.cfg.Listen)
		if !ok || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
			http.Error(w, "This box answers over HTTPS only.", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, to, http.StatusPermanentRedirect)
	}), c.log)
	return serve(ctx, srv, func() error { return srv.Serve(newDoor(ln, plainConnections)) })
}

// plainConnections is plenty for a door that nobody stays in.
const plainConnections = 16

// secureAddress is the address of the page for a browser that asked host. The path is not kept: there is one page.
func secureAddress(host, listen string) (string, bool) {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	_, port, err := net.SplitHostPort(listen)
	if err != nil || !plainHost(name) {
		return "", false
	}
	if port == "443" {
		return "https://" + bracket(name) + "/", true
	}
	return "https://" + net.JoinHostPort(unbracket(name), port) + "/", true
}

func newServer(ctx context.Context, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: answerTime,
		IdleTimeout: idleTime, MaxHeaderBytes: headerMax,
		// A person who has not accepted the certificate yet makes a handshake fail every few seconds.
		ErrorLog:    slog.NewLogLogger(newFewErrors(log), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
}

// serve runs srv until ctx ends and gives its answers a moment to finish.
func serve(ctx context.Context, srv *http.Server, run func() error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := run(); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the console: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		if err := srv.Shutdown(end); err != nil {
			return srv.Close() // whoever is still loading is cut off
		}
		return nil
	})
	return g.Wait()
}
