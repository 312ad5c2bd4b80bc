// Package check reads a whole vault again and says in words what is not as it was written.
//
//	In:    the parts of an open vault, running or not
//	Out:   a Report: what is missing, extra or altered, and what each means for whoever keeps the recordings
//	Owner: the caller's goroutine; nothing is started
//	Full:  it changes nothing and needs no room, but some bytes for each recording in memory
//
// It proves more than reading would: every chunk is hashed and compared with its recording's manifest, which is
// sealed under the recording's own slot key; every manifest with its row in the catalogue, and every row with its
// manifest; every manifest's hash with the entry that the audit log has of it, and every such entry with its recording;
// the journal's groups with each other. It needs no custody key, and hears nothing; with somebody's it opens
// every segment, too.
package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/hearing"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/library"
)

// Kind is what is wrong with something.
type Kind string

// The kinds of findings.
const (
	Missing Kind = "missing"
	Extra   Kind = "extra"
	Altered Kind = "altered"
)

// Finding is one thing that is not as it was written.
type Finding struct {
	Kind Kind
	What string // the file, the folder or the recording, by its id
	Text string // what is so, and what it means
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.What, f.Text) }

// Report is what a check found.
type Report struct {
	Calls    int
	Chunks   int
	Heard    int   // recordings of which every segment was decrypted
	Bytes    int64 // of sealed sound read and hashed
	Took     time.Duration
	Findings []Finding
}

// Vault is what is checked. A func that is nil has nothing to check.
type Vault struct {
	Dir     string
	Library *library.Library
	Keys    func(ctx context.Context) []error // both copies of every key file
	Custody func() []error
	Journal func() ([]*journal.Damage, error)
	Catalog *catalog.Catalog
	Rows    func(ctx context.Context) []error // the catalogue's folder
	Erased  func() []error                    // the list of what was erased
	Audit   func(ctx context.Context) []error // the audit log and the register on it
	Log     Walk                              // the log's entries: closed recordings are compared with them
	Ballast string                            // its file
	// Settings reads both copies of the box's own small secrets.
	Settings func() []error
	// Unfiled are the recordings that are up or being moved: they have no manifest yet. nil = nobody records.
	Unfiled func() []keys.ID
	// Shards are those there were before Marks was asked: one that is not among them was made since the check began.
	Shards []keys.ShardInfo
	// Marks are the slots handed out so far: what comes later is of a call that began after the check. A shard without one is never handed
	// out of again: it is full, of months ago, or of a vault that recorded beside this one.
	Marks []keys.Mark
	// Found is what was found when the vault was opened, mended or not.
	Found []error
	// Share is the part of the recordings that is read; the zero Share is all of them. What is small is always read.
	Share Share
	Pace  Pace
	// Hear opens a recording with somebody's custody key: then every segment is decrypted and its packets are looked at.
	// nil: nothing is heard. An error of ErrStop ends the check.
	Hear func(ctx context.Context, id keys.ID) (*hearing.Recording, error)
}

// Pace is asked after each minute of a recording with the bytes that were read of it, and waits as long as it likes: the disk is the
// recorder's first. nil: as fast as the disk goes. Its error ends the check.
type Pace func(ctx context.Context, bytes int64) error

// ErrStop reports that what Hear needs is gone: its session ended.
var ErrStop = errors.New("check: nobody is signed in any more")

// run is one check under way, of all or of a share.
type run struct {
	v      *Vault
	share  Share
	pace   Pace
	common *Common
	report Report
	seen   map[string]bool // texts, so that what two parts notice is told once
	leaves leaves
	// claimed are the rows of the catalogue whose recordings were looked at.
	claimed map[keys.ID]bool
	// went: a month was dropped meanwhile. What was held of it stands elsewhere now, maybe where this check has been already.
	went bool
}

// Run checks the vault. An error means that the check itself could not go on; what was found until then is in the
// Report.
func Run(ctx context.Context, v *Vault) (Report, error) {
	start := time.Now()
	c, err := Begin(ctx, v, v.Share)
	if err != nil {
		return Report{Took: time.Since(start), Findings: c.findings}, err
	}
	report, err := c.Read(ctx, v.Share, v.Pace)
	report.Took = time.Since(start)
	return report, err
}

// What a finding means, in words for whoever keeps the recordings.
const (
	meansFound    = "It was found when the vault was opened, and put right where there was a second copy; a recording that lost something by it is named as well."
	meansKeys     = "Every key file has a second copy; as long as that is whole, nothing is lost. Change the disk if this comes again."
	meansCustody  = "Every key file has a second copy. If both are altered, no recording can be heard: keep the sheet with the recovery code and ask for help before anything is changed."
	meansJournal  = "The journal holds what was not yet moved, and the newest of what was. A recording that loses sound by this says so itself."
	meansFolder   = "What can be mended from copies is mended when the vault is next opened; a recording that loses sound by this is named as well."
	meansRows     = "The recordings are not touched: the catalogue is made again from their manifests when the vault is next opened."
	meansAudit    = "Who did what can be told no more for all of the past. Compare the log with the checkpoints that left the box, and find out who was at it."
	meansErased   = "What was erased stays erased. But an older copy of this vault, put in place on another box, might bring it back: keep the certificates."
	meansSettings = "It is a small secret of the box's own, such as the key of the console's certificate, and no recording needs it. The whole copy serves, and mends the other; without one the box makes it anew, and browsers warn of that."
	meansBallast  = "The ballast holds no data, only space: nothing is lost. But the disk does not keep what it is given."
)

func (r *run) find(kind Kind, what, format string, args ...any) {
	f := Finding{Kind: kind, What: what, Text: fmt.Sprintf(format, args...)}
	if key := f.String(); !r.seen[key] {
		r.seen[key] = true
		r.report.Findings = append(r.report.Findings, f)
	}
}

// errors makes findings of what a part says of itself.
func (r *run) errors(what, means string, errs []error) {
	for _, err := range errs {
		kind := Altered
		if errors.Is(err, fs.ErrNotExist) {
			kind = Missing
		}
		r.find(kind, what, "%v. %s", err, means)
	}
}

// rowsLeft are rows that no manifest has claimed.
func (r *run) rowsLeft(ctx context.Context) {
	for id := range r.common.rows {
		if !r.share.Has(id) || r.claimed[id] || r.young(id) || r.v.Library.Gone(id) || r.carried(ctx, id) { // erased, or carried elsewhere, while the check went on
			continue
		}
		r.find(Missing, "recording "+id.String(), "It stands in the catalogue, and its manifest is not there: it can be found, and not played.")
	}
}

// carried says whether a recording stands elsewhere, since its month went while the check went on.
func (r *run) carried(ctx context.Context, id keys.ID) bool {
	if !r.went {
		return false
	}
	rec, err := r.v.Library.Open(ctx, id)
	if err != nil {
		return false
	}
	rec.Close()
	return true
}

// remember takes note of the recordings that are on their way now: they may be filed while they are looked at.
func (r *run) remember() {
	if r.v.Unfiled == nil {
		return
	}
	for _, id := range r.v.Unfiled() {
		r.common.underway[id] = true
	}
}

// young says whether a recording was on its way at any time of the check, or began after it.
func (r *run) young(id keys.ID) bool {
	if r.v.Unfiled == nil {
		return false
	}
	if r.common.underway[id] {
		return true
	}
	for _, m := range r.v.Marks {
		if m.Shard == id.Shard {
			return id.Slot >= m.Next
		}
	}
	return !slices.ContainsFunc(r.v.Shards, func(s keys.ShardInfo) bool { return s.Number == id.Shard })
}
