package check

import (
	"context"
	"errors"
	"slices"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
)

// Walk visits the audit log's entries from number from on, as audit.Log does.
type Walk func(ctx context.Context, from uint64, visit func(s audit.Stored, err error) error) error

// leaves is how the recordings that were read stand against what the audit log has of those that were closed.
type leaves struct {
	there  map[keys.ID]bool // recordings of which a folder holds something
	unread map[string]bool  // folders that could not be read to their end
	// unlogged are those that the log did not have when it was read. One may have been on its way without anybody's
	// knowing: its slot was taken, and nothing of it stored yet.
	unlogged map[keys.ID]string
	// unrowed are those that the catalogue did not have when it was read.
	unrowed map[keys.ID]string
}

const (
	meansUnlogged = "The box writes the hash of each recording's manifest down when it is closed, or says that it could not. So the log was altered, or this recording was put into the vault by somebody."
	meansRelogged = "It is whole in itself, but it is not what was closed then: whoever had the vault's keys wrote it anew. Do not rely on it."
	meansTaken    = "Its key is there, nobody ordered it to be erased, and its time is not over: it was taken away, or the disk lost it."
	meansTorn     = "Recordings have no entry in the audit log, as far as that can be read. They are whole in themselves, but cannot be proved against it."
)

func newLeaves() leaves {
	return leaves{there: make(map[keys.ID]bool), unread: make(map[string]bool), unlogged: make(map[keys.ID]string), unrowed: make(map[keys.ID]string)}
}

// walkLog goes through the log, before the folders are read: what is closed meanwhile is known to be on its way.
func (r *run) walkLog(ctx context.Context, wanted func(keys.ID) bool) error {
	c := r.common
	if r.v.Log == nil {
		return nil
	}
	err := r.v.Log(ctx, 0, func(s audit.Stored, err error) error {
		if c.torn = c.torn || err != nil; err != nil {
			return ctx.Err()
		}
		if c.began.IsZero() {
			c.began = s.At
		}
		switch {
		case s.Action == entry.LogLoss:
			c.loss = s.At
		case s.Action == entry.Filed && s.Outcome == entry.Begun && len(s.Hashes) == len(s.About):
			for i, id := range s.About {
				if wanted(id) {
					c.hashes[id] = sumOf(s.Hashes[i])
				}
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		c.torn = true
		r.find(Altered, "audit", "The log cannot be read to its end (%v). %s", err, meansAudit)
	}
	return ctx.Err()
}

// logged compares a manifest with what the log has of it.
func (r *run) logged(what string, m *recording.Manifest, sealed []byte) {
	l, c := &r.leaves, r.common
	hash, ok := c.hashes[m.ID]
	ended := m.Opening.Start.Add(m.Closing.Length.Duration())
	switch {
	case ok && hash != sumOf(recording.Hash(sealed)):
		r.find(Altered, what, "Its manifest is not the one that the audit log has the hash of. %s", meansRelogged)
	case ok || r.v.Log == nil || c.began.IsZero() || ended.Before(c.began) || ended.Before(c.loss):
	case m.ID.Shard >= keys.FirstDegraded: // closed by a vault that recorded beside this one and had no log
	case c.torn:
		r.find(Missing, "audit", "%s", meansTorn)
	default:
		l.unlogged[m.ID] = what
	}
}

// stillUnlogged looks into the log once more for what it did not have.
func (r *run) stillUnlogged(ctx context.Context) error {
	l := &r.leaves
	if len(l.unlogged) == 0 {
		return nil
	}
	if err := r.walkLog(ctx, func(id keys.ID) bool { return l.unlogged[id] != "" }); err != nil {
		return err
	}
	for id, what := range l.unlogged {
		if _, ok := r.common.hashes[id]; !ok && !r.young(id) && !r.v.Library.Gone(id) {
			r.find(Missing, what, "That it was closed does not stand in the audit log. %s", meansUnlogged)
		}
	}
	return nil
}

// leavesLeft are entries whose recordings no folder has anything of. It runs after rowsLeft, which names those that still
// stand in the catalogue.
func (r *run) leavesLeft() {
	for id := range r.common.hashes {
		_, row := r.common.rows[id]
		if told := row && !r.claimed[id]; told || !r.share.Has(id) || r.leaves.there[id] || r.young(id) || r.v.Library.Gone(id) {
			continue
		}
		info, err := r.v.Library.Keys.Shard(id.Shard)
		if errors.Is(err, keys.ErrNoSlot) || err == nil && slices.ContainsFunc(library.Places(info), func(p string) bool { return r.leaves.unread[p] }) {
			continue // its month is over, or cannot be read, and was named
		}
		r.find(Missing, "recording "+id.String(), "The audit log has the hash of its manifest, and nothing of it is here. %s", meansTaken)
	}
}
