package isdn

// Sizes is what a tracker keeps: calls, events and terminals of calls, frames that wait.
type Sizes struct{ Calls, Pending, Terminals, Early int }

// Limits is what Sizes may never pass.
func Limits() Sizes {
	return Sizes{Calls: maxCalls, Pending: maxCalls * maxPending, Terminals: maxCalls * maxTerminals, Early: maxEarly}
}

// Sizes counts what is kept.
func (t *Tracker) Sizes() Sizes {
	s := Sizes{Calls: len(t.calls)}
	for _, c := range t.calls {
		s.Pending += len(c.pending)
		s.Terminals += len(c.terminals)
	}
	for _, l := range t.links {
		if l != nil {
			s.Early += len(l.sides[0].queue) + len(l.sides[1].queue)
		}
	}
	return s
}
