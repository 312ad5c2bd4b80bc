// Package store takes what the pipeline heard and keeps it: sealed and journalled at once, moved minute by minute
// into the month's folder, closed with a manifest and filed in the catalogue.
//
// Stage: line -> call -> encode -> seal -> [store] -> search -> release.
//
//	In:    segment.Group, all calls at one tick
//	Out:   nil from Commit = stored (encrypted, on disk, synced); a catalog.Row to a Filer when the recording is filed
//	Owner: Run is the one mover; Commit runs on its caller's goroutine; nothing else is started
//	Full:  a nearly full disk refuses new calls; a full one, or a journal of journal.MaxBytes that cannot be moved,
//	       refuses groups. Both are counted, and nothing stored is touched
//
// What it can and cannot: it holds the data key of a call only while the call is up. From the closing on it can
// move, check, and describe a recording, but nobody can make it play one without the custody key.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/envelope"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/store/refusal"
)

const (
	// MovePeriod is how often the mover looks for full minutes and closed calls.
	MovePeriod = time.Second
	// TrimPeriod is how often the folders are made to give memory back.
	TrimPeriod = time.Minute
	// JoinWithin is how soon after a cut recording another on the same line counts as its continuation.
	JoinWithin = 30 * time.Second
	// rememberedCalls is how many ended calls can still be named by Opening.Continues: a call that reached its
	// longest ends in the same group in which the next begins, so one per line would do.
	rememberedCalls = 256
	// DrainTime bounds the last moves when the vault is closed. What is not moved then is moved at the next start.
	DrainTime = 20 * time.Second
)

// ErrFull reports that a group was refused for want of room. Nothing of it counts.
var ErrFull = errors.New("store: no room for more sound")

// ErrNotFiled reports a recording that is up, or whose last minutes are still being moved.
var ErrNotFiled = errors.New("store: the recording is not filed yet")

// Manifest is what Config.Filed is told.
type Manifest = recording.Manifest

// Filer takes a closed recording into the catalogue. Filing the same recording twice must be the same as once.
type Filer interface {
	File(ctx context.Context, rows ...catalog.Row) error
}

// Keys is what the store asks of vault/keys.
type Keys interface {
	VaultID() [16]byte
	Next(ctx context.Context, class string, at time.Time) (keys.Slot, error)
	Slot(id keys.ID) (keys.Slot, error)
	Shard(number uint32) (keys.ShardInfo, error)
	Marks() []keys.Mark
}

// Guard says whether a new call may begin; vault/space has one.
type Guard interface {
	Calls() error
}

// Config says what a store is made of.
type Config struct {
	Keys    Keys
	Public  envelope.Public // the custody key that calls are under, until SetCustody
	Custody uint32          // its number
	Journal *journal.Journal
	Guard   Guard
	Months  *library.Months
	Filer   Filer
	// Filed is told of each recording once it is filed, on the mover's goroutine, and Closed of its manifest's hash before the journal
	// forgets it: until Closed takes it, it is told again with each pass. Both may be nil.
	Filed  func(recording.Manifest)
	Closed func(ctx context.Context, id keys.ID, manifest [32]byte) error
	// Counters are the commit counters of folders that are not the store's (the catalogue); may be nil.
	Counters func() []journal.Counter
	Clock    func() time.Time
	Log      *slog.Logger
}

// Store is the open store of a vault.
type Store struct {
	cfg      Config
	vaultID  [16]byte
	months   *library.Months
	patience library.Patience // the mover's
	trimmed  time.Time        // by the mover
	wake     chan struct{}    // one pending word is enough: the mover looks at everything

	commit sync.Mutex // one group at a time; before mu
	batch  batch
	public envelope.Public // under commit: the custody key for calls that begin
	number uint32

	mu       sync.Mutex
	calls    map[segment.Call]*entry           // up, in this run
	waiting  map[segment.Call]*refusal.Waiting // begun, and not yet opened for want of room
	unfiled  map[keys.ID]*entry                // everything that is not filed yet
	order    []*entry                          // unfiled, oldest first
	ended    []endedCall                       // bounded by rememberedCalls
	cut      []Cut                             // ended by a stop or a power cut, open to be continued
	stopped  []Cut                             // ended by this stop; see Stopped
	done     []keys.ID                         // filed, not yet said so in the journal
	counters map[string]uint64                 // commits by folder
	grace    []journal.Record                  // of recordings filed before this start, until the folders are compared
	findings []error
	clean    bool // the last run closed the vault
	// uncompared are folders, with their commits as the journal has them, that were not looked at since the start;
	// nil when all were.
	uncompared map[string]uint64
	appended   time.Time // when the journal last took a group
	status     Status
}

