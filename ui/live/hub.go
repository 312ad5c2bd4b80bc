// Package live carries what moves on the console's page to the browsers that look at it.
//
//	In:    a Source that says what is so, asked about eight times a second while anybody looks
//	Out:   JSON over a websocket: meters at each tick; texts and pieces of HTML when they changed
//	Owner: Run asks the Source; each client has one goroutine that writes, and reads in the one it came with. Run ends all
//	Full:  a client holds one frame that waits. A newer frame takes its place, so a slow browser sees fewer frames and
//	       never an old one, and nothing it does can hold up the box. Past MaxClients a newcomer is sent away
package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Config is the pace and the limits of a Hub.
type Config struct {
	Tick       time.Duration // between two frames
	PieceTicks int           // every so many frames the pieces and texts are looked at too
	MaxClients int           // browsers looking at once
	Write      time.Duration // how long a browser may take to accept one frame
	Ping       time.Duration // between two pings; a browser that is silent for two and a half of them is gone
}

// Defaults are the figures for an office.
func Defaults() Config {
	return Config{
		Tick:       125 * time.Millisecond, // 8 a second: a meter follows a voice; the level itself is over 100 ms
		PieceTicks: 4,                      // words twice a second: a clock never skips a second by more than a half
		MaxClients: 64,                     // a page with 32 lines was measured at 9 KB/s, so 64 are 580 KB/s; an office has fewer than 20 people who look
		Write:      5 * time.Second,
		Ping:       10 * time.Second,
	}
}

// Validate reports every fault.
func (c Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		key string
		ok  bool
	}{
		{"tick must be 20 ms or more", c.Tick >= 20*time.Millisecond},
		{"piece_ticks must be 1 or more", c.PieceTicks >= 1},
		{"max_clients must be 1 or more", c.MaxClients >= 1},
		{"write must be more than 0", c.Write > 0},
		{"ping must be more than 0", c.Ping > 0},
	} {
		if !d.ok {
			errs = append(errs, errors.New("live: "+d.key))
		}
	}
	return errors.Join(errs...)
}

// Gauge is a meter: lit length and peak in percent, and the level in dB. It is sent as [lit, peak, db].
type Gauge [3]float64

// Piece is one part of the page as HTML.
type Piece struct {
	ID   string `json:"id"`
	HTML string `json:"html"`
}

// Source says what is so. It is asked by one goroutine at a time. If it does not answer, no frame goes out, and each
// page says of itself that it is not live.
type Source interface {
	// Gauges appends the meters in the order of the page.
	Gauges(ctx context.Context, dst []Gauge) []Gauge
	// Pieces are all parts of the page, and its moving texts.
	Pieces(ctx context.Context) ([]Piece, map[string]string, error)
}

// Hub is the meeting place of the source and the browsers.
type Hub struct {
	cfg Config
	src Source
	log *slog.Logger
	up  websocket.Upgrader

	mu      sync.Mutex
	clients map[*client]struct{}
	open    bool
	wg      sync.WaitGroup
	arrived chan struct{}

	skipped atomic.Uint64
}

// New makes a Hub. Until Run it sends everybody away.
func New(cfg Config, src Source, log *slog.Logger) (*Hub, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Hub{
		cfg: cfg, src: src, log: log, clients: make(map[*client]struct{}),
		arrived: make(chan struct{}, 1), // one mark is enough: it says that there is somebody, not how many
		up: websocket.Upgrader{
			HandshakeTimeout: cfg.Write, ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10,
			WriteBufferPool: &sync.Pool{}, CheckOrigin: SameOrigin,
			Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
				http.Error(w, reason.Error(), status)
			},
		},
	}, nil
}

// Skipped is how many frames were replaced by newer ones before a slow browser took them.
func (h *Hub) Skipped() uint64 { return h.skipped.Load() }

// Run asks the source and sends frames until ctx ends. When it returns, every client is gone and no goroutine is left.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	h.open = true
	h.mu.Unlock()
	defer h.wg.Wait()
	defer h.close()

	m := maker{src: h.src}
	t := time.NewTicker(h.cfg.Tick)
	defer t.Stop()
	for n := 0; ; n++ {
		if !h.watched() {
			// Nobody looks: the source is left alone until somebody comes.
			select {
			case <-ctx.Done():
				return nil
			case <-h.arrived:
				n = 0 // the first frame brings the words
			}
		}
		f, err := m.make(ctx, n%h.cfg.PieceTicks == 0)
		if err != nil {
			return fmt.Errorf("make a frame: %w", err)
		}
		h.send(f)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (h *Hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients) > 0
}

func (h *Hub) send(f *frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		if c.offer(f) {
			h.skipped.Add(1)
		}
	}
}

// close sends everybody away. A newcomer is refused from now on.
func (h *Hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = false
	for c := range h.clients {
		c.stop()
	}
}

// join takes a client in, if there is room.
func (h *Hub) join(c *client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.open || len(h.clients) >= h.cfg.MaxClients {
		return false
	}
	h.clients[c] = struct{}{}
	h.wg.Add(1)
	select {
	case h.arrived <- struct{}{}:
	default:
	}
	return true
}

func (h *Hub) leave(c *client) {
	h.mu.Lock()
	delete(h.clients, c)
	h.mu.Unlock()
	h.wg.Done()
}

// ServeHTTP makes a browser a client and stays with it until it is gone.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := newClient(h.cfg)
	if !h.join(c) {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "Too many pages are open on this box.", http.StatusServiceUnavailable)
		return
	}
	defer h.leave(c)
	conn, err := h.up.Upgrade(w, r, nil)
	if err != nil {
		h.log.LogAttrs(r.Context(), slog.LevelDebug, "live page refused", slog.Any("err", err))
		return // Upgrade has answered
	}
	c.serve(conn)
}

// SameOrigin reports whether a page of this box asks, and not one of another site in the same browser. A browser always
// sends Origin with a websocket; what sends none is no page, and has /healthz and the API.
func SameOrigin(r *http.Request) bool {
	return r.TLS != nil && r.Header.Get("Origin") == "https://"+r.Host
}

// maker turns what the source says into frames and gives each changed piece a new version.
type maker struct {
	src    Source
	gauges []Gauge
	pieces []versioned
	count  uint64
}

// versioned is a piece and when it last changed. version counts up with every change of any piece.
type versioned struct {
	Piece
	version uint64
}

// frame is the box at one tick. It is shared by all clients and never changed.
type frame struct {
	levels json.RawMessage
	texts  map[string]string // nil between two looks
	pieces []versioned
}

func (m *maker) make(ctx context.Context, words bool) (*frame, error) {
	m.gauges = m.src.Gauges(ctx, m.gauges[:0])
	levels, err := json.Marshal(m.gauges)
	if err != nil {
		return nil, fmt.Errorf("encode meters: %w", err)
	}
	f := &frame{levels: levels, pieces: m.pieces}
	if !words {
		return f, nil
	}
	now, texts, err := m.src.Pieces(ctx)
	if err != nil {
		return nil, err
	}
	m.count++
	next := make([]versioned, len(now))
	for i, p := range now {
		next[i] = versioned{Piece: p, version: m.count}
		if i < len(m.pieces) && m.pieces[i].Piece == p {
			next[i].version = m.pieces[i].version
		}
	}
	m.pieces = next
	f.pieces, f.texts = next, texts
	return f, nil
}
