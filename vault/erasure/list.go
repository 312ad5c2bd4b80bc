package erasure

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

const (
	listPrefix    = "list."
	listMagic     = "LKeras"
	formatVersion = 1
	macSize       = sha256.Size
	// fullFile is when the next entry begins another file: each entry writes its file anew, so this bounds what one costs.
	fullFile = 64 << 10
	// skipUnread is how many numbers are passed over after a file that cannot be read: more than it can have held.
	skipUnread = 1000
)

// Config says where the list is, and what authenticates it.
type Config struct {
	Dir     string // erasures/ ; second copies stand in erasures/copy/
	VaultID [keys.VaultIDSize]byte
	Key     keys.Key // the outer key "erasure"
	FS      pair.FS  // the disk; tests cut its power
	Clock   func() time.Time
	// Head is where the audit log ends now; one that is only looked at (Inspect) needs none.
	Head func() Head
}

// List is the open list, with the orders that are not in it yet.
type List struct {
	cfg   Config
	files *pair.Folder

	mu            sync.Mutex
	orders        []Pending
	ordersVersion uint64
	newest        int64 // Given of the newest order ever taken, in ns
	names         []firstOf
	number        uint64 // of the newest entry
	hash          [32]byte
	tail          file // the newest file, to be written anew with the next entry
	findings      []error
}

// firstOf is a file's name, and the number of its first entry.
type firstOf struct {
	name  string
	first uint64
}

// file is one file of the list.
type file struct {
	first   uint64
	chip    tpm.Identity
	records []Certificate
}

// Open reads the whole list and compares each entry with the one before. What is altered is a finding, never an
// error: a damaged list must not keep the box from recording.
func Open(cfg Config) (*List, error) {
	if cfg.Head == nil {
		return nil, errors.New("erasure: Config needs Head: an erasure is certified with the audit log's")
	}
	return open(cfg)
}

func open(cfg Config) (*List, error) {
	if cfg.Dir == "" || cfg.FS == nil || cfg.Clock == nil {
		return nil, errors.New("erasure: Config needs Dir, FS and Clock")
	}
	l := &List{cfg: cfg, files: pair.At(cfg.Dir, cfg.FS)}
	if err := l.files.Make(); err != nil {
		return nil, fmt.Errorf("open the list of erasures: %w", err)
	}
	names, err := l.files.Names()
	if err != nil {
		return nil, fmt.Errorf("open the list of erasures: %w", err)
	}
	l.readOrders(names)
	for _, name := range names {
		if first, err := strconv.ParseUint(strings.TrimPrefix(name, listPrefix), 10, 64); err == nil && strings.HasPrefix(name, listPrefix) {
			l.names = append(l.names, firstOf{name, first})
		}
	}
	slices.SortFunc(l.names, func(a, b firstOf) int { return int(int64(a.first) - int64(b.first)) })
	for _, f := range l.names {
		l.follow(f)
	}
	return l, nil
}

// Inspect is Open for a vault that nobody is to change.
func Inspect(cfg Config) (*List, error) {
	if cfg.FS != nil {
		cfg.FS = readOnly{cfg.FS}
	}
	return open(cfg)
}

// errReadOnly is why a copy is not mended.
var errReadOnly = errors.New("opened to be looked at only")

// readOnly is a disk on which nothing is changed.
type readOnly struct{ pair.FS }

func (readOnly) Create(string, []byte) error { return errReadOnly }
func (readOnly) Rename(string, string) error { return errReadOnly }
func (readOnly) Remove(string) error         { return nil } // what a power cut left half written is passed over
func (readOnly) SyncDir(string) error        { return nil }
func (readOnly) MkdirAll(string) error       { return nil }

// Verify reads both copies of every file again and gives all that was found wrong since Open.
func (l *List) Verify() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.names {
		_, findings, err := l.read(f)
		l.note(findings...)
		l.note(err)
	}
	if l.ordersVersion > 0 {
		_, findings, err := l.files.ReadNewest(ordersName, func(b []byte) (uint64, error) {
			version, _, err := l.openOrders(b)
			return version, err
		})
		l.note(findings...)
		l.note(err)
	}
	return slices.Clone(l.findings)
}

