package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"linekeep/vault/audit/entry"
	"linekeep/vault/keys"
)

// write appends entries and syncs them once. The turn is held. Until the sync is over nothing in memory has moved.
func (l *Log) write(acts []*pending) (first uint64, err error) {
	p, err := l.writable()
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	head, register := l.head, l.register
	l.mu.Unlock()
	before := head.Size
	boot, up := l.cfg.Uptime()
	now := l.cfg.Clock().UTC()
	l.buf = l.buf[:0]
	var more []tlog.Hash
	for _, a := range acts {
		a.Seq, a.At, a.Boot, a.Up = uint64(head.Size), now, boot, up
		core, err := a.Bytes()
		if err != nil {
			return 0, err
		}
		l.buf = appendRecord(l.buf, core, a.sealed)
		more = head.Add(more, tlog.RecordHash(core))
		register.follow(&a.Entry)
	}
	if err := l.commit(p); err != nil {
		return 0, err
	}
	l.hashes(l.tree.Write(before, more))
	l.mu.Lock()
	l.head, l.register = head, register
	l.mu.Unlock()
	return uint64(before), nil
}

// hashes takes note of whether the tree's hashes reached their file. They can be made anew from the entries, so they are synced when a
// file of those is full; and where the disk has no room for them they wait in memory, which is no damage.
func (l *Log) hashes(err error) {
	if err != nil && !l.owing {
		l.cfg.Log.WarnContext(context.Background(), "hashes of the audit tree wait in memory for room on the disk", slog.Any("err", err))
	}
	l.owing = err != nil
}

// follow takes note of a transaction of the register.
func (m *mark) follow(e *entry.Entry) {
	if e.Register > 0 && len(e.Hashes) > 0 {
		*m = mark{seq: e.Register, hash: e.Hashes[0]}
	}
}

// commit writes the buffer to the end of a file and syncs it. After a failed sync nobody can say what is on the disk, and a
// second one would answer nil all the same (Linux reports a writeback error once), so the file is written to no more: the next
// one says how much of it counts.
func (l *Log) commit(p *part) error {
	_, err := p.f.WriteAt(l.buf, p.size)
	written := err == nil
	if err == nil {
		err = p.f.Sync()
	}
	if err == nil {
		p.size += int64(len(l.buf))
		return nil
	}
	undone := p.f.Truncate(p.size)
	l.broken = written || undone != nil
	return errors.Join(fmt.Errorf("write %s: %w", p.name, err), undone)
}

// writable is the file to write to: the newest, or another one when that is full or broken.
func (l *Log) writable() (*part, error) {
	l.mu.Lock()
	size := l.head.Size
	l.mu.Unlock()
	if len(l.files) == 0 { // the only one was broken, and no other could be made
		if err := l.begin(0); err != nil {
			return nil, err
		}
		l.broken = false
	}
	p := l.files[len(l.files)-1]
	full := size-int64(p.first) >= l.cfg.perFile
	if err := l.tree.Flush(); err != nil && (full || l.tree.Owed() >= maxOwed) {
		return nil, err // what waits must be of the newest file: from that it is made anew after a power cut
	}
	if !l.broken && !full {
		return p, nil
	}
	if size == int64(p.first) { // broken and empty: it gets its name again
		l.files = l.files[:len(l.files)-1]
		if err := errors.Join(p.close(), l.cfg.FS.Remove(l.path(p.name))); err != nil {
			return nil, fmt.Errorf("remove %s, which could not be written: %w", p.name, err)
		}
	}
	if err := l.tree.File.Sync(); err != nil {
		l.find(fmt.Errorf("sync the audit tree: %w", err)) // it is made anew if need be
	}
	if err := l.begin(0); err != nil {
		return nil, err
	}
	l.broken = false
	return l.files[len(l.files)-1], nil
}

// maxOwed is how many hashes of the tree may wait in memory: 1 MB of them. Then acts are refused.
const maxOwed = 1 << 15

// slotTime bounds the wait for a slot of the log's own: it may take the chip.
const slotTime = 10 * time.Second

// begin begins another file at the end of the log.
func (l *Log) begin(flags uint8) error {
	l.mu.Lock()
	head, register, office := l.head, l.register, l.office
	l.mu.Unlock()
	h := header{chip: l.chipHash(), first: uint64(head.Size), root: head.Root(), register: register, flags: flags}
	if n := len(l.files); n > 0 {
		h.prev, h.before = l.files[n-1].first, uint64(l.files[n-1].size)
	}
	var err error
	if h.office, err = l.officeSlot(office); err != nil {
		return err
	}
	p := &part{header: h, name: fileName(h.first), size: headerSize}
	if p.f, err = l.cfg.FS.Open(l.path(p.name), true); err != nil {
		return fmt.Errorf("make %s: %w", p.name, err)
	}
	_, err = p.f.WriteAt(h.bytes(l.vaultID, l.outer), 0)
	if err == nil {
		err = p.f.Truncate(headerSize)
	}
	if err == nil {
		err = p.f.Sync()
	}
	if err == nil {
		err = l.cfg.FS.SyncDir(l.cfg.Dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make %s: %w", p.name, err), p.f.Close())
	}
	if n := len(l.files); n > 0 {
		if err := l.files[n-1].close(); err != nil {
			l.find(fmt.Errorf("close %s: %w", l.files[n-1].name, err)) // its entries were synced one by one
		}
	}
	l.files = append(l.files, p)
	l.fresh = keys.ID{}
	l.mu.Lock()
	l.office = h.office
	l.mu.Unlock()
	return nil
}

// officeSlot is the slot for details of a new file: a fresh one, kept until a file could be made with it, for on a full disk each
// act would use up another. While the chip is away the one before goes on.
func (l *Log) officeSlot(before keys.ID) (keys.ID, error) {
	if l.fresh != (keys.ID{}) {
		return l.fresh, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), slotTime)
	defer cancel()
	slot, err := l.cfg.Keys.Next(ctx, keys.Office, l.cfg.Clock())
	switch {
	case err == nil:
		l.fresh = slot.ID
		slot.Wipe()
		return l.fresh, nil
	case before != (keys.ID{}):
		return before, nil
	}
	return keys.ID{}, fmt.Errorf("a slot for details of the audit log: %w", err)
}

func (l *Log) chipHash() [32]byte { return sha256.Sum256(l.cfg.Keys.Chip().Attest) }
