package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/BurntSushi/toml"
)

// file is the settings file as it stands on disk. Its values keep their own faults, so that one wrong value does not
// hide the next.
type file struct {
	Site struct {
		Name    value[string] `toml:"name"`
		Box     value[string] `toml:"box"`
		Country value[string] `toml:"country"`
		Area    value[string] `toml:"area"`
	} `toml:"site"`
	Data struct {
		Folder  value[string]   `toml:"folder"`
		Classes value[[]string] `toml:"classes"`
		Keep    value[[]string] `toml:"keep"`
	} `toml:"data"`
	TPM struct {
		Device value[string] `toml:"device"`
		Policy value[string] `toml:"policy"`
	} `toml:"tpm"`
	Custody struct {
		Fingerprint value[string] `toml:"fingerprint"`
	} `toml:"custody"`
	Console struct {
		Address value[string] `toml:"address"`
	} `toml:"console"`
	Control struct {
		Socket value[string] `toml:"socket"`
	} `toml:"control"`
	Lines []fileLine `toml:"line"`
}

type fileLine struct {
	ID        value[string]        `toml:"id"`
	Label     value[string]        `toml:"label"`
	Number    value[string]        `toml:"number"`
	Driver    value[string]        `toml:"driver"`
	Device    value[string]        `toml:"device"`
	Channels  value[[]int]         `toml:"channels"`
	Signals   value[string]        `toml:"signals"`
	Recording value[string]        `toml:"recording"`
	Withheld  value[string]        `toml:"withheld"`
	PauseFor  value[time.Duration] `toml:"pause_for"`
	Class     value[string]        `toml:"class"`
	CardGuard value[bool]          `toml:"card_guard"`
	Lookback  value[time.Duration] `toml:"lookback"`
	Vox       struct {
		Level     value[float64]       `toml:"level"`
		Hold      value[time.Duration] `toml:"hold"`
		PreRoll   value[time.Duration] `toml:"pre_roll"`
		MinSound  value[time.Duration] `toml:"min_sound"`
		MaxLength value[time.Duration] `toml:"max_length"`
	} `toml:"vox"`
}

// value is a setting that may be left out, or be wrong.
type value[T any] struct {
	v     T
	set   bool
	fault string
}

// UnmarshalTOML takes what the library read. It never fails: a fault is told with all the others.
func (x *value[T]) UnmarshalTOML(data any) error {
	x.set = true
	var ok bool
	switch p := any(&x.v).(type) {
	case *string:
		*p, ok = data.(string)
		x.expect(ok, "a text in quotes", data)
	case *bool:
		*p, ok = data.(bool)
		x.expect(ok, "true or false", data)
	case *float64:
		*p, ok = float(data)
		x.expect(ok, "a number", data)
	case *time.Duration:
		text, isText := data.(string)
		d, err := time.ParseDuration(text)
		*p = d
		x.expect(isText && err == nil, `a time such as "1.5s" or "2m"`, data)
	case *[]string:
		*p, ok = list[string](data)
		x.expect(ok, `a list of texts such as ["standard"]`, data)
	case *[]int:
		var wide []int64
		wide, ok = list[int64](data)
		for _, n := range wide {
			*p = append(*p, int(n))
		}
		x.expect(ok, "a list of whole numbers such as [1, 2]", data)
	}
	return nil
}

func (x *value[T]) expect(ok bool, what string, data any) {
	if !ok {
		x.fault = fmt.Sprintf("must be %s, not %s", what, show(data))
	}
}

// show never repeats long content: a table put in the wrong place would fill the screen.
func show(data any) string {
	switch v := data.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case int64, float64, bool:
		return fmt.Sprint(v)
	case []any:
		return "this list"
	}
	return "a table"
}

func float(data any) (float64, bool) {
	switch n := data.(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	}
	return 0, false
}

func list[T any](data any) ([]T, bool) {
	items, ok := data.([]any)
	if !ok {
		return nil, false
	}
	out := make([]T, 0, len(items))
	for _, item := range items {
		v, ok := item.(T)
		if !ok {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

// Parse reads and checks a settings file's text. What is wrong with it comes as Faults.
func Parse(text string) (Config, error) {
	r := reader{at: places(text)}
	var f file
	meta, err := toml.Decode(text, &f)
	if syntax := (toml.ParseError{}); errors.As(err, &syntax) {
		key := syntax.LastKey
		if key == "" {
			key = "the file"
		}
		return Config{}, Faults{List: []Fault{{Key: key, Line: syntax.Position.Line, Text: "cannot be read: " + syntax.Message}}}
	}
	if err != nil { // a table where a value belongs, or the other way round
		return Config{}, Faults{List: []Fault{{Key: "the file", Text: err.Error()}}}
	}
	for _, key := range meta.Undecoded() {
		r.unknown(key.String())
	}
	c := r.config(f)
	if len(r.faults) > 0 {
		return Config{}, Faults{List: sorted(r.faults)}
	}
	return c, nil
}
