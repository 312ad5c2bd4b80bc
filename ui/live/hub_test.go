package live_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"linekeep/ui/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// words is a source that says what it is told to.
type words struct {
	mu     sync.Mutex
	level  float64
	pieces []live.Piece
	texts  map[string]string
	asked  int
}

func (w *words) Gauges(_ context.Context, dst []live.Gauge) []live.Gauge {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return append(dst, live.Gauge{w.level, w.level, -20})
}

func (w *words) Pieces(context.Context) ([]live.Piece, map[string]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]live.Piece(nil), w.pieces...), w.texts, nil
}

func (w *words) say(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *words) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

func quick() live.Config {
	c := live.Defaults()
	c.Tick, c.PieceTicks, c.Write, c.Ping = 20*time.Millisecond, 2, time.Second, 200*time.Millisecond
	return c
}

func speech() *words {
	return &words{level: 50, pieces: []live.Piece{{ID: "a", HTML: "<p id=a>one</p>"}, {ID: "b", HTML: "<p id=b>two</p>"}},
		texts: map[string]string{"clock": "09:15:24"}}
}

// hub runs a hub behind HTTPS.
func hub(t *testing.T, cfg live.Config, src live.Source) (h *live.Hub, url string, stop func()) {
	t.Helper()
	h, err := live.New(cfg, src, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	srv := httptest.NewTLSServer(h)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // one answer
	go func() { done <- h.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		srv.Close()
	})
	t.Cleanup(stop)
	return h, srv.URL, stop
}

// dial opens a page's socket. The hub may not run yet: then it says so, and the page tries again.
func dial(t *testing.T, url, origin string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: 5 * time.Second}
	conn, res, err := d.Dial(strings.Replace(url, "https", "wss", 1), http.Header{"Origin": {origin}})
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, res, err
}

func open(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; {
		conn, res, err := dial(t, url, url)
		if err == nil {
			return conn
		}
		if res == nil || res.StatusCode != http.StatusServiceUnavailable || time.Now().After(end) {
			t.Fatalf("open a socket: %v", err)
		}
	}
}

type message struct {
	Levels [][3]float64
	Texts  map[string]string
	Parts  []live.Piece
}

// until reads messages until one is as wanted.
func until(t *testing.T, conn *websocket.Conn, wanted func(message) bool) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		_, b, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("the message that was waited for did not come: %v", err)
		}
		var m message
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatalf("message %q: %v", b, err)
		}
		if wanted(m) {
			return
		}
	}
}

func TestTheFirstFrameBringsEverythingAndLaterOnesOnlyWhatChanged(t *testing.T) {
	src := speech()
	_, url, _ := hub(t, quick(), src)
	conn := open(t, url)
	first := true
	until(t, conn, func(m message) bool {
		if first && len(m.Parts) != 2 {
			t.Errorf("the first frame has %d parts, want both", len(m.Parts))
		}
		if !first && len(m.Parts) > 0 {
			t.Errorf("a part came again although nothing changed: %v", m.Parts)
		}
		first = false
		return m.Texts["clock"] == "09:15:24" && len(m.Levels) == 1 && m.Levels[0][0] == 50
	})
	src.say(func() { src.pieces[1].HTML = "<p id=b>three</p>"; src.level = 70 })
	until(t, conn, func(m message) bool {
		if len(m.Parts) > 1 || len(m.Parts) == 1 && m.Parts[0].ID != "b" {
			t.Errorf("only b changed, but there came %v", m.Parts)
		}
		return len(m.Parts) == 1
	})
	until(t, conn, func(m message) bool { return m.Levels[0][0] == 70 })
	src.say(func() { src.texts = map[string]string{"clock": "09:15:25"} })
	until(t, conn, func(m message) bool { return m.Texts["clock"] == "09:15:25" })
}

func TestASlowBrowserSkipsFramesAndHoldsUpNobody(t *testing.T) {
	src := speech()
	big := strings.Repeat("x", 1<<20)
	h, url, _ := hub(t, quick(), src)
	slow, fast := open(t, url), open(t, url)
	until(t, fast, func(m message) bool { return m.Texts["clock"] != "" })
	// The slow one reads nothing. Megabytes fill what the kernel will hold for it, and then it stands still.
	for i := 0; h.Skipped() == 0; i++ {
		want := string(rune('a'+i%26)) + big
		src.say(func() { src.pieces[0].HTML = want; src.texts = map[string]string{"clock": want[:1]} })
		until(t, fast, func(m message) bool { return len(m.Parts) == 1 && m.Parts[0].HTML == want })
		if i > 200 {
			t.Fatal("200 MB were sent to a browser that reads nothing, and no frame was skipped")
		}
	}
	// What it gets when it reads on is, at the end, the newest.
	src.say(func() { src.pieces[0].HTML = "last"; src.texts = map[string]string{"clock": "last"} })
	until(t, fast, func(m message) bool { return m.Texts["clock"] == "last" })
	read, err := io1(slow)
	if err == nil && !strings.Contains(read, "last") {
		t.Error("a slow browser that reads on never saw the newest words")
	}
}

