package vault_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"linekeep/drivers/tpm"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/erasure"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/retention"
	"linekeep/vault/retention/hold"
)

const (
	blockRows  = 24 // so that a few hundred calls stand in many blocks, and each erasure rewrites one
	shortCalls = 60 // ticks of the longest call
	// fewCalls is how many there are at least before one is erased on order.
	fewCalls = 8
	// fewHolds is how many there are at least before one is ended.
	fewHolds = 6
	// someHeld is the most calls of one hold.
	someHeld = 3
	// dayPeriod is how often days go by: so that calls end and are filed well before their month is over.
	dayPeriod = 200 * time.Millisecond
	// changePeriod is how often a row is altered.
	changePeriod = 10 * time.Millisecond
)

// alike are a child's orders to record, close, erase, hold, alter and let expire, all alike.
type alike struct {
	Ahead time.Duration // of the clock on the wall
	Seed  uint64
}

// amid has a vault in which months are short and blocks small.
func amid(cfg *vault.Config) {
	cfg.Retention.Periods = map[string]retention.Months{"standard": retention.Shortest}
	cfg.Retention.Place = time.UTC
	vault.SmallBlocks(cfg, blockRows)
}

// busy is a child that does everything at once. It says in a line what it is about to do, with a small letter, and in another
// one that it is done, with a large one.
type busy struct {
	*vault.Vault
	random *rand.Rand // of the one that lets days go by
	began  time.Time
	from   time.Duration
	ahead  atomic.Int64
	rows   atomic.Pointer[[]catalog.Row] // of this day
	seen   map[keys.ID]bool
	speech sync.Mutex
}

func (b *busy) now() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }

// up is how long the box is up: it is for all the days that went by.
func (b *busy) up() time.Duration {
	return time.Since(b.began) + time.Duration(b.ahead.Load()) - b.from
}

func (b *busy) say(said string) error {
	b.speech.Lock()
	defer b.speech.Unlock()
	_, err := os.Stdout.WriteString(said)
	return err
}

func (b *busy) tell(format string, args ...any) error {
	return b.say(fmt.Sprintf(format+"\n", args...))
}

func (a *alike) run(ctx context.Context, cfg vault.Config, chip tpm.Chip, log *slog.Logger) (err error) {
	b := &busy{random: rand.New(rand.NewPCG(a.Seed, 1)), began: time.Now(), from: a.Ahead, seen: make(map[keys.ID]bool)}
	b.ahead.Store(int64(a.Ahead))
	b.rows.Store(new([]catalog.Row))
	cfg.Clock, cfg.Retention.Uptime = b.now, b.up
	amid(&cfg)
	if b.Vault, err = vault.Open(ctx, cfg, chip, log); err != nil {
		return err
	}
	b.Step(func(what string) { _ = b.tell("s %s", what) }) // the parent is gone, and kills nobody
	round := int(a.Seed >> 32)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.Run(ctx) })
	g.Go(func() error {
		return speech{round: round, longest: shortCalls, start: b.now, now: b.now, say: b.say}.speak(ctx, b)
	})
	g.Go(func() error { return b.alter(ctx, round, rand.New(rand.NewPCG(a.Seed, 2))) })
	g.Go(func() error {
		tick := time.NewTicker(dayPeriod)
		defer tick.Stop()
		for ; ; <-tick.C {
			if err := b.day(ctx); err != nil {
				return err
			}
		}
	})
	return g.Wait()
}

// day lets up to six days go by, and does what an office does in them, and what the vault does by night.
func (b *busy) day(ctx context.Context) error {
	if err := b.morning(ctx); err != nil {
		return err
	}
	var loose []catalog.Row
	for _, r := range *b.rows.Load() {
		if !b.Retention().Held(r.ID) {
			loose = append(loose, r)
		}
	}
	b.random.Shuffle(len(loose), func(i, j int) { loose[i], loose[j] = loose[j], loose[i] })
	if len(loose) >= fewCalls {
		for i, r := range loose[:2] {
			if err := b.erase(ctx, r, i == 0); err != nil {
				return err
			}
		}
		loose = loose[2:]
	}
	if err := b.holds(ctx, loose); err != nil {
		return err
	}
	return b.night(ctx)
}

