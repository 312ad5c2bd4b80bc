package view

import (
	"errors"
	"io"
	"slices"
	"strings"

	"linekeep/drivers/tpm"
	"linekeep/ui/api"
	"linekeep/ui/service"
	"linekeep/vault"
	"linekeep/vault/custody"
)

// Rescue is what the rescue page has to say beside how the box is.
type Rescue struct {
	HasButton   bool
	Pressed     bool   // a moment ago
	Done        bool   // the vault opens again
	Fingerprint string // of this page's certificate
	Fault       error  // why the last code did not open it
}

// rescueShell is the page in words.
type rescueShell struct {
	shell
	Sentence, Lead string
	Button         State
	HasButton      bool
	Form           bool // a code can be typed
	Fingerprint    string
	Fault          string // beside the field
	Trouble        string // above the form: not the typing's fault
	Custody        string
}

// Rescue writes the page of a box whose vault does not open.
func (v *View) Rescue(w io.Writer, st api.Status, r Rescue) error {
	files := v.files
	if r.Done {
		st.Alarms = slices.DeleteFunc(slices.Clone(st.Alarms), func(a api.Alarm) bool { return a.Code == api.VaultLocked })
	}
	p := rescueShell{shell: shell{Missing: files.missing(), Title: "Open the vault again", Page: page(st)},
		HasButton: r.HasButton, Form: !r.Done && r.HasButton, Fingerprint: r.Fingerprint, Custody: st.Custody}
	files.Script = "" // nothing on this page needs one, and its policy allows none
	p.Files = files
	p.Sentence, p.Lead = "Calls are recorded. The vault is locked.", "Until it is opened again no call can be found or heard."
	if st.Recording == api.No {
		p.Sentence = "Calls are not being recorded, and the vault is locked."
	}
	if r.Done {
		p.Title, p.Sentence = "The vault is open again", "The vault is open again."
		p.Lead = "The box goes back to its usual work as soon as no call is up. The calls made meanwhile are filed then."
	}
	p.Button = State{shapeOff, toneQuiet, "Not pressed"}
	if r.Pressed {
		p.Button = State{shapeDone, toneGood, "Pressed"}
	}
	p.Fault, p.Trouble = rescueFault(r.Fault)
	return v.write(w, "rescue", p)
}

// rescueFault is what went wrong, in words: with what was typed, or with the box.
func rescueFault(err error) (field, trouble string) {
	switch {
	case err == nil:
		return "", ""
	case errors.Is(err, service.ErrNoButton):
		return "", "Nobody has pressed the button on the box in the last two minutes. Press it, then type the code again."
	case errors.Is(err, service.ErrTooMany):
		return "", "Too many codes in a short time. Wait for a minute, press the button, then type the code again."
	case errors.Is(err, custody.ErrMistyped):
		return "This code is mistyped." + group(err) + " Compare it with the printed sheet.", ""
	case errors.Is(err, service.ErrWrongCode):
		return "This code is not this box's, or a newer one has taken its place. Look for the newest sheet.", ""
	case errors.Is(err, vault.ErrNoBackup):
		return "", "The code is right, but the box keeps no copy of its keys that it could open. Ring whoever looks after the box."
	case errors.Is(err, vault.ErrOldBackup):
		return "", "The code is right, but the copy of the keys on the box is older than the vault. Ring whoever looks after the box."
	case errors.Is(err, tpm.ErrUnavailable):
		return "", "The code is right, but the security chip does not answer. It has to be changed. Ring whoever looks after the box."
	}
	return "", "The vault did not open. The log says why. Ring whoever looks after the box."
}

// group is which group of the code looks wrong, where the code's own check can tell.
func group(err error) string {
	for _, text := range strings.Split(err.Error(), ": ") {
		if i := strings.Index(text, "group "); i >= 0 {
			number, _, _ := strings.Cut(text[i+len("group "):], " ")
			return " Look at group " + number + "."
		}
	}
	return ""
}
