package logs

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestBothFormsSayTheSame(t *testing.T) {
	for _, c := range []struct{ form, want string }{
		{"text", `level=WARN msg="alarm raised" line=reception`},
		{"json", `"msg":"alarm raised","line":"reception"`},
	} {
		var b strings.Builder
		log, err := New(&b, c.form, "info")
		if err != nil {
			t.Fatalf("New(%s): %v", c.form, err)
		}
		log.LogAttrs(t.Context(), slog.LevelDebug, "not told")
		log.LogAttrs(t.Context(), slog.LevelWarn, "alarm raised", slog.String("line", "reception"))
		if !strings.Contains(b.String(), c.want) || strings.Contains(b.String(), "not told") {
			t.Errorf("%s: got %q, want %q in it", c.form, b.String(), c.want)
		}
		if c.form == "json" && !json.Valid([]byte(b.String())) {
			t.Errorf("not JSON: %q", b.String())
		}
	}
}

func TestAWrongFormOrLevelIsRefused(t *testing.T) {
	for _, c := range [][2]string{{"xml", "info"}, {"text", "loud"}} {
		if _, err := New(&strings.Builder{}, c[0], c[1]); err == nil {
			t.Errorf("New(%q, %q): no error", c[0], c[1])
		}
	}
}
