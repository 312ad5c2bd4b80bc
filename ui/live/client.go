package live

import (
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// readLimit is more than a browser ever sends: it sends nothing but pongs and a farewell, 125 bytes at most.
	readLimit = 512
	// silentPings is how many pings may go unanswered before a browser counts as gone, in halves.
	silentPings = 5
)

// client is one browser.
type client struct {
	cfg  Config
	done chan struct{} // closed by stop
	once sync.Once
	wake chan struct{} // one mark: a frame waits

	mu   sync.Mutex
	wait *frame // the newest frame not yet written
	// texts not yet sent, gathered from frames that were replaced: they come only with every few frames
	texts map[string]string

	sent map[string]uint64 // the version of each piece this browser has; the writer's own
	said map[string]string // and its texts
}

func newClient(cfg Config) *client {
	return &client{
		cfg: cfg, done: make(chan struct{}), wake: make(chan struct{}, 1),
		texts: make(map[string]string), sent: make(map[string]uint64), said: make(map[string]string),
	}
}

// offer never waits. It reports whether a frame that the browser has not taken was replaced.
func (c *client) offer(f *frame) (replaced bool) {
	c.mu.Lock()
	replaced = c.wait != nil
	c.wait = f
	if f.texts != nil {
		// Only the newest matter, and keys that are gone must not pile up.
		clear(c.texts)
		maps.Copy(c.texts, f.texts)
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return replaced
}

func (c *client) stop() { c.once.Do(func() { close(c.done) }) }

// serve stays until the browser is gone or stop is called.
func (c *client) serve(conn *websocket.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() {
		c.write(conn)
		// The farewell has been said, or cannot be: this ends the reader too.
		_ = conn.Close() // the socket is given up; nothing that counts was on its way
	})
	c.read(conn)
	c.stop()
	wg.Wait()
}

// read takes the browser's pongs. Anything it says is more than it has to say, and is dropped.
func (c *client) read(conn *websocket.Conn) {
	patience := c.cfg.Ping * silentPings / 2
	conn.SetReadLimit(readLimit)
	extend := func(string) error { return conn.SetReadDeadline(time.Now().Add(patience)) }
	conn.SetPongHandler(extend)
	if extend("") != nil {
		return
	}
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}

// write sends the newest frame whenever there is one the browser can take.
func (c *client) write(conn *websocket.Conn) {
	ping := time.NewTicker(c.cfg.Ping)
	defer ping.Stop()
	for {
		select {
		case <-c.done:
			bye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
			_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second)) // a courtesy
			return
		case <-ping.C:
			if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.cfg.Write)) != nil {
				return
			}
		case <-c.wake:
			if c.push(conn) != nil {
				return
			}
		}
	}
}

// message is what goes to the browser.
type message struct {
	Levels json.RawMessage   `json:"levels"`
	Texts  map[string]string `json:"texts,omitempty"`
	Parts  []Piece           `json:"parts,omitempty"`
}

// push writes the waiting frame: the meters, and of the rest what this browser does not have yet.
func (c *client) push(conn *websocket.Conn) error {
	m, ok := c.next()
	if !ok {
		return nil
	}
	if err := conn.SetWriteDeadline(time.Now().Add(c.cfg.Write)); err != nil {
		return err
	}
	w, err := conn.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // a message is never part of a page as it stands; escaped, a piece would be half as long again
	if err := e.Encode(m); err != nil {
		return err
	}
	return w.Close()
}

func (c *client) next() (message, bool) {
	c.mu.Lock()
	f := c.wait
	c.wait = nil
	texts := maps.Clone(c.texts)
	clear(c.texts)
	c.mu.Unlock()
	if f == nil || f.pieces == nil {
		return message{}, false
	}
	m := message{Levels: f.levels}
	for _, p := range f.pieces {
		if c.sent[p.ID] != p.version {
			c.sent[p.ID] = p.version
			m.Parts = append(m.Parts, p.Piece)
		}
	}
	if len(m.Parts) > 0 {
		clear(c.said) // a new piece comes with its moving texts empty
	}
	for k, v := range texts {
		if c.said[k] == v {
			delete(texts, k)
		}
	}
	maps.Copy(c.said, texts)
	m.Texts = texts
	return m, true
}
