package folder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/dgraph-io/badger/v4"
)

// caught turns a panic of Badger's, and a fault on a mapped page (a bad sector, a file cut short under the map),
// into an error. It reaches only our goroutine, so iterators never prefetch.
func caught(err *error) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			*err = fmt.Errorf("%w: badger panicked: %v", ErrAltered, r)
		}
	}
}

// Get gives the value of a key. Errors: ErrMissing, ErrAltered.
func (f *Folder) Get(key []byte) ([]byte, error) {
	plain, _, err := f.get(key)
	if err != nil {
		return nil, fmt.Errorf("reading folder %s: %w", f.o.Name, err)
	}
	return plain, nil
}

func (f *Folder) get(key []byte) (plain []byte, commit uint64, err error) {
	defer caught(&err)()
	txn := f.db.NewTransaction(false)
	defer txn.Discard()
	it, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, 0, ErrMissing
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: key %x: %w", ErrAltered, key, err)
	}
	return f.openItem(key, it)
}

// openItem opens a value where Badger has it, without a copy. Badger calls back with nothing, and no error, when it
// could not read the value.
func (f *Folder) openItem(key []byte, it *badger.Item) (plain []byte, commit uint64, err error) {
	bad := it.Value(func(sealed []byte) error {
		plain, commit, err = f.openValue(key, sealed)
		return nil
	})
	if bad != nil {
		return nil, 0, fmt.Errorf("%w: key %x: %w", ErrAltered, key, bad)
	}
	return plain, commit, err
}

// readCounter is the commit counter as Badger has it; 0 in a new folder.
func (f *Folder) readCounter() (uint64, error) {
	b, _, err := f.get(counterKey())
	if errors.Is(err, ErrMissing) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: %d bytes", ErrAltered, len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// Walk visits keys with prefix in order; an altered value comes with an error that names it, and the walk goes
// on. An error of visit ends it and is returned. What visit gets is its to keep.
func (f *Folder) Walk(prefix []byte, visit func(key, value []byte, err error) error) error {
	return f.WalkFrom(prefix, prefix, visit)
}

// WalkFrom is Walk from the key from on, for whoever let the folder go on the way.
func (f *Folder) WalkFrom(prefix, from []byte, visit func(key, value []byte, err error) error) error {
	return f.iterate(prefix, from, func(it *badger.Item) error {
		key := it.KeyCopy(nil)
		plain, err := f.valueOf(key, it)
		return visit(key, plain, err)
	})
}

// valueOf has its own net: a fault at one value must not end the walk.
func (f *Folder) valueOf(key []byte, it *badger.Item) (plain []byte, err error) {
	defer caught(&err)()
	plain, commit, err := f.openItem(key, it)
	if err == nil && commit > f.commits.Load()+1 { // one may be just being acked
		return nil, fmt.Errorf("%w: value of key %x is of commit %d, the folder is at %d", ErrAltered, key, commit, f.commits.Load())
	}
	return plain, err
}

// Keys visits the keys with prefix in order, without opening values.
func (f *Folder) Keys(prefix []byte, visit func(key []byte) error) error {
	return f.iterate(prefix, prefix, func(it *badger.Item) error { return visit(it.KeyCopy(nil)) })
}

// stopped carries an error of a visit through the net for panics.
type stopped struct{ err error }

func (f *Folder) iterate(prefix, from []byte, visit func(*badger.Item) error) (err error) {
	var stop *stopped
	func() {
		defer caught(&err)()
		txn := f.db.NewTransaction(false)
		defer txn.Discard()
		o := badger.DefaultIteratorOptions
		o.Prefix, o.PrefetchValues = prefix, false
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Seek(from); it.Valid() && stop == nil; it.Next() {
			if bytes.HasPrefix(it.Item().Key(), []byte{0}) {
				continue // the counter
			}
			if err := visit(it.Item()); err != nil {
				stop = &stopped{err}
			}
		}
	}()
	if stop != nil {
		return stop.err
	}
	if err != nil {
		return fmt.Errorf("walking folder %s: %w", f.o.Name, err)
	}
	return nil
}