// io1 reads until the newest words came or the connection was given up, which is allowed too.
func io1(conn *websocket.Conn) (string, error) {
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	for {
		_, b, err := conn.ReadMessage()
		if err != nil {
			return "", err
		}
		if strings.Contains(string(b), `"clock":"last"`) {
			return string(b), nil
		}
	}
}

func TestASilentBrowserIsGivenUp(t *testing.T) {
	cfg := quick()
	cfg.MaxClients, cfg.Ping = 1, 40*time.Millisecond
	_, url, _ := hub(t, cfg, speech())
	mute := open(t, url)
	mute.SetPingHandler(func(string) error { return nil }) // hears pings and never answers
	until(t, mute, func(message) bool { return true })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, _, err := mute.ReadMessage(); err != nil {
				return
			}
		}
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("a browser that answers no ping kept its place")
	}
	open(t, url) // and its place is free
}

func TestABrowserThatAnswersPingsStays(t *testing.T) {
	cfg := quick()
	cfg.Ping = 30 * time.Millisecond
	_, url, _ := hub(t, cfg, speech())
	conn := open(t, url)
	frames := 0
	until(t, conn, func(message) bool { frames++; return frames > 40 }) // 800 ms, 26 pings, ten times the patience
}

func TestOnlySoManyPagesAreServed(t *testing.T) {
	cfg := quick()
	cfg.MaxClients = 2
	_, url, _ := hub(t, cfg, speech())
	open(t, url)
	second := open(t, url)
	_, res, err := dial(t, url, url)
	if err == nil || res == nil || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Fatalf("a third page: %v, %v, want 503", err, res)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, url)
}

func TestAPageOfAnotherSiteIsRefused(t *testing.T) {
	_, url, _ := hub(t, quick(), speech())
	open(t, url)
	for _, origin := range []string{"https://evil.example", "http" + strings.TrimPrefix(url, "https"), "", "null", url + ".evil.example"} {
		_, res, err := dial(t, url, origin)
		if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q: %v, %v, want 403", origin, err, res)
		}
	}
}

func TestTheBoxIsLeftAloneWhileNobodyLooks(t *testing.T) {
	src := speech()
	_, url, _ := hub(t, quick(), src)
	if n := src.count(); n != 0 {
		t.Errorf("asked %d times before anybody looked", n)
	}
	conn := open(t, url)
	until(t, conn, func(message) bool { return true })
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	// Once the hub has noticed, the count stands still.
	for end := time.Now().Add(10 * time.Second); ; {
		before := src.count()
		wait(t, 5*quick().Tick)
		if src.count() == before {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the box is still asked although nobody looks")
		}
	}
}

// wait lets real time pass by waiting for a socket on which nothing comes: the hub works in real time here.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	if err := a.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(make([]byte, 1)); err == nil {
		t.Fatal("nothing was to come")
	}
}

func TestStoppingSendsEverybodyAwayPolitely(t *testing.T) {
	_, url, stop := hub(t, quick(), speech())
	conn := open(t, url)
	until(t, conn, func(message) bool { return true })
	stop()
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil {
		_, _, err = conn.ReadMessage()
	}
	var bye *websocket.CloseError
	if !errors.As(err, &bye) || bye.Code != websocket.CloseGoingAway {
		t.Errorf("the farewell is %v, want going away", err)
	}
}

func TestAFaultySourceEndsTheHubWithItsReason(t *testing.T) {
	h, err := live.New(quick(), broken{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(h)
	done := make(chan error, 1) // one answer
	go func() { done <- h.Run(t.Context()) }()
	open(t, srv.URL)
	if err := <-done; err == nil || !strings.Contains(err.Error(), "no words") {
		t.Errorf("Run: %v, want the source's reason", err)
	}
	srv.Close()
}

type broken struct{}

func (broken) Gauges(_ context.Context, dst []live.Gauge) []live.Gauge { return dst }
func (broken) Pieces(context.Context) ([]live.Piece, map[string]string, error) {
	return nil, nil, errors.New("no words")
}

func TestEveryFaultOfTheConfigurationIsNamed(t *testing.T) {
	err := live.Config{}.Validate()
	for _, key := range []string{"tick", "piece_ticks", "max_clients", "write", "ping"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%q is not named in: %v", key, err)
		}
	}
	if err := live.Defaults().Validate(); err != nil {
		t.Errorf("Defaults: %v", err)
	}
}
