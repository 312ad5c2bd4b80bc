package console

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"linekeep/ui/api"
	"linekeep/ui/assets"
	"linekeep/ui/service"
	"linekeep/ui/view"
	"linekeep/vault/secret"
)

// Rescue is the console of a box whose vault does not open: one page under a certificate of its own, because the
// console's key lies in the vault. It takes the recovery code from somebody who stands at the box, and nothing else.
type Rescue struct {
	cfg    Config
	status func(context.Context) api.Status
	act    *service.Rescue
	log    *slog.Logger
	cert   Certificate
	view   *view.View
	files  *assets.Set
	done   atomic.Bool // a code was right: the vault opens as soon as it is quiet
}

// maxForm bounds what is posted: a code of 47 characters, written as a browser writes it.
const maxForm = 1 << 10

// rescuePolicy is the console's, without scripts, and with a form that may be sent to this box.
const rescuePolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// RescueKeep keeps the rescue page's key and certificate in clear, so that they can be had while the vault is closed.
// What they protect is one code on its way from a browser to a box that people stand beside; its fingerprint is printed.
func RescueKeep(folder string) Keep { return renamed{Folder(folder)} }

// renamed keeps what the console calls its own under the name of the rescue page.
type renamed struct{ Keep }

func (r renamed) Load(name string) ([]byte, error)    { return r.Keep.Load(rescueName(name)) }
func (r renamed) Save(name string, data []byte) error { return r.Keep.Save(rescueName(name), data) }

func rescueName(name string) string { return "rescue" + strings.TrimPrefix(name, "console") }

// RescueCertificate gives the rescue page's certificate, and makes it at the first start, so that its fingerprint can be
// printed before it is ever needed.
func RescueCertificate(cfg Config) (Certificate, error) {
	return loadOrMake(cfg.Keep, cfg.Names, time.Now())
}

// NewRescue makes the page. cfg.Keep is a RescueKeep.
func NewRescue(cfg Config, status func(context.Context) api.Status, act *service.Rescue, log *slog.Logger) (*Rescue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cert, err := RescueCertificate(cfg)
	if err != nil {
		return nil, err
	}
	files, err := assets.Load()
	if err != nil {
		log.LogAttrs(context.Background(), slog.LevelError, "the rescue page has no style", slog.Any("err", err))
	}
	v, err := view.New(view.Files{Style: files.Style, Script: files.Script, Icon: files.Icon})
	if err != nil {
		return nil, err
	}
	return &Rescue{cfg: cfg, status: status, act: act, log: log, cert: cert, view: v, files: files}, nil
}

// Certificate is what the page shows to browsers.
func (p *Rescue) Certificate() Certificate { return p.cert }

// Serve answers browsers until ctx ends. It closes ln.
func (p *Rescue) Serve(ctx context.Context, ln net.Listener) error {
	p.log.LogAttrs(ctx, slog.LevelWarn, "rescue page answers",
		slog.String("address", ln.Addr().String()), slog.String("fingerprint", p.cert.Fingerprint()))
	return serveTLS(ctx, newServer(ctx, p.handler(), p.log), p.cert, newDoor(ln, p.cfg.Connections))
}

func (p *Rescue) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { p.page(w, r, http.StatusOK, nil) })
	mux.HandleFunc("POST /{$}", p.recover)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { oneWord(w, p.status(r.Context())) })
	mux.HandleFunc("GET "+assets.Prefix, func(w http.ResponseWriter, r *http.Request) {
		if !p.files.Serve(w, r) {
			http.NotFound(w, r)
		}
	})
	// A page of somebody else's cannot send the form: the browser says where a request comes from.
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secureHeaders(w.Header())
		w.Header().Set("Content-Security-Policy", rescuePolicy)
		guarded.ServeHTTP(w, r)
	})
}

// recover takes the form. The code goes to the vault and nowhere else: not into the log, not back into the page.
func (p *Rescue) recover(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	code, err := typed(r, "code")
	if err != nil {
		p.page(w, r, http.StatusBadRequest, errForm)
		return
	}
	defer code.Wipe()
	err = p.act.Recover(r.Context(), service.Visitor, code)
	if err == nil {
		p.log.LogAttrs(r.Context(), slog.LevelWarn, "the vault was opened again with the recovery code")
		p.done.Store(true)
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	p.log.LogAttrs(r.Context(), slog.LevelWarn, "the rescue page did not open the vault", slog.Any("err", err))
	p.page(w, r, rescueStatus(err), err)
}

// typed takes what somebody typed into one field of a form, and drops the rest of the form, which is then erased.
func typed(r *http.Request, field string) (p secret.Password, err error) {
	secret.Do(func() {
		if err = r.ParseForm(); err == nil {
			p, err = secret.PasswordFrom([]byte(r.PostForm.Get(field)))
		}
		r.PostForm, r.Form = nil, nil
	})
	return p, err
}

// errForm reports a request that is not our form's.
var errForm = errors.New("console: not the form of this page")

func rescueStatus(err error) int {
	switch {
	case errors.Is(err, service.ErrTooMany):
		return http.StatusTooManyRequests
	case errors.Is(err, service.ErrWrongCode), errors.Is(err, service.ErrNoButton), errors.Is(err, service.ErrNotAllowed):
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}

func (p *Rescue) page(w http.ResponseWriter, r *http.Request, code int, fault error) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	form := view.Rescue{HasButton: p.act.HasButton(), Pressed: p.act.Pressed(), Done: p.done.Load(),
		Fingerprint: p.cert.Fingerprint(), Fault: fault}
	w.WriteHeader(code)
	if err := p.view.Rescue(w, p.status(r.Context()), form); err != nil {
		p.log.LogAttrs(r.Context(), slog.LevelDebug, "page not sent", slog.Any("err", err))
	}
}