// follow reads a file and goes on from what was read before it.
func (l *List) follow(f firstOf) {
	got, findings, err := l.read(f)
	l.note(findings...)
	if err != nil {
		l.note(fmt.Errorf("the erasures from number %d on cannot be read: %w", f.first, err))
		l.number, l.hash, l.tail = f.first+skipUnread, [32]byte{}, file{}
		return
	}
	for i := range got.records {
		e := &got.records[i].Entry
		l.strike(e.Ordered)
		if e.Number != l.number+1 || e.Before != l.hash {
			l.note(fmt.Errorf("%w: erasure %d does not follow %d: some in between are gone", ErrAltered, e.Number, l.number))
		}
		l.number, l.hash = e.Number, e.Hash()
		l.newest = max(l.newest, e.Ordered.UnixNano())
	}
	l.tail = got
}

func (l *List) read(f firstOf) (got file, findings []error, err error) {
	data, findings, err := l.files.ReadNewest(f.name, func(b []byte) (uint64, error) {
		got, err := l.open(b)
		if err == nil && got.first != f.first {
			err = fmt.Errorf("%w: it belongs elsewhere", ErrAltered)
		}
		return uint64(len(got.records)), err
	})
	if err != nil {
		return got, findings, err
	}
	got, err = l.open(data)
	return got, findings, err
}

func (l *List) note(findings ...error) {
	for _, f := range findings {
		if f != nil {
			l.findings = append(l.findings, fmt.Errorf("the list of erasures: %w", f))
		}
	}
}

// Findings are what was found altered or missing, mended or not.
func (l *List) Findings() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.findings)
}

// Newest is the number of the newest entry, 0 when there is none. The journal keeps it, so that a list that was cut
// short is told.
func (l *List) Newest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.number
}

// Done makes an entry of an order that was carried out: its slots are in no root that the chip opens. Certify has the
// chip sign the entry, and with it where the audit log ends. Nil = it stands in the list and is an order no more: in the orders' file it stands until that is next
// written, and whoever reads both passes it over. Doing it twice makes one entry.
func (l *List) Done(ctx context.Context, p Pending, epoch uint64, chip tpm.Identity,
	certify func(context.Context, [32]byte) (tpm.Certificate, error)) (Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, known := l.inTail(p)
	if !known {
		head := l.cfg.Head()
		c = Certificate{Chip: tpm.Identity{Counter: chip.Counter, Attest: chip.Attest}, Entry: Entry{VaultID: l.cfg.VaultID, Number: l.number + 1,
			Ordered: p.Given, Erased: l.cfg.Clock().UTC(), Epoch: epoch, Why: p.Why, Calls: p.Calls, Blocks: p.Blocks, Before: l.hash, Log: &head}}
		word, err := certify(ctx, c.Entry.Hash())
		if err != nil {
			return c, fmt.Errorf("certify an erasure: %w", err)
		}
		c.Word = word
		if _, err := c.Verify(); err != nil { // before it is needed, and while it can still be asked for again
			return c, fmt.Errorf("certify an erasure: %w", err)
		}
		if err := l.append(c); err != nil {
			return c, fmt.Errorf("write an erasure down: %w", err)
		}
	}
	l.strike(p.Given)
	return c, nil
}

// strike takes out an order that has its entry. mu is held.
func (l *List) strike(given time.Time) {
	l.orders = slices.DeleteFunc(slices.Clone(l.orders), func(o Pending) bool { return o.Given.Equal(given) })
}

// inTail finds the entry of an order that was carried out before.
func (l *List) inTail(p Pending) (Certificate, bool) {
	for _, c := range l.tail.records {
		if c.Entry.Ordered.Equal(p.Given) {
			return c, true
		}
	}
	return Certificate{}, false
}

