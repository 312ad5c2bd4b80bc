package vault

import (
	"context"
	"time"

	"linekeep/vault/custody/office"
	"linekeep/vault/retention"
	"linekeep/vault/rewrap"
	"linekeep/vault/scrub"
	"linekeep/vault/space"
	"linekeep/vault/store"
)

// Status is how the vault is, without anything about a particular call.
type Status struct {
	store.Status
	Answers  bool      // the last heartbeat was written and read back
	Since    time.Time // of Answers
	Space    space.Status
	StopsAt  space.Bytes // free bytes below which nothing is stored
	Findings []error     // what was found altered, missing or rolled back since the vault was opened
	Erasing  Erasing
	// Custody is the fingerprint of the key under which recordings can be heard, as printed at commissioning.
	Custody string
	// People is how custody stands: who holds the key, what waits.
	People office.Status
	// Rewrap is how far recordings are that come under another custody key.
	Rewrap rewrap.Status
	// Retention is what is due, what waits, and how its clock stands.
	Retention retention.Status
	// Scrub is how far the vault was read again this month, and what was found.
	Scrub scrub.Status
	// Locked is why the vault does not open, of a Degraded one, and since when it is so; nil of an open vault.
	Locked      error
	LockedSince time.Time
}

// beat is what the last heartbeat found.
type beat struct {
	ok    bool
	since time.Time
}

// Heartbeat writes a group into the journal and waits until the disk has it, then reads it back: nil = the store answers.
func (v *Vault) Heartbeat(ctx context.Context) error {
	err := v.store.Heartbeat(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	if ok := err == nil; v.beat.ok != ok || v.beat.since.IsZero() {
		v.beat = beat{ok: ok, since: v.cfg.Clock()}
	}
	return err
}

// Status gives the present state. It never waits for the disk.
func (v *Vault) Status() Status {
	v.mu.Lock()
	b := v.beat
	v.mu.Unlock()
	people := v.people()
	return Status{Status: v.store.Status(), Answers: b.ok, Since: b.since, Space: v.guard.Status(), StopsAt: v.cfg.Space.StopAll,
		Findings: v.Findings(), Erasing: v.eraser.Status(), Custody: people.Fingerprint, People: people, Rewrap: v.rewrap.Status(), Retention: v.retention.Status(),
		Scrub: v.scrub.Status()}
}

// Findings are what was found wrong since the vault was opened.
func (v *Vault) Findings() []error {
	found := append(v.keys.Findings(), v.store.Findings()...)
	found = append(found, v.rows.Findings()...)
	found = append(found, v.catalog.Findings()...)
	found = append(found, v.eraser.List().Findings()...)
	found = append(found, v.retention.Findings()...)
	found = append(found, v.past.Findings()...)
	v.mu.Lock()
	defer v.mu.Unlock()
	return append(found, v.found...)
}
