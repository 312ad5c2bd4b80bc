package console_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linekeep/ui/uitest"
)

// looks are the widths and themes each state is looked at in.
func looks() []uitest.Look {
	var l []uitest.Look
	for _, w := range []int64{1280, 360, 320} {
		l = append(l, uitest.Look{Width: w}, uitest.Look{Width: w, Dark: true})
	}
	return l
}

// axe is the accessibility checker, as the browser runs it.
func axe(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash("../assets/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatalf("axe-core is needed (scripts/assets installs it): %v", err)
	}
	return string(b) + ";true"
}

// askAxe runs every rule for WCAG 2.0 to 2.2, A and AA, and best practice. preload is off: its own fetch of the style
// sheet would break the page's policy.
const askAxe = `axe.run(document, {preload: false, resultTypes: ["violations"], runOnly: {type: "tag", values:
 ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]}})
 .then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 160) + " " + n.any.concat(n.all, n.none).map(c => c.message).join("; ")).join(" | "))))`

// faults are what the page must never have, asked of the page itself.
const askFaults = `(() => {
  const bad = [], e = document.scrollingElement;
  const wide = e.clientWidth;
  if (e.scrollWidth > wide) bad.push("scrolls sideways: " + e.scrollWidth + " > " + wide);
  if (document.querySelector("[style]")) bad.push("has a style attribute");
  if (document.querySelector("style, script:not([src])")) bad.push("has an inline style or script");
  for (const el of document.querySelectorAll("*")) for (const a of el.attributes) if (/^on/.test(a.name)) bad.push("has " + a.name);
  // axe looks for the names of meters in HTML only, and ours are drawings.
  for (const el of document.querySelectorAll("[role=meter], [role=img]")) if (!el.getAttribute("aria-label")) bad.push("has no name: " + el.outerHTML.slice(0, 80));
  for (const el of document.querySelectorAll("a, button, input")) {
    if (el.classList.contains("skip")) continue;
    const r = el.getBoundingClientRect();
    if (r.width < 24 || r.height < 24) bad.push("target of " + r.width + " x " + r.height + ": " + el.textContent);
  }
  for (const el of document.querySelectorAll("body *:not(.vh):not(.vh *)")) {
    const r = el.getBoundingClientRect();
    if (el.closest("svg") === null && r.width > 0 && (r.right > wide + 1 || r.left < -1) && !el.classList.contains("skip")) bad.push("sticks out: " + el.className + " " + el.textContent.slice(0, 40));
  }
  return JSON.stringify(bad);
})()`

func TestEveryStateIsReadableByEverybodyAtEveryWidthInBothThemes(t *testing.T) {
	b := start(t, uitest.Quiet())
	chromium := uitest.Start(t, b.Certificate().PublicKeyHash())
	tab := chromium.Tab(t, looks()[0])
	seen := tab.Watch()
	checker := axe(t)
	for _, scene := range uitest.Scenes() {
		b.is(scene.Status)
		tab.Open(b.url + "/")
		tab.Until(`document.getElementById("liveness")?.textContent === "Live."`)
		uitest.Ask[bool](tab, checker)
		for _, look := range looks() {
			t.Run(scene.Name+"/"+look.String(), func(t *testing.T) {
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
				picture(t, func(dir string) {
					tab.Shot(filepath.Join(dir, fmt.Sprintf("%s-%s.png", scene.Name, look)))
				})
			})
		}
	}
	for _, url := range seen.Asked() {
		if !strings.HasPrefix(url, b.url+"/") && url != strings.Replace(b.url, "https", "wss", 1)+"/live" {
			t.Errorf("the page asked for %s, which is not on the box", url)
		}
	}
	if len(seen.Asked()) == 0 {
		t.Error("no request was seen: this test would not notice a foreign one")
	}
	for _, c := range seen.Complaints() {
		t.Errorf("the browser complains: %s", c)
	}
}

// The checks above are worth something only if they find what is wrong. Here it is planted.
func TestTheChecksFindWhatIsPlanted(t *testing.T) {
	b := start(t, uitest.Quiet())
	tab := uitest.Start(t, b.Certificate().PublicKeyHash()).Tab(t, uitest.Look{Width: 360})
	seen := tab.Watch()
	tab.Open(b.url + "/")
	tab.Until(isLive)
	uitest.Ask[bool](tab, axe(t))
	uitest.Ask[bool](tab, `(() => {
		const p = document.createElement("pre");
		p.setAttribute("style", "margin: 0");
		p.textContent = "wide".repeat(200);
		document.querySelector("main").append(p);
		document.querySelector(".meter").removeAttribute("aria-label");
		document.querySelector(".more").className = "soft";
		const img = document.createElement("img");
		img.src = "https://192.0.2.1/pixel";
		document.querySelector("main").append(img);
		return true;
	})()`)
	found := uitest.Ask[string](tab, askAxe) + uitest.Ask[string](tab, askFaults)
	for _, want := range []string{"has no name", "scrolls sideways", "color-contrast", "image-alt", "has a style attribute"} { //nolint:misspell // axe's name
		if !strings.Contains(found, want) {
			t.Errorf("%s was planted and not found in %s", want, found)
		}
	}
	if n := len(seen.Complaints()); n == 0 {
		t.Error("the browser did not refuse a style attribute and a foreign picture, or the test does not hear it")
	}
	for _, url := range seen.Asked() {
		if strings.Contains(url, "192.0.2.1") {
			t.Logf("asked and refused by the policy: %s", url)
		}
	}
}

func picture(t *testing.T, take func(dir string)) {
	t.Helper()
	if dir := shots(); dir != "" {
		take(dir)
	}
}
