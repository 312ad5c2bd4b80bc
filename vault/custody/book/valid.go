package book

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode/utf8"

	"linekeep/vault/keys"
)

// ErrBadPerson reports what a person's record cannot be; the error says why.
var ErrBadPerson = errors.New("book: cannot be entered")

// longestName bounds a name and a mail address, in bytes: each has one byte of length in the
const longestName = 255

// Valid names every fault of a person who is to stand in the book, under id or anew under the zero ID. several says that
// the site lets one person have several roles. Errors: ErrBadPerson.
func (p *Person) Valid(state State, id keys.ID, several bool) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrBadPerson}, args...)...))
	}
	if strings.TrimSpace(p.Name) == "" || len(p.Name) > longestName || !utf8.ValidString(p.Name) || strings.ContainsAny(p.Name, "\n\r\x00") {
		bad("a name has 1 to %d bytes on one line", longestName)
	}
	for what, address := range map[string]string{"the mail address": p.Mail, "the line manager's mail address": p.Boss} {
		if a, err := mail.ParseAddress(address); address != "" && (err != nil || a.Address != address || len(address) > longestName) {
			bad("%s %q is none", what, address)
		}
	}
	if p.Roles == 0 || !p.Roles.Single() && !several {
		bad("a person has one role; several only where the site says so")
	}
	if p.Manager == (keys.ID{}) && p.Boss == "" {
		bad("a person has a line manager: an account or a mail address")
	}
	if p.Manager != (keys.ID{}) {
		if m, err := Get[*Person](state, p.Manager); err != nil || !m.Record.Left.IsZero() || p.Manager == id {
			bad("the line manager is nobody here")
		}
	}
	for _, other := range Entries[*Person](state) {
		if other.ID == id || !other.Record.Left.IsZero() {
			continue
		}
		for _, name := range []string{other.Record.Name, other.Record.Mail} {
			if name != "" && (strings.EqualFold(name, p.Name) || strings.EqualFold(name, p.Mail)) {
				bad("there is somebody called %q", name)
			}
		}
	}
	return errors.Join(errs...)
}
