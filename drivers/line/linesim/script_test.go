package linesim_test

import (
	"errors"
	"strings"
	"testing"

	"linekeep/drivers/line/linesim"
)

func TestFaultsNameLineAndColumn(t *testing.T) {
	const head = "line \"a\" signals=hook\n"
	for text, want := range map[string]string{
		"":                                    "test.txt:1:1: there is no line statement",
		"idle 2s":                             "test.txt:1:1: the first statement is line",
		"line a":                              "test.txt:1:6: the name of a line stands in quotes",
		"line \"a\" law=g729":                 "test.txt:1:14: \"g729\" is none of alaw, mulaw, s16",
		"line \"a\" noise=3":                  "test.txt:1:16: \"3\" is no level",
		"line \"a\" noise=NaN":                "test.txt:1:16: \"NaN\" is no level",
		"line \"a\" colour=red":               "test.txt:1:10: \"colour=red\" is none of channels=",
		"line \"a\" law=alaw law=alaw":        "test.txt:1:19: law a second time",
		head + "line \"b\"":                   "test.txt:2:1: line a second time",
		head + "sing":                         "test.txt:2:1: \"sing\" is no statement",
		head + "idle":                         "test.txt:2:6: \"\" is no time",
		head + "idle 5s..2s":                  "test.txt:2:6: \"5s..2s\" is not within",
		head + "idle 5s now":                  "test.txt:2:9: \"now\" is too much",
		head + "say office hello":             "test.txt:2:1: say outside of a call",
		head + "call up":                      "test.txt:2:6: a call is in, out or internal",
		head + "call in number=12a":           "test.txt:2:16: \"12a\" is not 1 to 32",
		head + "call in\n  idle 2s":           "test.txt:3:3: idle within a call",
		head + "call in\n  say nobody hello":  "test.txt:3:7: office or remote says something",
		head + "call in\n  say office ../key": "test.txt:3:14: \"../key\" is no name of a recording",
		head + "call in\n  ring 0":            "test.txt:3:8: \"0\" is no number from 1 to 20",
		head + "call in":                      "test.txt:2:1: the last call has no hangup",
		head + "call in\nloop":                "test.txt:3:1: loop within a call",
		head + "idle 0s\nloop":                "test.txt:3:1: a loop needs an idle that lasts",
		head + "idle 1s\nloop\nidle 1s":       "test.txt:4:1: nothing may follow loop",
		head + "unplug 1s before=2s":          "test.txt:2:11: \"before=2s\" is none of after=",
		strings.Repeat("# much\n", 10000):     "test.txt:1:1: longer than 65536 bytes",
	} {
		_, err := linesim.Parse("test.txt", []byte(text))
		var fault *linesim.SyntaxError
		if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q:\ngot  %v\nwant %s…", text, err, want)
		}
	}
}

func TestAKeyIsNoComment(t *testing.T) {
	for _, text := range []string{
		"line \"a\"\ncall out number=*21#  # a feature code\nhangup",
		"# first\n\n  line \"a # b\" # c\r\n",
	} {
		if _, err := linesim.Parse("test.txt", []byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(busy)
	f.Add(quiet)
	f.Add("line \"a\"\nidle 1ns..24h\nloop")
	f.Fuzz(func(t *testing.T, text string) {
		script, err := linesim.Parse("fuzz.txt", []byte(text))
		var fault *linesim.SyntaxError
		if err != nil {
			if !errors.As(err, &fault) || fault.Line < 1 || fault.Line > 1+strings.Count(text, "\n") || fault.Column < 1 {
				t.Errorf("a fault at no place: %v", err)
			}
			return
		}
		if script.Name() == "" {
			t.Error("a line without a name")
		}
		script.Clips()
	})
}

func FuzzWAV(f *testing.F) {
	f.Add(wav(sine(300, 10)))
	f.Add([]byte("RIFF....WAVEdata\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, file []byte) {
		samples, err := linesim.ParseWAV(file)
		if (err == nil) != (len(samples) > 0) || 2*len(samples) > len(file) {
			t.Errorf("%d samples of %d bytes, %v", len(samples), len(file), err)
		}
	})
}
