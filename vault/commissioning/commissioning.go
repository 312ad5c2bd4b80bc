// Package commissioning ends the time in which a box can hear its own test calls.
//
//	In:    the keys, the catalogue, the recovery key of the office that takes over
//	Out:   nothing of before is left: neither the test calls, nor their rows, nor the key they were under
//	Owner: the caller, who sees to it that nobody records or erases meanwhile; no goroutine
//	Full:  where the disk has no room all stays as it was, and it can be done again
package commissioning

import (
	"context"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

// End erases every slot that was handed out for calls and their catalogue, and the commissioning key, in one commit.
// Rows are those of all recordings.
func End(ctx context.Context, k *keys.Keys, c *catalog.Catalog, rows []catalog.Row, recovery envelope.Public, now time.Time) error {
	ids := make([]keys.ID, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	if _, err := c.Remove(ctx, ids...); err != nil {
		return err
	}
	change := keys.Change{EndCommissioning: true}
	if _, again := k.Recovery(); again { // an attempt that came so far left one that nobody was shown
		change.Recovery = &recovery
	} else if err := k.SetRecovery(ctx, recovery); err != nil {
		return err
	}
	if err := k.Doom(ctx, handedOut(k, c, keys.MonthOf(now), &change)...); err != nil {
		return err
	}
	_, err := k.Commit(ctx, change)
	return err
}

// handedOut are the slots of calls and catalogue blocks that may have been used; months gone by are dropped whole.
func handedOut(k *keys.Keys, c *catalog.Catalog, now keys.Month, change *keys.Change) []keys.ID {
	next := make(map[uint32]uint32)
	for _, m := range k.Marks() {
		next[m.Shard] = m.Next
	}
	inUse := make(map[keys.ID]bool)
	for _, id := range c.Blocks() {
		inUse[id] = true
	}
	var ids []keys.ID
	for _, s := range k.Shards() {
		switch {
		case s.Class == keys.Office:
		case s.Month < now && s.Class != catalog.Class:
			change.Months = append(change.Months, keys.MonthDrop{Class: s.Class, Month: s.Month})
		default:
			end, writing := next[s.Number]
			if !writing {
				end = s.Slots
			}
			for slot := range end {
				if id := (keys.ID{Shard: s.Number, Slot: slot}); !inUse[id] {
					ids = append(ids, id)
				}
			}
		}
	}
	return ids
}
