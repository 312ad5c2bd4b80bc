// Package view turns what the box says of itself into the pages of the console, in the words and shapes of the house.
//
// Every word a person reads is written here once, in Go. The live part of a page gets the same words: it is sent the
// same pieces of HTML whenever they change, and between them only figures that move all the time.
//
//	In:    api.Status
//	Out:   a whole page that needs no script, or its pieces and moving figures for the live socket
//	Owner: plain functions on an immutable View; no goroutine
//	Full:  nothing is kept; a page of 32 lines is 47 KB while it is written
package view

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"

	"linekeep/ui/api"
)

//go:embed pages
var pages embed.FS

// Files are the addresses of what a page loads. All empty means that the assets were not built: pages then come
// without style and script, whole and readable, and say what is missing.
type Files struct {
	Style, Script, Icon string
}

func (f Files) missing() bool { return f.Style == "" || f.Script == "" }

// View renders pages.
type View struct {
	t     *template.Template
	files Files
}

// New reads the templates.
func New(files Files) (*View, error) {
	t, err := template.ParseFS(pages, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("read page templates: %w", err)
	}
	return &View{t: t, files: files}, nil
}

// shell is what stands around every page.
type shell struct {
	Files   Files
	Missing bool
	Title   string
	Page    Page
}

// Home writes the first page.
func (v *View) Home(w io.Writer, st api.Status) error {
	p := page(st)
	return v.write(w, "home", shell{Files: v.files, Missing: v.files.missing(), Title: p.Glass.Word, Page: p})
}

// NotFound writes the page for an address with nothing behind it.
func (v *View) NotFound(w io.Writer) error {
	return v.write(w, "notfound", shell{Files: v.files, Missing: v.files.missing(), Title: "Nothing here"})
}

// write renders into memory first, so that a fault of a template never leaves half a page with a good status code.
func (v *View) write(w io.Writer, name string, data any) error {
	var b bytes.Buffer
	if err := v.t.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("send page %s: %w", name, err)
	}
	return nil
}
