package check

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/keys"
)

// Common is the part of a check that is the same whatever recordings are read: the keys, the lists, the log, the journal, the
// catalogue. It is read once, and then one share after the other.
//
// What is recorded after Begin is not looked at: a Common is for a night, not for a week.
type Common struct {
	v        *Vault
	findings []Finding // told with the first share
	rows     map[keys.ID]sum
	hashes   map[keys.ID]sum // of the closing manifests that the log knows; the newest counts: after a power cut one may be closed twice
	began    time.Time       // of the log's first entry: what ended before it was closed by a vault without a log
	loss     time.Time       // when the log went on without a part of it, and said so
	torn     bool            // not every entry can be read; the log's own verification says which
	// underway were not filed at some moment since Begin.
	underway map[keys.ID]bool
}

// sum tells a row or a manifest from every other: half a SHA-256, of which a million are kept.
type sum [16]byte

func sumOf(hash [32]byte) sum { return sum(hash[:16]) }

// Begin reads what every share needs, for the shares that will be read; none means all. An error means that the check could not go
// on; what was found until then is told nonetheless.
func Begin(ctx context.Context, v *Vault, shares ...Share) (*Common, error) {
	c := &Common{v: v, rows: make(map[keys.ID]sum), hashes: make(map[keys.ID]sum), underway: make(map[keys.ID]bool)}
	r := &run{v: v, common: c, seen: make(map[string]bool)}
	wanted := func(id keys.ID) bool {
		return len(shares) == 0 || slices.ContainsFunc(shares, func(s Share) bool { return s.Has(id) })
	}
	err := r.begin(ctx, wanted)
	c.findings = r.report.Findings
	return c, err
}

func (r *run) begin(ctx context.Context, wanted func(keys.ID) bool) error {
	v := r.v
	r.remember() // and then the rows, and then the manifests: what is filed meanwhile is known to be on its way
	r.errors("vault", meansFound, v.Found)
	if v.Keys != nil {
		r.errors("keys", meansKeys, v.Keys(ctx))
	}
	if v.Custody != nil {
		r.errors("keys", meansCustody, v.Custody())
	}
	if v.Erased != nil {
		r.errors("erasures", meansErased, v.Erased())
	}
	if v.Settings != nil {
		r.errors("settings", meansSettings, v.Settings())
	}
	if v.Audit != nil {
		r.errors("audit", meansAudit, v.Audit(ctx))
	}
	r.journal()
	if err := r.walkLog(ctx, wanted); err != nil {
		return err
	}
	r.catalogue(ctx, wanted)
	r.files()
	return ctx.Err()
}

// Read reads the recordings of a share. A share that ended with an error may be read again. Errors: as Run.
func (c *Common) Read(ctx context.Context, share Share, pace Pace) (Report, error) {
	start := time.Now()
	r := &run{v: c.v, share: share, pace: pace, common: c, seen: make(map[string]bool), claimed: make(map[keys.ID]bool), leaves: newLeaves()}
	for _, f := range c.findings {
		r.seen[f.String()] = true
	}
	r.report.Findings, c.findings = c.findings, nil
	err := r.recordings(ctx)
	r.report.Took = time.Since(start)
	return r.report, err
}

func (r *run) recordings(ctx context.Context) error {
	r.remember()
	names, err := r.v.Library.Months.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.month(ctx, name); err != nil {
			return err
		}
	}
	r.remember() // those that were on their way and not yet known to be
	if err := r.stillUnlogged(ctx); err != nil {
		return err
	}
	r.stillUnrowed()
	r.rowsLeft(ctx)
	r.leavesLeft()
	return ctx.Err()
}

func (r *run) journal() {
	if r.v.Journal == nil {
		return
	}
	damages, err := r.v.Journal()
	if err != nil {
		r.find(Missing, "journal", "%v. %s", err, meansJournal)
	}
	for _, d := range damages {
		kind := Altered
		if d.Bytes == 0 {
			kind = Missing
		}
		of := ""
		if d.ID != (keys.ID{}) {
			of = fmt.Sprintf(" It is of recording %s.", d.ID)
		}
		r.find(kind, "journal/"+d.File, "%v.%s %s", d, of, meansJournal)
	}
}

// catalogue reads all rows; month compares them.
func (r *run) catalogue(ctx context.Context, wanted func(keys.ID) bool) {
	if r.v.Rows != nil {
		r.errors("catalog", meansRows, r.v.Rows(ctx))
	}
	if r.v.Catalog == nil {
		return
	}
	r.errors("catalog", meansRows, r.v.Catalog.Findings())
	twice, errs := r.allRows(ctx, wanted)
	r.errors("catalog", meansRows, errs)
	for _, id := range twice {
		r.find(Extra, "recording "+id.String(), "It stands in the catalogue twice. %s", meansRows)
	}
}

// rowsAgain is how often the rows are read anew because a block was rewritten meanwhile.
const rowsAgain = 5

// allRows takes the catalogue's rows in as they were at one moment, and gives those that stand there twice, and what could not be read.
func (r *run) allRows(ctx context.Context, wanted func(keys.ID) bool) (twice []keys.ID, errs []error) {
	read := func() error {
		clear(r.common.rows)
		twice, errs = nil, nil
		for row, err := range r.v.Catalog.All(ctx) {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if !wanted(row.ID) {
				continue
			}
			if _, there := r.common.rows[row.ID]; there {
				twice = append(twice, row.ID)
			}
			r.common.rows[row.ID] = rowSum(row)
		}
		return errors.Join(errs...)
	}
	for range rowsAgain {
		if !errors.Is(read(), catalog.ErrChanged) {
			return twice, errs
		}
	}
	_ = r.v.Catalog.Still(read) // errs has it
	return twice, errs
}

// rowSum is of what a manifest says, too; numbers as they are, since in print they are masked: times to the nanosecond, durations in whole samples.
func rowSum(r catalog.Row) sum {
	parties := slices.Clone(r.Parties)
	slices.Sort(parties)
	return sumOf(sha256.Sum256(fmt.Appendf(nil, "%v %d %d %d %v %q %q %d %q %q %t %t %d %d %d %d %v %t", r.ID, r.Start.UnixNano(), r.Duration, r.GapTotal, parties,
		r.Line, r.Class, r.Direction, string(r.Number), string(r.Extension), r.Answered, r.Silent, r.Trigger, r.Reason, r.Gaps, r.Bytes, r.Continues, r.Recovered)))
}
