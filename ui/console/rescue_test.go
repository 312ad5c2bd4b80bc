package console_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"linekeep/ui/api"
	"linekeep/ui/console"
	"linekeep/ui/service"
	"linekeep/ui/uitest"
	"linekeep/vault"
	"linekeep/vault/audit/entry"
	"linekeep/vault/custody"
)

// rescued is a rescue page that runs, with a button and a vault that do as a test tells them.
type rescued struct {
	*console.Rescue
	url string
	log *lockedLog

	mu      sync.Mutex
	pressed bool
	answer  error
	opened  []string
}

func (b *rescued) PressedWithin(time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pressed
}

func (b *rescued) is(pressed bool, answer error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pressed, b.answer = pressed, answer
}

func (b *rescued) open(_ context.Context, code custody.Code) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened = append(b.opened, code.Reveal())
	return b.answer
}

// lockedLog is a log that several goroutines write.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}
func (l *lockedLog) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

func startRescue(t *testing.T, keep string, button bool) *rescued {
	t.Helper()
	b := &rescued{log: &lockedLog{}}
	cfg := console.Defaults()
	cfg.Listen, cfg.Keep = "127.0.0.1:0", console.RescueKeep(keep)
	var finger service.Button
	if button {
		finger = b
	}
	act := service.NewRescue(finger, b.open, time.Now, nobody{})
	p, err := console.NewRescue(cfg, func(context.Context) api.Status { return uitest.Locked() }, act, slog.New(slog.NewTextHandler(b.log, nil)))
	if err != nil {
		t.Fatalf("NewRescue: %v", err)
	}
	b.Rescue = p
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		t.Fatal(err)
	}
	b.url = "https://" + ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // one answer
	go func() { done <- p.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return b
}

func (b *rescued) post(t *testing.T, code string, header ...string) (int, string) {
	t.Helper()
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer hc.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/", strings.NewReader(url.Values{"code": {code}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestTheRescuePageTakesTheCodeFromWhoStandsAtTheBoxAndTellsNobody(t *testing.T) {
	b := startRescue(t, t.TempDir(), true)
	code := custody.NewCode().Reveal()
	if status, body := b.post(t, code); status != http.StatusForbidden || !strings.Contains(body, "Nobody has pressed the button") || len(b.opened) != 0 {
		t.Errorf("without the button: %d, %d opened", status, len(b.opened))
	}
	b.is(true, vault.ErrWrongCode)
	if status, body := b.post(t, code); status != http.StatusForbidden || !strings.Contains(body, "not this box") || strings.Contains(body, code) {
		t.Errorf("a wrong code: %d, repeated in the page: %v", status, strings.Contains(body, code))
	}
	if status, _ := b.post(t, code, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden || len(b.opened) != 1 {
		t.Errorf("from another site's page: %d, %d opened", status, len(b.opened))
	}
	if status, body := b.post(t, "1234"); status != http.StatusForbidden || !strings.Contains(body, "mistyped") {
		t.Errorf("a mistyped code: %d", status)
	}
	b.is(true, errors.New("the disk is on fire"))
	if status, body := b.post(t, code); status != http.StatusInternalServerError || strings.Contains(body, "fire") {
		t.Errorf("a fault: %d", status)
	}
	if status, _ := b.post(t, strings.Repeat("x", 5000)); status != http.StatusBadRequest {
		t.Errorf("a long form: %d", status)
	}
	b.is(true, nil)
	if status, _ := b.post(t, code); status != http.StatusSeeOther || b.opened[len(b.opened)-1] != code {
		t.Errorf("the right code: %d", status)
	}
	if strings.Contains(b.log.String(), code[:11]) || !strings.Contains(b.log.String(), "recovery code") {
		t.Errorf("the log repeats the code, or says nothing:\n%s", b.log)
	}
}

func TestTheRescueCertificateIsThereBeforeItIsNeededAndStays(t *testing.T) {
	dir := t.TempDir()
	cfg := console.Defaults()
	cfg.Keep = console.RescueKeep(dir)
	printed, err := console.RescueCertificate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := startRescue(t, dir, true)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(b.url, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if string(conn.ConnectionState().PeerCertificates[0].Raw) == "" || b.Certificate().Fingerprint() != printed.Fingerprint() {
		t.Error("the page shows another certificate than the printed one")
	}
	if _, err := filepath.Glob(filepath.Join(dir, "rescue.key")); err != nil {
		t.Error(err)
	}
}

func TestTheRescuePageIsReadableByEverybodyWithoutScripts(t *testing.T) {
	b := startRescue(t, t.TempDir(), true)
	bare := startRescue(t, t.TempDir(), false)
	chromium := uitest.Start(t, b.Certificate().PublicKeyHash())
	tab := chromium.Tab(t, looks()[0])
	seen := tab.Watch()
	checker := axe(t)
	send := func(code string) {
		tab.Open(b.url + "/")
		uitest.Ask[bool](tab, `document.getElementById("code").value = "`+code+`", document.querySelector("form").submit(), true`)
		tab.Until(`document.readyState === "complete" && (document.getElementById("code-fault") || document.getElementById("h-trouble") || document.getElementById("h-next")) !== null`)
	}
	for _, scene := range []struct {
		name string
		open func()
	}{
		{"form", func() { tab.Open(b.url + "/") }},
		{"no-button", func() { send("x") }},
		{"mistyped", func() { b.is(true, nil); send("005HC-89C6X-14TP3-3DSWR-93WTM-PRBQH-PHVK-Z5ZMN") }},
		{"no-backup", func() { b.is(true, vault.ErrNoBackup); send(custody.NewCode().Reveal()) }},
		{"open", func() { b.is(true, nil); send(custody.NewCode().Reveal()) }},
	} {
		scene.open()
		uitest.Ask[bool](tab, checker)
		for _, look := range looks() {
			t.Run(scene.name+"/"+look.String(), func(t *testing.T) {
				tab := tab.For(t)
				tab.Set(look)
				for what, ask := range map[string]string{"axe": askAxe, "page": askFaults} {
					var faults []string
					if err := json.Unmarshal([]byte(uitest.Ask[string](tab, ask)), &faults); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					for _, f := range faults {
						t.Errorf("%s: %s", what, f)
					}
				}
				picture(t, func(dir string) { tab.Shot(filepath.Join(dir, "rescue-"+scene.name+"-"+look.String()+".png")) })
			})
		}
	}
	for _, u := range seen.Asked() {
		if !strings.HasPrefix(u, b.url+"/") {
			t.Errorf("the page asked for %s", u)
		}
	}
	for _, c := range seen.Complaints() {
		if !strings.Contains(c, "the server responded with a status of 4") && !strings.Contains(c, "status of 500") { // what was provoked
			t.Errorf("the browser complains: %s", c)
		}
	}
	if status, _ := bare.post(t, custody.NewCode().Reveal()); status != http.StatusForbidden {
		t.Errorf("a box without a button takes a code: %d", status)
	}
}

// nobody keeps what is refused.
type nobody struct{}

func (nobody) Refused(context.Context, entry.Kind, string, string) {}
