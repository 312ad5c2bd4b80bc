package assets

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// pairs are what stands on what. 4.5 is asked of text and 3 of parts that mean something (WCAG 2.2, 1.4.3 and 1.4.11).
func pairs() []struct {
	fore string
	back []string
	min  float64
} {
	paper := []string{"page", "sheet"}
	washes := []string{"due-wash", "fault-wash"}
	face := []string{"glass"}
	return []struct {
		fore string
		back []string
		min  float64
	}{
		{"text", append(paper, washes...), 7},
		{"soft", append(paper, "well"), 4.5},
		{"ink", paper, 4.5}, {"ink-deep", paper, 4.5}, {"on-ink", []string{"ink"}, 4.5},
		{"good", paper, 4.5}, {"due", []string{"page", "sheet", "due-wash"}, 4.5}, {"fault", []string{"page", "sheet", "fault-wash"}, 4.5},
		{"edge", paper, 3}, {"office", append(paper, "bed"), 3}, {"caller", append(paper, "bed"), 3},
		{"glass-text", []string{"glass", "glass-fault"}, 4.5}, {"glass-soft", face, 4.5},
		{"lamp-good", face, 4.5}, {"lamp-due", face, 4.5}, {"lamp-fault", face, 4.5}, {"lamp-off", face, 3},
		{"glass-tick", face, 3}, {"glass-fault-tick", []string{"glass-fault"}, 3},
	}
}

func TestEveryPairOfColoursCanBeToldApartInBothThemes(t *testing.T) {
	themes := tokens(t)
	used := make(map[string]bool)
	for theme, colours := range themes {
		for _, p := range pairs() {
			for _, back := range p.back {
				f, ok := colours[p.fore]
				b, ok2 := colours[back]
				if !ok || !ok2 {
					t.Fatalf("%s: no colour %q or %q", theme, p.fore, back)
				}
				used[p.fore], used[back] = true, true
				if c := contrast(f, b); c < p.min {
					t.Errorf("%s: %s on %s is %.2f, want %.1f", theme, p.fore, back, c, p.min)
				}
			}
		}
	}
	quiet := map[string]bool{"rule": true, "glass-edge": true, "glass-rule": true} // hairlines that mean nothing
	for name := range themes["light"] {
		if !used[name] && !quiet[name] {
			t.Errorf("the colour %s stands in no pair: say what it stands on", name)
		}
	}
}

func TestWhiteOnBlackIsTwentyOneToOne(t *testing.T) {
	if c := contrast(oklch{1, 0, 0}, oklch{0, 0, 0}); math.Abs(c-21) > 0.01 {
		t.Errorf("contrast of white and black is %.3f, want 21", c)
	}
	// sRGB red is oklch(0.6280 0.2577 29.23); its contrast on white is 4.00 by the WCAG formula.
	if c := contrast(oklch{0.6280, 0.2577, 29.23}, oklch{1, 0, 0}); math.Abs(c-4) > 0.02 {
		t.Errorf("contrast of red and white is %.3f, want 4.00", c)
	}
}

func TestNoColourIsNamedOutsideTheTokens(t *testing.T) {
	colour := regexp.MustCompile(`(?i)#[0-9a-f]{3,8}\b|\b(rgb|hsl|oklch|oklab|[a-z]+-mix)a?\(|:\s*(black|red|green|grey|gray|blue)\b`)
	for _, name := range []string{"base", "frame", "parts", "home", "print"} {
		b, err := os.ReadFile("src/css/" + name + ".css")
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(b), "\n") {
			if m := colour.FindString(line); m != "" && !strings.Contains(line, "url(#") {
				t.Errorf("%s.css:%d names a colour: %s", name, i+1, strings.TrimSpace(line))
			}
		}
	}
}

type oklch struct{ l, c, h float64 }

var (
	token = regexp.MustCompile(`(?m)^\s*--([a-z-]+):\s*(.+);`)
	value = regexp.MustCompile(`oklch\(([0-9.]+) ([0-9.]+) ([0-9.]+)\)`)
	alias = regexp.MustCompile(`^var\(--([a-z-]+)\)$`)
)

// tokens reads the colours of both themes from the style sheet itself.
func tokens(t *testing.T) map[string]map[string]oklch {
	t.Helper()
	b, err := os.ReadFile("src/css/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]oklch{"light": {}, "dark": {}}
	for _, m := range token.FindAllStringSubmatch(string(b), -1) {
		if a := alias.FindStringSubmatch(m[2]); a != nil {
			out["light"][m[1]], out["dark"][m[1]] = out["light"][a[1]], out["dark"][a[1]]
			continue
		}
		switch v := value.FindAllStringSubmatch(m[2], -1); len(v) {
		case 1:
			out["light"][m[1]], out["dark"][m[1]] = parse(t, v[0]), parse(t, v[0])
		case 2:
			out["light"][m[1]], out["dark"][m[1]] = parse(t, v[0]), parse(t, v[1])
		}
	}
	if len(out["light"]) < 20 {
		t.Fatalf("only %d colours were read: the test no longer understands the sheet", len(out["light"]))
	}
	return out
}

func parse(t *testing.T, m []string) oklch {
	t.Helper()
	var f [3]float64
	for i := range f {
		v, err := strconv.ParseFloat(m[i+1], 64)
		if err != nil {
			t.Fatal(fmt.Errorf("read colour %s: %w", m[0], err))
		}
		f[i] = v
	}
	return oklch{f[0], f[1], f[2]}
}

// contrast is the WCAG 2 contrast ratio.
func contrast(a, b oklch) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance goes from OKLCH through linear sRGB (the matrices of the CSS colour module, level 4), cut to what a screen can show and rounded
// to its 8 bits, as it is seen.
func luminance(c oklch) float64 {
	h := c.h * math.Pi / 180
	a, b := c.c*math.Cos(h), c.c*math.Sin(h)
	l := cube(c.l + 0.3963377774*a + 0.2158037573*b)
	m := cube(c.l - 0.1055613458*a - 0.0638541728*b)
	s := cube(c.l - 0.0894841775*a - 1.2914855480*b)
	return 0.2126*screen(4.0767416621*l-3.3077115913*m+0.2309699292*s) +
		0.7152*screen(-1.2684380046*l+2.6097574011*m-0.3413193965*s) +
		0.0722*screen(-0.0041960863*l-0.7034186147*m+1.7076147010*s)
}

func cube(x float64) float64 { return x * x * x }

func screen(linear float64) float64 {
	linear = min(max(linear, 0), 1)
	g := 12.92 * linear
	if linear > 0.0031308 {
		g = 1.055*math.Pow(linear, 1/2.4) - 0.055
	}
	g = math.Round(g*255) / 255
	if g <= 0.04045 {
		return g / 12.92
	}
	return math.Pow((g+0.055)/1.055, 2.4)
}