type endedCall struct {
	call segment.Call
	id   keys.ID
}

// Cut is a recording that ended while its call went on: another that begins on the same line within JoinWithin is
// taken to continue it.
type Cut struct {
	Line string
	End  time.Time
	ID   keys.ID
}

// Status is how the store stands.
type Status struct {
	LastStored time.Time     // when sound was last stored
	Lag        time.Duration // heard to stored, of the oldest sound in the newest group
	LongestLag time.Duration // since the start
	Up         int           // calls being stored
	Unfiled    int           // recordings not yet filed, those that are up included
	Waiting    int           // calls that are up and are not stored for want of room or of a key
	Refused    uint64        // calls that ended without anything of them stored
	Refusals   refusal.All   // what was not stored, by line
	Failed     uint64        // groups of which nothing counted
	Lost       line.Samples  // sound of calls while they waited
	Filed      uint64        // recordings filed since the start
	MoveError  string        // why the mover does not get on; empty when it does
	Journal    int64         // bytes in the journal, those of its grace included
	Written    journal.Written
}

// entry is a recording from its opening until it is filed.
type entry struct {
	id      keys.ID
	meta    keys.Key // K_meta, wiped when it is filed
	data    dataKey  // only while the call is up
	opening recording.Opening
	folder  string
	body    []byte             // of the opening: wrap and box
	wrap    [32]byte           // hash of body
	opens   []journal.Position // where the opening stands in the journal
	again   bool               // the opening is to be journalled again: the file it is in grows old
	moved   bool               // the opening is in the month's folder
	tracks  []*track
	closing *recording.Closing
	said    bool             // the closing is in the journal, or the recording was cut and needs none
	closeAt journal.Position // zero when it is not
	cut     bool             // closed by recovery
	known   bool             // what the folder holds already is known; after a restart one must look
	filed   []byte           // the manifest the folder holds already, sealed
}

// track is one party of a recording.
type track struct {
	party   segment.Party
	seq     uint32           // the next; a number is never used twice, not even after a failed write
	pending []ref            // stored in the journal, not yet moved
	parts   []recording.Part // moved
	end     line.Samples
	gaps    uint32 // places where sound is missing
	lost    line.Samples
	last    bool
}

// ref is a segment in the journal.
type ref struct {
	pos   journal.Position
	seq   uint32
	flags uint8
	start line.Samples
	len   line.Samples
}

// flagGap marks a journalled segment in which sound is missing, so that recovery knows without its key.
const flagGap uint8 = 1 << 3

// New makes a store of what the journal holds. It opens no folder; Run does, and then closes what a power cut left
// open. Errors: a recording whose slot key is gone.
func New(ctx context.Context, cfg Config, replay *journal.Replay) (*Store, error) {
	s := &Store{
		cfg: cfg, vaultID: cfg.Keys.VaultID(), public: cfg.Public, number: cfg.Custody,
		wake:    make(chan struct{}, 1),
		calls:   make(map[segment.Call]*entry),
		waiting: make(map[segment.Call]*refusal.Waiting),
		unfiled: make(map[keys.ID]*entry), counters: make(map[string]uint64),
		clean: replay.Clean, uncompared: make(map[string]uint64),
	}
	s.months = cfg.Months
	for _, d := range replay.Damages {
		s.find(ctx, d)
	}
	for _, c := range replay.Last.Counters {
		if strings.HasPrefix(c.Folder, library.CallsDir+"/") {
			s.counters[c.Folder], s.uncompared[c.Folder] = c.Commits, c.Commits
		}
	}
	if replay.Torn > 0 {
		cfg.Log.InfoContext(ctx, "journal ended torn, as a power cut leaves it", slog.Int64("bytes", replay.Torn))
	}
	if err := s.adopt(ctx, replay); err != nil {
		return nil, err
	}
	// From here on this is a vault that was not closed: a slot handed out now must not be handed out again.
	if err := cfg.Journal.Append(s.group(journal.Group{Opened: true}), nil); err != nil {
		cfg.Log.ErrorContext(ctx, "journal takes nothing at the start", slog.Any("err", err))
	}
	return s, nil
}

