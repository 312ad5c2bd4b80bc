package console_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/ui/api"
	"linekeep/ui/console"
	"linekeep/ui/uitest"

	"github.com/chromedp/chromedp/kb"
)

const isLive = `document.getElementById("liveness")?.textContent === "Live."`

// tab opens the page in a real browser.
func tab(t *testing.T, b *box, l uitest.Look) (page uitest.Tab) {
	t.Helper()
	chromium := uitest.Start(t, b.Certificate().PublicKeyHash())
	page = chromium.Tab(t, l)
	page.Open(b.url + "/")
	return page
}

func TestMetersMoveAndWordsKeepUpWithTheBox(t *testing.T) {
	st := uitest.Quiet()
	b := start(t, st)
	chromium := uitest.Start(t, b.Certificate().PublicKeyHash())
	page := chromium.Tab(t, uitest.Look{Width: 1280})
	page.Open(b.url + "/")
	page.Until(isLive)
	const lit = `document.querySelector("#lines .line:nth-child(1) .lit").getAttribute("x2")`
	if got := uitest.Ask[string](page, lit); got != "71.7%" {
		t.Errorf("the office side at -17 dB is lit to %s, want 71.7%%", got)
	}

	loud := st
	loud.Lines = append([]api.Line(nil), st.Lines...)
	loud.Lines[0].Sides = []api.Side{{Name: "Office", Level: -6, Peak: -3}, {Name: "Caller", Level: -30, Peak: -24}}
	loud.Now = st.Now.Add(time.Second)
	b.is(loud)
	page.Until(lit + ` === "90%"`)
	page.Until(`document.querySelector("#lines .meter").getAttribute("aria-valuetext") === "good, −6 decibels"`)
	page.Until(`document.querySelector("#foot time").textContent === "09:15:25"`)
	page.Until(`document.querySelector("#lines .what").textContent.includes("4\u00a0min 13\u00a0s")`)

	// Whatever happens to the box, the live page soon says what a page loaded afresh says.
	plain := chromium.Tab(t, uitest.Look{Width: 1280, NoScript: true})
	const read = `[document.title, ...["glass", "head", "alarms", "sum", "lamps", "facts", "foot"].map(id => document.getElementById(id).textContent),
		...[...document.querySelectorAll("#lines .line")].map(e => e.className + e.textContent),
		...[...document.querySelectorAll("#lines .meter")].map(e => e.outerHTML)].join("\n")`
	for _, scene := range uitest.Scenes() {
		b.is(scene.Status)
		plain.Open(b.url + "/")
		want, got := uitest.Ask[string](plain, read), ""
		for end := time.Now().Add(10 * time.Second); got != want && time.Now().Before(end); {
			page.Frame()
			got = uitest.Ask[string](page, read)
		}
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s: the live page differs from a fresh one (-fresh +live):\n%s", scene.Name, diff)
		}
	}
}

func TestALostBoxIsSaidPlainlyAndFoundAgain(t *testing.T) {
	dir := t.TempDir()
	keep := func(c *console.Config) { c.Keep = console.Folder(dir) }
	b := start(t, uitest.Quiet(), keep)
	page := tab(t, b, uitest.Look{Width: 1280})
	page.Until(isLive)
	b.stop()
	page.Until(`document.documentElement.classList.contains("is-stale")`)
	if got := uitest.Ask[string](page, `document.getElementById("glass").textContent`); !strings.Contains(got, "Not live") ||
		strings.Contains(got, "Recording") || !strings.Contains(got, "09:15:24") {
		t.Errorf("the glass of a lost box says %q", got)
	}
	if got := uitest.Ask[string](page, `document.querySelector("#lost:not([hidden])")?.innerText ?? ""`); !strings.Contains(got, "09:15:24") {
		t.Errorf("the notice of a lost box says %q", got)
	}
	if got := uitest.Ask[string](page, `document.title`); !strings.HasPrefix(got, "Not live") {
		t.Errorf("the title of a lost box is %q", got)
	}
	if uitest.Ask[bool](page, `[...document.querySelectorAll(".meter .lit")].some(e => getComputedStyle(e).display !== "none")`) {
		t.Error("a meter still shows a level although the box is lost")
	}
	uitest.Ask[bool](page, axe(t))
	if got := uitest.Ask[string](page, askAxe); got != "[]" {
		t.Errorf("axe on a page that has lost its box: %s", got)
	}
	picture(t, func(dir string) {
		page.Shot(filepath.Join(dir, "not-live-1280-light.png"))
		page.Set(uitest.Look{Width: 360, Dark: true})
		page.Shot(filepath.Join(dir, "not-live-360-dark.png"))
	})

	// The same box comes back at the same address with the same certificate.
	again := start(t, uitest.Quiet(), keep, func(c *console.Config) { c.Listen = strings.TrimPrefix(b.url, "https://") })
	if again.Certificate().Fingerprint() != b.Certificate().Fingerprint() {
		t.Error("the certificate changed with a restart")
	}
	page.Until(isLive + ` && document.querySelector("#glass .word").textContent === "Recording"`)
	if uitest.Ask[bool](page, `document.documentElement.classList.contains("is-stale") || !document.getElementById("lost").hidden`) {
		t.Error("the page is live again and still looks stale")
	}
}

