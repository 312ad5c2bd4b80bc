package config

import (
	"slices"
	"strconv"
	"strings"

	"linekeep/vault/retention"
)

// keep reads how long each class is kept: "financial 5 years".
func (r *reader) keep(v value[[]string], classes []string) map[string]retention.Months {
	var said []string
	take(r, "data.keep", v, &said)
	var all map[string]retention.Months
	for _, text := range said {
		class, months, ok := period(text)
		switch {
		case !ok:
			r.fault("data.keep", "%q is not a class and its time, such as \"standard 6 months\" or \"financial 5 years\"", text)
			continue
		case !slices.Contains(classes, class):
			r.fault("data.keep", "%q is not one of data.classes", class)
		case all[class] != 0:
			r.fault("data.keep", "%q stands twice", class)
		case months.Validate() != nil:
			r.fault("data.keep", "%q: from %d months to %d", text, int(retention.Shortest), int(retention.Longest))
		}
		if all == nil {
			all = make(map[string]retention.Months)
		}
		all[class] = months
	}
	return all
}

func period(text string) (class string, months retention.Months, ok bool) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return "", 0, false
	}
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 1 || n > 1000 {
		return "", 0, false
	}
	switch words[2] {
	case "month", "months":
		return words[0], retention.Months(n), true
	case "year", "years":
		return words[0], retention.Months(12 * n), true
	}
	return "", 0, false
}
