package folder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"linekeep/vault/seal"
)

// valueVersion is the version of a sealed value (FORMAT.md section 7).
const valueVersion = 1

// valueHead is what stands before the box of a value: version and the number of the commit that wrote it.
const valueHead = 1 + 8

// counterKey is the one key of ours. A caller's key never begins with a zero byte.
func counterKey() []byte { return []byte{0, 'c'} }

// Put is one synced Badger transaction: nil = stored. It also moves the folder's commit counter. After an error
// nothing of it counts, but the same entries may be put again.
func (f *Folder) Put(ctx context.Context, entries ...Entry) error {
	if err := f.put(ctx, entries); err != nil {
		return fmt.Errorf("writing to folder %s: %w", f.o.Name, err)
	}
	return nil
}

func (f *Folder) put(ctx context.Context, entries []Entry) error {
	if f.o.ReadOnly {
		return ErrReadOnly
	}
	need, err := measure(entries)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return badger.ErrDBClosed
	}
	if err := errors.Join(ctx.Err(), f.watch.broken()); err != nil {
		return err
	}
	if f.o.Room != nil {
		if err := f.o.Room(need + headroom); err != nil {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	if err := f.allocate(need); err != nil {
		return err
	}
	if err := f.commit(entries); err != nil {
		return err
	}
	f.alloc.used += need
	if err := f.follow(); err != nil && !errors.Is(err, ErrFull) {
		f.watch.breakWith(fmt.Errorf("%w: new logs: %w", ErrBroken, err))
		return f.watch.broken() // the name of a new log may not be on disk: this commit cannot be acked
	}
	return nil
}

// measure bounds a Put, and is what its values take in the value log at most.
func measure(entries []Entry) (int64, error) {
	if len(entries) == 0 || len(entries) > MaxEntries {
		return 0, fmt.Errorf("%w: %d entries, 1 to %d", ErrTooBig, len(entries), MaxEntries)
	}
	need, small := int64(smallNeed), 0
	for _, e := range entries {
		if len(e.Key) == 0 || e.Key[0] == 0 || len(e.Key) > 1024 {
			return 0, fmt.Errorf("key of %d bytes, first %x: must be 1 to 1024 and not begin with zero", len(e.Key), e.Key[:min(1, len(e.Key))])
		}
		size := len(e.Key) + len(e.Value) + valueHead + seal.BoxOverhead + entryHead
		need += int64(size)
		small += len(e.Key) + entryHead
		if len(e.Value)+valueHead+seal.BoxOverhead < valueThreshold {
			small += len(e.Value) + valueHead + seal.BoxOverhead
		}
	}
	if need > MaxBytes || small > memTable*15/100-smallNeed {
		return 0, fmt.Errorf("%w: %d bytes, %d of them in tables", ErrTooBig, need, small)
	}
	return need, nil
}

// commit writes the entries and the counter in one transaction and waits until both logs are synced.
func (f *Folder) commit(entries []Entry) error {
	n := f.commits.Load() + 1
	txn := f.db.NewTransaction(true)
	defer txn.Discard()
	for _, e := range entries {
		var err error
		if e.Value == nil {
			err = txn.Delete(e.Key)
		} else {
			err = txn.Set(e.Key, f.sealValue(e.Key, e.Value, n))
		}
		if err != nil {
			return err
		}
	}
	if err := txn.Set(counterKey(), f.sealValue(counterKey(), binary.BigEndian.AppendUint64(nil, n), n)); err != nil {
		return err
	}
	done := make(chan error, 1) // one answer, read or not
	txn.CommitWith(func(err error) { done <- err })
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case <-f.watch.stuck: // Badger waits for a table it cannot write, for ever
	}
	if err := f.watch.broken(); err != nil {
		return err
	}
	f.commits.Store(n)
	return nil
}

func (f *Folder) sealValue(key, plain []byte, commit uint64) []byte {
	head := binary.BigEndian.AppendUint64([]byte{valueVersion}, commit)
	return append(head, seal.Box(f.keys.value, plain, []byte(f.o.Name), key, head)...)
}

// openValue gives back what sealValue took, and the commit that wrote it. Badger answers damage with an empty
// value and no error: ours are never empty.
func (f *Folder) openValue(key, sealed []byte) (plain []byte, commit uint64, err error) {
	if len(sealed) < valueHead {
		return nil, 0, fmt.Errorf("%w: %d bytes left of the value of key %x", ErrAltered, len(sealed), key)
	}
	head, box := sealed[:valueHead], sealed[valueHead:]
	if head[0] != valueVersion {
		return nil, 0, fmt.Errorf("%w: value of key %x has version %d", ErrAltered, key, head[0])
	}
	plain, err = seal.OpenBox(f.keys.value, box, []byte(f.o.Name), key, head)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: value of key %x: %w", ErrAltered, key, err)
	}
	return plain, binary.BigEndian.Uint64(head[1:]), nil
}
