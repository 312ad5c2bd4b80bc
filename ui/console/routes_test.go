package console_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"linekeep/ui/api"
	"linekeep/ui/assets"
	"linekeep/ui/console"
	"linekeep/ui/uitest"
)

// client trusts this box alone, and follows no redirect.
func client(b *box) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b.Certificate().PEM())
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func ask(t *testing.T, b *box, method, path string) (*http.Response, string) {
	t.Helper()
	c := client(b)
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return res, string(body)
}

func TestEveryAnswerForbidsWhatAPageOfTheBoxNeverNeeds(t *testing.T) {
	b := start(t, uitest.Quiet())
	set, err := assets.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/healthz", set.Style, set.Script, set.Icon, "/nothing", "/live", "/assets/none.js"} {
		res, _ := ask(t, b, http.MethodGet, path)
		csp := res.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'",
			"form-action 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy lacks %s: %q", path, part, csp)
			}
		}
		for _, bad := range []string{"unsafe", "*", "http", "data:", "blob:"} {
			if strings.Contains(csp, bad) {
				t.Errorf("%s: the policy has %s: %q", path, bad, csp)
			}
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		// With a certificate of the box's own it would shut people out.
		if res.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: HSTS is set", path)
		}
		if kept := res.Header.Get("Cache-Control"); kept != "no-store" && !strings.HasPrefix(path, assets.Prefix) {
			t.Errorf("%s: may be kept: %q", path, kept)
		}
	}
}

func TestAnAddressAnswersOnlyTheMethodsItKnows(t *testing.T) {
	b := start(t, uitest.Quiet())
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/", 200}, {http.MethodHead, "/", 200}, {http.MethodPost, "/", 405}, {http.MethodDelete, "/healthz", 405},
		{http.MethodPut, "/assets/x", 405}, {http.MethodPost, "/live", 405}, {http.MethodOptions, "/", 405}, {http.MethodTrace, "/", 405},
		{http.MethodGet, "/healthz", 200}, {http.MethodGet, "/live", 400}, {http.MethodGet, "/calls", 404}, {http.MethodGet, "/index.html", 404},
		{http.MethodGet, "/assets/", 404}, {http.MethodGet, "/assets/%2e%2e/assets.go", 404}, {http.MethodGet, "//evil.example/", 307},
	} {
		res, body := ask(t, b, c.method, c.path)
		if res.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, res.StatusCode, c.want)
		}
		if to := res.Header.Get("Location"); to != "" && to != "/evil.example/" {
			t.Errorf("%s %s sends on to %s", c.method, c.path, to)
		}
		if c.want == 404 && !strings.Contains(body, "There is nothing at this address.") {
			t.Errorf("%s %s: the page does not say that nothing is there", c.method, c.path)
		}
	}
}

func TestMonitoringIsToldInOneWord(t *testing.T) {
	b := start(t, uitest.Quiet())
	for _, c := range []struct {
		is   api.Recording
		code int
	}{{api.Yes, 200}, {api.Trouble, 200}, {api.No, 503}, {"", 503}} {
		st := uitest.Quiet()
		st.Recording = c.is
		b.is(st)
		if res, body := ask(t, b, http.MethodGet, "/healthz"); res.StatusCode != c.code || body != string(c.is)+"\n" {
			t.Errorf("%q: %d %q, want %d", c.is, res.StatusCode, body, c.code)
		}
	}
}

func TestNothingOlderThanTLS13IsSpoken(t *testing.T) {
	b := start(t, uitest.Quiet())
	addr := strings.TrimPrefix(b.url, "https://")
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}
	if conn, err := tls.Dial("tcp", addr, old); err == nil {
		t.Errorf("TLS 1.2 was accepted: %v", conn.Close())
	}
	res, _ := ask(t, b, http.MethodGet, "/")
	if res.TLS.Version != tls.VersionTLS13 || res.ProtoMajor != 2 {
		t.Errorf("spoken: TLS %x, HTTP %d, want TLS 1.3 and HTTP 2", res.TLS.Version, res.ProtoMajor)
	}
}

func TestThePageTellsNothingOfAPastCall(t *testing.T) {
	st := uitest.Quiet()
	b := start(t, st)
	_, body := ask(t, b, http.MethodGet, "/")
	// Lines 2 to 4 had their last calls at these times: an idle line's Since must not be shown.
	for _, l := range st.Lines[1:] {
		if at := l.Since.Format("15:04"); strings.Contains(body, at) {
			t.Errorf("the page shows %s, when the last call on %s ended", at, l.Label)
		}
	}
	if !strings.Contains(body, st.Lines[0].Since.Format("15:04")) {
		t.Error("the page does not show since when the call that is up has been up: the test above proves nothing")
	}
}

func TestRunOpensBothDoorsAndThePlainOneOnlySendsOn(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := console.Defaults()
	secure, plain := freeAddress(t), freeAddress(t)
	cfg.Listen, cfg.Redirect, cfg.Keep = secure, plain, console.Folder(t.TempDir())
	c, err := console.New(cfg, func(context.Context) api.Status { return uitest.Quiet() }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1) // one answer
	go func() { done <- c.Run(ctx) }()
	hc := &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	_, port, err := net.SplitHostPort(secure)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, plain)
	for _, ask := range []struct{ method, host, want string }{
		{http.MethodGet, "box.office.lan", "https://box.office.lan:" + port + "/"},
		{http.MethodGet, "[fd00::7]:80", "https://[fd00::7]:" + port + "/"},
		{http.MethodGet, "192.0.2.7:8080", "https://192.0.2.7:" + port + "/"},
		{http.MethodPost, "box.office.lan", ""},
	} {
		req, err := http.NewRequestWithContext(ctx, ask.method, "http://"+plain+"/secret?number=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = ask.host
		res, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("Location"); got != ask.want {
			t.Errorf("%s from %s is sent to %q, want %q", ask.method, ask.host, got, ask.want)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	hc.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestADoorThatIsTakenIsAnErrorWithItsReason(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	for _, redirect := range []bool{false, true} {
		cfg := console.Defaults()
		cfg.Keep, cfg.Listen = console.Folder(t.TempDir()), ln.Addr().String()
		if redirect {
			cfg.Listen, cfg.Redirect = freeAddress(t), ln.Addr().String()
		}
		c, err := console.New(cfg, func(context.Context) api.Status { return uitest.Quiet() }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "door") {
			t.Errorf("Run on a taken address: %v", err)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}