// morning is the noon of a later day: the keys of the time to come are there, and it is known what there is.
func (b *busy) morning(ctx context.Context) error {
	then := b.now().UTC().AddDate(0, 0, 3+b.random.IntN(4))
	then = time.Date(then.Year(), then.Month(), then.Day(), 12, 0, 0, 0, time.UTC)
	if err := b.Keys().Prepare(ctx, []string{"standard"}, then); err != nil {
		return err
	}
	ahead := time.Until(then)
	if err := b.tell("d %d", ahead); err != nil {
		return err
	}
	b.ahead.Store(int64(ahead))
	rows, err := b.Find(ctx, catalog.Query{})
	if err != nil {
		return err
	}
	for _, r := range rows {
		if !b.seen[r.ID] {
			b.seen[r.ID] = true
			if err := b.tell("I %s %s", r.ID, r.Line); err != nil {
				return err
			}
		}
	}
	b.rows.Store(&rows)
	return nil
}

func (b *busy) erase(ctx context.Context, r catalog.Row, later bool) error {
	if err := b.tell("e %s %s", r.ID, r.Line); err != nil {
		return err
	}
	word := "E"
	var err error
	if later {
		word, err = "W", b.EraseLater(ctx, erasure.Objection, r.ID)
	} else if _, err = b.Erase(ctx, erasure.Order, r.ID); errors.Is(err, vault.ErrErasureWaits) {
		word, err = "W", nil // it stands
	}
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	return b.tell("%s %s %s", word, r.ID, r.Line)
}

// holds sets a hold, and ends one when there are many.
func (b *busy) holds(ctx context.Context, rows []catalog.Row) error {
	if len(rows) > 0 {
		h := hold.Hold{Kind: hold.Keep, Reason: "a dispute", By: "Ann Controller"}
		rows = rows[:min(len(rows), 1+b.random.IntN(someHeld))]
		for _, r := range rows {
			h.Calls = append(h.Calls, r.ID)
		}
		if err := b.tell("h"); err != nil {
			return err
		}
		if _, err := b.Retention().Hold(ctx, h); err != nil {
			return fmt.Errorf("hold: %w", err)
		}
		for _, r := range rows {
			if err := b.tell("H %s %s", r.ID, r.Line); err != nil {
				return err
			}
		}
	}
	all := b.Retention().Holds()
	if len(all) < fewHolds {
		return nil
	}
	h := all[b.random.IntN(len(all))]
	if !h.Ended.IsZero() {
		return nil
	}
	for _, id := range h.Calls {
		if err := b.tell("u %s", id); err != nil {
			return err
		}
	}
	if err := b.Retention().EndHold(ctx, h.ID, "Ann Controller"); err != nil {
		return fmt.Errorf("end a hold: %w", err)
	}
	return b.tell("U")
}

// night lets go what is due, and erases what is ordered.
func (b *busy) night(ctx context.Context) error {
	if err := b.tell("p"); err != nil {
		return err
	}
	if err := b.Retention().Pass(ctx); err != nil && !errors.Is(err, folder.ErrBusy) {
		return fmt.Errorf("pass: %w", err)
	}
	if w := b.Status().Retention.Blocked; w != nil {
		if err := b.Retention().Consent(ctx, w.Token, "Ann Controller"); err != nil && !errors.Is(err, folder.ErrBusy) && !errors.Is(err, retention.ErrNothingAsked) {
			return fmt.Errorf("consent: %w", err)
		}
	}
	if err := b.tell("q"); err != nil {
		return err
	}
	b.ErasePass(ctx)
	return b.tell("Q")
}

// alter gives calls tags, one after another: their blocks are written anew.
func (b *busy) alter(ctx context.Context, round int, random *rand.Rand) error {
	tick := time.NewTicker(changePeriod)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		rows := *b.rows.Load()
		if len(rows) == 0 {
			continue
		}
		r := rows[random.IntN(len(rows))]
		tag := fmt.Sprintf("tag-%d-%d", round, n)
		if err := b.tell("n %s %s %s", r.ID, r.Line, tag); err != nil {
			return err
		}
		err := b.Catalog().Change(ctx, func(r *catalog.Row) { r.Tags = []string{tag} }, r.ID)
		if errors.Is(err, catalog.ErrMissing) {
			continue // it went meanwhile
		}
		if err != nil {
			return fmt.Errorf("change: %w", err)
		}
		if err := b.tell("N %s %s %s", r.ID, r.Line, tag); err != nil {
			return err
		}
	}
}
