package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a settings file.
type Fault struct {
	Key  string // the key's path, such as line[2].vox.level: the second [[line]]
	Line int    // in the file; 0 where the key does not stand in it
	Text string
}

func (f Fault) String() string {
	if f.Line == 0 {
		return f.Key + ": " + f.Text
	}
	return fmt.Sprintf("line %d: %s: %s", f.Line, f.Key, f.Text)
}

// Faults is everything that is wrong with a settings file, in the order of the file.
type Faults struct {
	File string
	List []Fault
}

func (f Faults) Error() string {
	var b strings.Builder
	what := "the settings"
	if f.File != "" {
		what = f.File
	}
	fmt.Fprintf(&b, "%s: %d %s", what, len(f.List), plural(len(f.List), "fault"))
	for _, one := range f.List {
		b.WriteString("\n  " + one.String())
	}
	return b.String()
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// sorted puts faults in the order of the file; what is missing from the file comes last.
func sorted(list []Fault) []Fault {
	slices.SortStableFunc(list, func(a, b Fault) int {
		switch {
		case a.Line == 0 && b.Line != 0:
			return 1
		case a.Line != 0 && b.Line == 0:
			return -1
		}
		return cmp.Compare(a.Line, b.Line)
	})
	return slices.Compact(list)
}

// places finds the line of the file where each key stands: the library tells places for syntax only. It reads what it
// must for that, tables and the beginnings of keys; a key it does not find is told without a line.
func places(text string) map[string]int {
	at := map[string]int{}
	count := map[string]int{} // of each array of tables
	table := ""
	for i, row := range strings.Split(text, "\n") {
		row = strings.TrimSpace(row)
		switch {
		case strings.HasPrefix(row, "[["):
			name, _, _ := strings.Cut(strings.TrimPrefix(row, "[["), "]]")
			name = clean(name)
			count[name]++
			table = fmt.Sprintf("%s[%d]", name, count[name])
			at[table] = i + 1
		case strings.HasPrefix(row, "["):
			name, _, _ := strings.Cut(strings.TrimPrefix(row, "["), "]")
			table = indexed(clean(name), count)
			at[table] = i + 1
		default:
			key, _, ok := strings.Cut(row, "=")
			if !ok || strings.HasPrefix(row, "#") {
				continue
			}
			path := clean(key)
			if table != "" {
				path = table + "." + path
			}
			at[path] = i + 1
		}
	}
	return at
}

// clean takes blanks and quotes out of a key: ` "line" . vox ` is line.vox.
func clean(key string) string {
	parts := strings.Split(key, ".")
	for i, p := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(p), `"'`)
	}
	return strings.Join(parts, ".")
}

// indexed gives [line.vox] the number of the [[line]] it stands under.
func indexed(name string, count map[string]int) string {
	head, rest, ok := strings.Cut(name, ".")
	if n := count[head]; ok && n > 0 {
		return fmt.Sprintf("%s[%d].%s", head, n, rest)
	}
	return name
}

// bare takes the indexes out of a path: line[2].vox.level is line.vox.level.
func bare(path string) string {
	var b strings.Builder
	depth := 0
	for _, r := range path {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}
