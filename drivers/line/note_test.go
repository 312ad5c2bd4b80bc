package line_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"linekeep/drivers/line"
)

func TestWhatALineSaidOfACallIsNeverPrinted(t *testing.T) {
	e := line.Event{Kind: line.Noted, Note: line.Display, Text: "Anna Example", Number: "01632960123"}
	asJSON, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %q %x", e, e, e, e.Text, e.Text, e.Text) + string(asJSON) + e.Text.LogValue().String()
	for _, secret := range []string{"Anna", "416e6e61", "01632960"} {
		if strings.Contains(printed, secret) {
			t.Errorf("%q stands in %s", secret, printed)
		}
	}
	if e.Text.Reveal() != "Anna Example" {
		t.Errorf("Reveal: %q", e.Text.Reveal())
	}
}

func TestEveryKindAndNoteHasAName(t *testing.T) {
	for k := line.Seized; k <= line.Noted; k++ {
		if strings.HasPrefix(k.String(), "Kind(") {
			t.Errorf("%v has no name", k)
		}
	}
	for n := line.NoteNone; n <= line.Unmodelled; n++ {
		if (n <= line.Forgotten || n >= line.Clearing) == strings.HasPrefix(n.String(), "Note(") {
			t.Errorf("note %d: %v", uint8(n), n)
		}
	}
}
