package secret

import (
	"runtime"
	"sync/atomic"
)

// place is where one secret lies. All copies of a Key or Buffer lead to the same place; the arena knows nothing of it,
// so that the garbage collector can tell when the last copy is gone.
type place struct {
	bytes []byte // what users see; up to its capacity it is the secret's, and goes back whole
	home  home
	// users counts those who are between enter and leave; the bit wiped says that no more are let in.
	users   atomic.Int64
	cleanup runtime.Cleanup
}

const wiped = 1 << 62

// home is where memory came from. It wipes what comes back.
type home interface{ giveBack(b []byte) }

// use lends the bytes to f.
func (p *place) use(f func([]byte)) {
	if !p.enter() {
		panic("secret: a wiped secret was used")
	}
	defer p.leave()
	f(p.bytes)
}

// enter lets a user in, unless the place was wiped.
func (p *place) enter() bool {
	for {
		n := p.users.Load()
		if n&wiped != 0 {
			return false
		}
		if p.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends what enter began. The last one out of a wiped place gives it back.
func (p *place) leave() {
	if p.users.Add(-1) == wiped {
		p.home.giveBack(p.bytes[:cap(p.bytes)])
	}
	runtime.KeepAlive(p) // until here the collector must not give the place back
}

// wipe shuts the place. It goes back now if nobody is in it, else with the last one out.
func (p *place) wipe() {
	for {
		n := p.users.Load()
		if n&wiped != 0 {
			return
		}
		if p.users.CompareAndSwap(n, n|wiped) {
			p.cleanup.Stop() // or the place would go back twice, the second time under somebody else's secret
			if n == 0 {
				p.home.giveBack(p.bytes[:cap(p.bytes)])
			}
			runtime.KeepAlive(p)
			return
		}
	}
}

func (p *place) shut() bool { return p.users.Load()&wiped != 0 }
