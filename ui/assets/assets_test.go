package assets

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built() fstest.MapFS {
	return fstest.MapFS{
		"dist/console.css": {Data: []byte("a{}")}, "dist/console.js": {Data: []byte("1")}, "dist/icon.svg": {Data: []byte("<svg/>")},
	}
}

func get(s *Set, method, path string) (*httptest.ResponseRecorder, bool) {
	w := httptest.NewRecorder()
	return w, s.Serve(w, httptest.NewRequest(method, path, nil))
}

func TestAnAssetIsNamedByItsContentAndKeptForEver(t *testing.T) {
	s, err := load(built())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	w, ok := get(s, http.MethodGet, s.Style)
	if !ok || w.Body.String() != "a{}" || w.Header().Get("Content-Type") != "text/css; charset=utf-8" ||
		!strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("GET %s: %v %q %v", s.Style, ok, w.Body, w.Header())
	}
	changed := built()
	changed["dist/console.css"].Data = []byte("b{}")
	s2, err := load(changed)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	if s2.Style == s.Style || s2.Script != s.Script {
		t.Errorf("style %s and %s, script %s and %s: the name must follow the content", s.Style, s2.Style, s.Script, s2.Script)
	}
	if w, ok := get(s, http.MethodHead, s.Script); !ok || w.Body.Len() != 0 {
		t.Errorf("HEAD %s: %v with %d bytes", s.Script, ok, w.Body.Len())
	}
}

func TestNothingButAssetsIsServed(t *testing.T) {
	s, err := load(built())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	for _, path := range []string{"/assets/", "/assets/console.css", "/assets/../assets.go", "/assets/.keep", "/assets/dist/console.css", "/"} {
		if _, ok := get(s, http.MethodGet, path); ok {
			t.Errorf("GET %s was answered", path)
		}
	}
}

func TestAnEmptyBuildIsSaidByNameAndStillServesWhatThereIs(t *testing.T) {
	s, err := load(fstest.MapFS{"dist/.keep": {Data: []byte("x")}, "dist/icon.svg": {Data: []byte("<svg/>")}})
	if !errors.Is(err, ErrMissing) {
		t.Fatalf("load of an empty build: %v, want ErrMissing", err)
	}
	if !strings.Contains(err.Error(), "console.css, console.js") || !strings.Contains(err.Error(), "scripts/assets") {
		t.Errorf("the error %q does not say what is missing and what to run", err)
	}
	if s.Style != "" || s.Script != "" || s.Icon == "" {
		t.Errorf("the set is %+v", s)
	}
}

func TestTheAssetsOfThisBuildAreThere(t *testing.T) {
	s, err := Load()
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	for _, path := range []string{s.Style, s.Script, s.Icon} {
		if w, ok := get(s, http.MethodGet, path); !ok || strings.Contains(w.Body.String(), "http://") && !strings.Contains(w.Body.String(), "www.w3.org") ||
			strings.Contains(w.Body.String(), "https://") {
			t.Errorf("%s is not served, or names an outside address", path)
		}
	}
}
