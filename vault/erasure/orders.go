package erasure

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

const (
	ordersName  = "orders"
	ordersMagic = "LKordr"
	flagUrgent  = 1
)

// Orders are those that are not carried out yet, oldest first.
func (l *List) Orders() []Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.orders)
}

// Take takes an order: nil = it is on the disk and will be carried out, whatever happens. Given may be moved by a
// nanosecond, so that no two orders have the same.
func (l *List) Take(p Pending) (Pending, error) {
	if len(p.Calls) == 0 || len(p.Calls) > MaxIDs || len(p.Blocks) > MaxIDs {
		return p, fmt.Errorf("take an order to erase: %d recordings, 1 to %d", len(p.Calls), MaxIDs)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.Given = time.Unix(0, max(p.Given.UnixNano(), l.newest+1)).UTC()
	orders := append(slices.Clone(l.orders), p)
	if err := l.writeOrders(orders); err != nil {
		return p, fmt.Errorf("take an order to erase: %w", err)
	}
	l.newest = p.Given.UnixNano()
	return p, nil
}

// Hasten makes an order urgent. One that is no longer there was carried out.
func (l *List) Hasten(given time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	orders := slices.Clone(l.orders)
	i := slices.IndexFunc(orders, func(p Pending) bool { return p.Given.Equal(given) })
	if i < 0 || orders[i].Urgent {
		return nil
	}
	orders[i].Urgent = true
	if err := l.writeOrders(orders); err != nil {
		return fmt.Errorf("make an order urgent: %w", err)
	}
	return nil
}

// writeOrders puts orders in place of those there are. mu is held.
func (l *List) writeOrders(orders []Pending) error {
	version := l.ordersVersion + 1
	if err := l.files.Write(ordersName, l.sealOrders(version, orders)); err != nil {
		return err
	}
	l.orders, l.ordersVersion = orders, version
	return nil
}

func (l *List) sealOrders(version uint64, orders []Pending) []byte {
	c := cryptobyte.NewBuilder(nil)
	c.AddBytes([]byte(ordersMagic))
	c.AddUint16(formatVersion)
	c.AddBytes(l.cfg.VaultID[:])
	c.AddUint64(version)
	c.AddUint32(uint32(len(orders)))
	for _, p := range orders {
		c.AddUint64(uint64(p.Given.UnixNano()))
		c.AddUint8(uint8(p.Why))
		flags := uint8(0)
		if p.Urgent {
			flags = flagUrgent
		}
		c.AddUint8(flags)
		addIDs(c, p.Calls)
		addIDs(c, p.Blocks)
	}
	return l.mac(c.BytesOrPanic()) // fixed lengths, and bounded counts
}

// openOrders reads what sealOrders wrote.
func (l *List) openOrders(file []byte) (version uint64, orders []Pending, err error) {
	s, err := l.checked(file, ordersMagic)
	if err != nil {
		return 0, nil, err
	}
	var n uint32
	if !s.ReadUint64(&version) || !s.ReadUint32(&n) {
		return 0, nil, fmt.Errorf("%w: orders cut short", ErrAltered)
	}
	for range n {
		var p Pending
		var given uint64
		var why, flags uint8
		if !s.ReadUint64(&given) || !s.ReadUint8(&why) || !s.ReadUint8(&flags) || flags > flagUrgent {
			return 0, nil, fmt.Errorf("%w: orders cut short", ErrAltered)
		}
		p.Given, p.Why, p.Urgent = moment(given), Why(why), flags == flagUrgent
		if p.Calls, err = readIDs(&s); err != nil {
			return 0, nil, err
		}
		if p.Blocks, err = readIDs(&s); err != nil {
			return 0, nil, err
		}
		orders = append(orders, p)
	}
	if !s.Empty() {
		return 0, nil, fmt.Errorf("%w: bytes left over", ErrAltered)
	}
	return version, orders, nil
}

// readOrders is part of Open. Orders that cannot be read are a finding: their recordings are doomed in the root, and
// are erased all the same, without their reason.
func (l *List) readOrders(names []string) {
	if !slices.Contains(names, ordersName) {
		return
	}
	file, findings, err := l.files.ReadNewest(ordersName, func(b []byte) (uint64, error) {
		version, _, err := l.openOrders(b)
		return version, err
	})
	l.note(findings...)
	if err != nil {
		l.note(fmt.Errorf("the orders to erase cannot be read: %w", err))
		l.ordersVersion = l.readVersion()
		return
	}
	l.ordersVersion, l.orders, err = l.openOrders(file)
	l.note(err)
	for _, p := range l.orders {
		l.newest = max(l.newest, p.Given.UnixNano())
	}
}

// readVersion makes the next writing of orders newer than whatever stands there.
func (l *List) readVersion() uint64 { return uint64(l.cfg.Clock().UnixNano()) }