func TestThePageIsWholeWithScriptsOff(t *testing.T) {
	b := start(t, uitest.Quiet())
	page := tab(t, b, uitest.Look{Width: 360, NoScript: true})
	for what, ask := range map[string]string{
		"the answer":      `document.querySelector("h1").textContent === "Every call today has been recorded."`,
		"the level":       `document.querySelector("#lines .lit").getAttribute("x2") === "71.7%"`,
		"the refresh":     `document.querySelector('meta[http-equiv="refresh"]')?.content === "10"`,
		"how old it is":   `document.getElementById("liveness").textContent === "As it was at 09:15:24."`,
		"what is missing": `document.body.innerText.includes("runs no scripts")`,
	} {
		if !uitest.Ask[bool](page, ask) {
			t.Errorf("without scripts the page does not give %s", what)
		}
	}
	picture(t, func(dir string) { page.Shot(filepath.Join(dir, "recording-360-light-noscript.png")) })
}

func TestEveryControlIsReachedByTabAndShowsIt(t *testing.T) {
	var trouble api.Status
	for _, s := range uitest.Scenes() {
		if s.Name == "trouble" {
			trouble = s.Status
		}
	}
	b := start(t, trouble)
	page := tab(t, b, uitest.Look{Width: 1280})
	page.Until(isLive)
	all := uitest.Ask[int](page, `document.querySelectorAll("a[href], button, input, select, textarea, summary").length`)
	if all < 2 {
		t.Fatalf("the page has %d controls, want the skip link and the link to the alarms", all)
	}
	for i := range all {
		page.Press(kb.Tab)
		const focus = `(() => { const e = document.activeElement, s = getComputedStyle(e);
			return [e.tagName, s.outlineStyle, parseFloat(s.outlineWidth) >= 2, e.getBoundingClientRect().top >= 0].join(" "); })()`
		if got := uitest.Ask[string](page, focus); got != "A solid true true" {
			t.Errorf("Tab %d: got %q, want a link with an outline of 2 px or more, in sight", i+1, got)
		}
	}
	// The focus outlives a change of what has it.
	worse := trouble
	worse.Alarms = append(append([]api.Alarm(nil), trouble.Alarms...), api.Alarm{Code: "x", Severity: "due", Title: "A third thing"})
	b.is(worse)
	page.Until(`document.activeElement.textContent.trim() === "3 alarms"`)
}

func TestThePageLooksRightInGreyscaleAndInPrint(t *testing.T) {
	b := start(t, uitest.Quiet())
	page := tab(t, b, uitest.Look{Width: 1280})
	for _, s := range uitest.Scenes() {
		if s.Name != "line-fault" && s.Name != "not-recording" && s.Name != "recording" {
			continue
		}
		b.is(s.Status)
		page.Open(b.url + "/")
		for _, l := range []uitest.Look{{Width: 1280, Grey: true}, {Width: 360, Grey: true, Dark: true}, {Width: 780, Print: true, Dark: true}} {
			page.Set(l)
			if l.Print && uitest.Ask[string](page, `getComputedStyle(document.body).colorScheme + getComputedStyle(document.documentElement).backgroundColor`) != "lightrgb(255, 255, 255)" {
				t.Errorf("%s: print is not black on white", s.Name)
			}
			if uitest.Ask[bool](page, `document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth`) {
				t.Errorf("%s: scrolls sideways at %s", s.Name, l)
			}
			picture(t, func(dir string) { page.Shot(filepath.Join(dir, s.Name+"-"+l.String()+".png")) })
		}
	}
}