// append writes the newest file anew with one more entry, or begins another. mu is held.
func (l *List) append(c Certificate) error {
	next := file{first: l.tail.first, chip: l.tail.chip, records: append(slices.Clone(l.tail.records), c)}
	data := l.seal(next)
	if len(l.tail.records) == 0 || !sameChip(l.tail.chip, c.Chip) || len(data) > fullFile {
		next = file{first: c.Entry.Number, chip: c.Chip, records: []Certificate{c}}
		data = l.seal(next)
	}
	name := listPrefix + strconv.FormatUint(next.first, 10)
	if err := l.files.Write(name, data); err != nil {
		return err
	}
	if next.first == c.Entry.Number {
		l.names = append(slices.Clone(l.names), firstOf{name, next.first})
	}
	l.tail, l.number, l.hash = next, c.Entry.Number, c.Entry.Hash()
	return nil
}

func sameChip(a, b tpm.Identity) bool {
	return bytes.Equal(a.Counter, b.Counter) && bytes.Equal(a.Attest, b.Attest)
}

// Walk visits every entry, oldest first. A file that cannot be read comes as an error, and the walk goes on.
func (l *List) Walk(visit func(c Certificate, err error) error) error {
	l.mu.Lock()
	names := l.names
	l.mu.Unlock()
	for _, f := range names {
		got, _, err := l.read(f)
		if err != nil {
			if err := visit(Certificate{}, err); err != nil {
				return err
			}
			continue
		}
		for _, c := range got.records {
			if err := visit(c, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// Find gives the certificate of a recording's erasure. Errors: ErrNone.
func (l *List) Find(id keys.ID) (Certificate, error) {
	var found Certificate
	var errs []error
	err := l.Walk(func(c Certificate, err error) error {
		if err != nil {
			errs = append(errs, err)
		} else if slices.Contains(c.Entry.Calls, id) {
			found = c
		}
		return nil
	})
	if found.Entry.Number != 0 {
		return found, nil
	}
	return found, errors.Join(append(errs, err, fmt.Errorf("%w: %s", ErrNone, id))...)
}

// seal gives a file's bytes.
func (l *List) seal(f file) []byte {
	c := cryptobyte.NewBuilder(nil)
	c.AddBytes([]byte(listMagic))
	c.AddUint16(formatVersion)
	c.AddBytes(l.cfg.VaultID[:])
	c.AddUint64(f.first)
	addChip(c, f.chip)
	for _, r := range f.records {
		addRecord(c, r)
	}
	return l.mac(c.BytesOrPanic()) // every length was bounded when it was taken in
}

// open reads what seal wrote.
func (l *List) open(data []byte) (file, error) {
	var f file
	s, err := l.checked(data, listMagic)
	if err != nil {
		return f, err
	}
	if !s.ReadUint64(&f.first) {
		return f, fmt.Errorf("%w: cut short", ErrAltered)
	}
	if f.chip, err = readChip(&s); err != nil {
		return f, err
	}
	for !s.Empty() {
		c, err := readRecord(&s)
		if err != nil {
			return f, err
		}
		c.Chip = f.chip
		if c.Entry.VaultID != l.cfg.VaultID || c.Entry.Number != f.first+uint64(len(f.records)) {
			return f, fmt.Errorf("%w: entry %d stands in the place of %d", ErrAltered, c.Entry.Number, f.first+uint64(len(f.records)))
		}
		f.records = append(f.records, c)
	}
	return f, nil
}

func (l *List) mac(data []byte) []byte {
	h := l.cfg.Key.HMAC()
	h.Write(data)
	return h.Sum(data)
}

// checked takes off a file's head and MAC.
func (l *List) checked(data []byte, magic string) (cryptobyte.String, error) {
	if len(data) < macSize {
		return nil, fmt.Errorf("%w: cut short", ErrAltered)
	}
	body := data[:len(data)-macSize]
	if !hmac.Equal(l.mac(slices.Clone(body))[len(body):], data[len(body):]) {
		return nil, fmt.Errorf("%w: the MAC is not ours", ErrAltered)
	}
	s := cryptobyte.String(body)
	var head []byte
	var version uint16
	var vaultID [keys.VaultIDSize]byte
	if !s.ReadBytes(&head, len(magic)) || string(head) != magic || !s.ReadUint16(&version) || version != formatVersion ||
		!s.CopyBytes(vaultID[:]) || vaultID != l.cfg.VaultID {
		return nil, fmt.Errorf("%w: not of a known version, or of another vault", ErrAltered)
	}
	return s, nil
}