// group fills in what every group says.
func (s *Store) group(g journal.Group) journal.Group {
	g.At, g.Marks = s.cfg.Clock(), s.cfg.Keys.Marks()
	s.mu.Lock()
	for name, n := range s.counters {
		g.Counters = append(g.Counters, journal.Counter{Folder: name, Commits: n})
	}
	s.mu.Unlock()
	if s.cfg.Counters != nil {
		g.Counters = append(g.Counters, s.cfg.Counters()...)
	}
	return g
}

func (s *Store) find(ctx context.Context, err error) {
	s.cfg.Log.ErrorContext(ctx, "vault damaged", slog.Any("err", err))
	s.mu.Lock()
	s.findings = append(s.findings, err)
	s.mu.Unlock()
}

// Findings are what was found altered or missing since the start.
func (s *Store) Findings() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.findings)
}

// Status gives the present state. It never waits for the disk.
func (s *Store) Status() Status {
	bytes, _, written := s.cfg.Journal.Status()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Up, st.Unfiled, st.Waiting, st.Journal = len(s.calls), len(s.order), len(s.waiting), bytes
	st.Written = written
	return st
}

// Heartbeat writes a group into the journal, waits until the disk has it, and reads it back: nil = the store answers.
func (s *Store) Heartbeat(ctx context.Context) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	err := s.flush(ctx, false)
	if err == nil {
		err = s.cfg.Journal.Probe()
	}
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	return nil
}

// Close ends the store. Run must have returned. A vault closed here is known, at the next start, to be whole.
func (s *Store) Close(ctx context.Context) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	err := s.flush(ctx, true)
	err = errors.Join(err, s.months.Close())
	s.mu.Lock()
	for _, r := range s.calls { // up, or ended in a group that was refused
		r.data.wipe()
	}
	for _, r := range s.order {
		r.meta.Wipe()
	}
	s.mu.Unlock()
	if err == nil {
		err = s.cfg.Journal.Append(s.group(journal.Group{Clean: true, Final: true}), nil)
	}
	return errors.Join(err, s.cfg.Journal.Sweep())
}

// SetCustody has calls that begin from now on under another custody key. Those that are up stay under theirs.
func (s *Store) SetCustody(number uint32, public envelope.Public) {
	s.commit.Lock()
	defer s.commit.Unlock()
	s.number, s.public = number, public
}

// ErrBusy reports that calls are up, or not filed yet.
var ErrBusy = errors.New("store: calls are up, or not filed yet")

// Quiet calls do while no call is up and none can begin; when it returns nil, calls begin under the custody key that do
// gave. What is heard meanwhile waits in the pipeline, so do must not take long. Errors: ErrBusy, those of do.
func (s *Store) Quiet(do func() (number uint32, public envelope.Public, err error)) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	s.mu.Lock()
	busy := len(s.calls) + len(s.unfiled) + len(s.waiting)
	s.mu.Unlock()
	if busy > 0 {
		return fmt.Errorf("%w: %d", ErrBusy, busy)
	}
	number, public, err := do()
	if err == nil {
		s.number, s.public = number, public
	}
	return err
}

// Unfiled says whether the recording is known and not yet filed.
func (s *Store) Unfiled(id keys.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unfiled[id] != nil
}

// UnfiledIDs are the recordings that are up, or whose last minutes are still being moved.
func (s *Store) UnfiledIDs() []keys.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.unfiled))
}
