package uitest

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// lookTime is how long one look may take on a busy machine.
const lookTime = 40 * time.Second

// Browser is a real Chromium that accepts one box's certificate and no other wrong one.
type Browser struct{ ctx context.Context }

// Start starts Chromium. publicKey is the SHA-256 of the public key of the box that it is to trust. A machine without
// Chromium fails the test: what nobody has looked at is not shown to work.
func Start(t *testing.T, publicKey [32]byte) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("a real browser is needed (scripts/setup installs chromium): %v", err)
	}
	options := append([]chromedp.ExecAllocatorOption{},
		chromedp.ExecPath(path), chromedp.NoFirstRun, chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", false),
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(publicKey[:])),
		chromedp.UserDataDir(t.TempDir()),
	)
	alloc, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Logf("stop the browser: %v", err)
		}
		cancel()
		end()
	})
	if _, err := chromedp.Run(ctx, chromedp.Title()); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return &Browser{ctx: ctx}
}

// Look is how the page is looked at.
type Look struct {
	Width, Height int64
	Dark          bool
	Grey          bool
	NoScript      bool
	Print         bool
}

// String names the look, for tests and pictures.
func (l Look) String() string {
	s := fmt.Sprintf("%d-light", l.Width)
	if l.Dark {
		s = fmt.Sprintf("%d-dark", l.Width)
	}
	for _, o := range []struct {
		on   bool
		name string
	}{{l.Grey, "-grey"}, {l.NoScript, "-noscript"}, {l.Print, "-print"}} {
		if o.on {
			s += o.name
		}
	}
	return s
}

// Tab is one tab of the browser. What goes wrong in it ends its test.
type Tab struct {
	t   *testing.T
	ctx context.Context
}

// For is the same tab in a subtest.
func (tab Tab) For(t *testing.T) Tab { return Tab{t, tab.ctx} }

// Tab opens a tab that looks so, and closes it with the test.
func (b *Browser) Tab(t *testing.T, l Look) Tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(b.ctx)
	t.Cleanup(closeTab)
	// The first thing a tab is told opens it, and the tab lives as long as the context of that: it has no time limit.
	if _, err := chromedp.Run(ctx, chromedp.Title()); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	tab := Tab{t, ctx}
	call(tab, network.Enable, network.EnableParams{})
	tab.Set(l)
	return tab
}

// Set makes a tab look so from now on.
func (tab Tab) Set(l Look) {
	tab.t.Helper()
	scheme, media := "light", ""
	if l.Dark {
		scheme = "dark"
	}
	if l.Print {
		media = "print"
	}
	vision := emulation.SetEmulatedVisionDeficiencyTypeNone
	if l.Grey {
		vision = emulation.SetEmulatedVisionDeficiencyTypeAchromatopsia
	}
	call(tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: l.Width, Height: cmp.Or(l.Height, 800), DeviceScaleFactor: 1, Mobile: l.Width < phoneWidth})
	// Medium and colours in one call: a second call would undo the first.
	call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media, Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, //nolint:misspell // CSS spells it so
		{Name: "prefers-reduced-motion", Value: "reduce"}}})
	call(tab, emulation.SetEmulatedVisionDeficiency, emulation.SetEmulatedVisionDeficiencyParams{Type: vision})
	call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.NoScript})
}

// phoneWidth is below which a tab behaves as a phone does.
const phoneWidth = 600

func call[P, R any](tab Tab, c cdp.Command[P, R], params P) R {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, lookTime)
	defer cancel()
	r, err := chromedp.Call(ctx, c, params)
	if err != nil {
		tab.t.Fatalf("tell the browser %T: %v", params, err)
	}
	return r
}

// Open loads an address.
func (tab Tab) Open(url string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, lookTime)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		tab.t.Fatalf("open %s: %v", url, err)
	}
}

// Ask evaluates an expression in the page. A promise is awaited.
func Ask[T any](tab Tab, expression string) T {
	tab.t.Helper()
	v, err := ask[T](tab, expression)
	if err != nil {
		tab.t.Fatalf("ask the page %.80q: %v", expression, err)
	}
	return v
}

func ask[T any](tab Tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(tab.ctx, lookTime)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Until waits for an expression, or the promise that it is, to become true in the page. A page that goes away while it is
// asked, because a form was sent, has not answered yet.
func (tab Tab) Until(expression string) {
	tab.t.Helper()
	end := time.Now().Add(lookTime / 3)
	for {
		so, err := ask[bool](tab, "Promise.resolve("+expression+").then(Boolean)")
		if so {
			return
		}
		if time.Now().After(end) {
			tab.t.Fatalf("never so in the page: %.160s (%v)", expression, err)
		}
		if err == nil {
			_, _ = ask[bool](tab, nextFrame) // what is wrong with it, the next question is told too
		}
	}
}

const nextFrame = "new Promise(r => requestAnimationFrame(() => r(true)))"

// Frame waits until the page draws its next picture: the pace at which it is worth asking again.
func (tab Tab) Frame() {
	tab.t.Helper()
	Ask[bool](tab, nextFrame)
}

// Press presses a key, such as kb.Tab.
func (tab Tab) Press(key string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, lookTime)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.KeyEvent(key)); err != nil {
		tab.t.Fatalf("press a key: %v", err)
	}
}

// Shot saves a picture of the whole page.
func (tab Tab) Shot(file string) {
	tab.t.Helper()
	whole := true
	r := call(tab, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &whole})
	if err := os.WriteFile(file, r.Data, 0o644); err != nil {
		tab.t.Fatalf("take a picture: %v", err)
	}
}

// Watch collects what a tab asks for and what it complains of, until the test ends.
type Watch struct {
	mu              sync.Mutex
	asked, complain []string
}

// Asked are the addresses that were asked for.
func (w *Watch) Asked() []string { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.asked) }

// Complaints are what the browser wrote into its log: refused by a policy, an error of a script, a failed request.
func (w *Watch) Complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.complain)
}

// Watch starts to collect.
func (tab Tab) Watch() *Watch {
	tab.t.Helper()
	w := &Watch{}
	call(tab, log.Enable, cdp.Empty{})
	call(tab, runtime.Enable, cdp.Empty{})
	note := func(to *[]string, s string) { w.mu.Lock(); *to = append(*to, s); w.mu.Unlock() }
	ctx, cancel := context.WithCancel(tab.ctx)
	var wg sync.WaitGroup
	collect(ctx, &wg, network.RequestWillBeSent, func(e network.EventRequestWillBeSent) { note(&w.asked, e.Request.URL) })
	collect(ctx, &wg, network.WebSocketCreated, func(e network.EventWebSocketCreated) { note(&w.asked, e.URL) })
	collect(ctx, &wg, log.EntryAdded, func(e log.EventEntryAdded) { note(&w.complain, e.Entry.Text+" "+e.Entry.URL) })
	collect(ctx, &wg, runtime.ExceptionThrown, func(e runtime.EventExceptionThrown) {
		note(&w.complain, e.ExceptionDetails.Text)
	})
	tab.t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

func collect[E any](ctx context.Context, wg *sync.WaitGroup, ev cdp.Event[E], take func(E)) {
	events := chromedp.Events(ctx, ev)
	wg.Go(func() {
		for e, err := range events {
			if err != nil {
				return
			}
			take(e)
		}
	})
}
