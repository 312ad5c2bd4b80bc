// Package list says in words what the book holds: who is here, and what the Directors are to be shown.
//
//	In:    the book as it stands
//	Out:   plain values for a page or a command line
//	Owner: plain functions; no goroutine
//	Full:  an office has some dozens of people
package list

import (
	"fmt"
	"slices"
	"time"

	"linekeep/vault/custody/book"
	"linekeep/vault/custody/holding"
	"linekeep/vault/keys"
)

// Person is somebody as the list of people shows them.
type Person struct {
	ID       keys.ID
	Name     string
	Mail     string
	Roles    book.Roles
	Left     time.Time
	Claimed  bool
	Invited  time.Time // until when the account can be claimed; zero without a slip
	Holds    bool      // the custody key
	Until    time.Time // the end of a delegation
	Grants   int
	Password time.Time // when it was last changed
}

// People lists everybody, in the order in which they were entered. number is the custody key in force.
func People(state book.State, number uint32, now time.Time) []Person {
	var all []Person
	for _, p := range book.Entries[*book.Person](state) {
		l := Person{ID: p.ID, Name: p.Record.Name, Mail: p.Record.Mail, Roles: p.Record.Roles, Left: p.Record.Left,
			Grants: len(book.Of[*book.Grant](state, p.ID))}
		for _, c := range book.Of[*book.Credential](state, p.ID) {
			l.Claimed, l.Password = true, c.Record.Made
		}
		for _, i := range book.Of[*book.Invitation](state, p.ID) {
			l.Invited = i.Record.Expires
		}
		for _, h := range book.Of[*book.Holding](state, p.ID) {
			l.Until = h.Record.Until
		}
		l.Holds, _ = holding.Held(state, p.ID, number, now)
		all = append(all, l)
	}
	return all
}

// Told is a notice in words.
type Told struct {
	ID    keys.ID
	What  string
	About string
	By    string
	At    time.Time
}

// Notices are what a Director has not acknowledged.
func Notices(state book.State, director keys.ID) []Told {
	name := func(id keys.ID) string {
		if p, err := book.Get[*book.Person](state, id); err == nil {
			return p.Record.Name
		}
		return "the recovery code"
	}
	var all []Told
	for _, n := range book.Entries[*book.Notice](state) {
		if !slices.Contains(n.Record.Seen, director) {
			all = append(all, Told{ID: n.ID, What: n.Record.What.String(), About: name(n.Owner), By: name(n.Record.By), At: n.Record.At})
		}
	}
	return all
}

// Unseen are the notices that a Director of today has not acknowledged.
func Unseen(state book.State) (all []keys.ID) {
	for _, n := range book.Entries[*book.Notice](state) {
		for _, p := range book.Entries[*book.Person](state) {
			if p.Record.Roles.Has(book.Director) && p.Record.Left.IsZero() && !slices.Contains(n.Record.Seen, p.ID) {
				all = append(all, n.ID)
				break
			}
		}
	}
	return all
}

// Acknowledge notes that a Director has seen a notice. When all have, it leaves the book.
func Acknowledge(tx *book.Tx, director, id keys.ID) error {
	found, err := book.Get[*book.Notice](tx.State, id)
	if err != nil {
		return fmt.Errorf("acknowledge a notice: %w", err)
	}
	if slices.Contains(found.Record.Seen, director) {
		return nil
	}
	n := *found.Record
	n.Seen = append(slices.Clone(n.Seen), director)
	for _, p := range book.Entries[*book.Person](tx.State) {
		if p.Record.Roles.Has(book.Director) && p.Record.Left.IsZero() && !slices.Contains(n.Seen, p.ID) {
			return tx.Set(id, &n)
		}
	}
	tx.Drop(id)
	return nil
}
