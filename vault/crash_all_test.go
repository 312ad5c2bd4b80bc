package vault_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/retention"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/loopdisk"
)

const (
	// seedEnv has a test draw as another run did. When a child is where is its own affair, so a seed says what is tried, not
	// what is hit.
	seedEnv = "LINEKEEP_CRASH_SEED"
	// mostLines ends a child that never comes to what it is to be killed at.
	mostLines = 1500
	// childTime is for a machine that does other things.
	childTime = 2 * time.Minute
)

// dues are the words that a child is killed after, the rarest most often.
var dues = []string{"s", "s", "s", "s", "q", "q", "p", "e", "e", "W", "h", "u", "n", "d"}

// moment is when a child is to be killed: so many lines after it said a word for the nth time.
type moment struct {
	word       string
	nth, lines int
	most       int
}

func (m *moment) come(word string) bool {
	m.most--
	if m.nth > 0 && word == m.word {
		m.nth--
	} else if m.nth == 0 {
		m.lines--
	}
	return m.most <= 0 || m.nth == 0 && m.lines <= 0
}

// told is what is known of one call.
type told struct {
	id       keys.ID
	segments map[string]string // party and start -> hash
	closed   bool
	length   line.Samples
	start    time.Time
	erasing  bool // an order was begun, and may stand
	erased   bool // ordered or erased for sure
	held     bool
	ending   bool     // a hold may have ended
	tags     []string // the one it was given last for sure, and those it may have been given since
}

// everything is a vault in which everything happens at once, and what was said of it.
type everything struct {
	*vaulttest.Vault
	t      *testing.T
	chip   orders
	random *rand.Rand
	ahead  time.Duration
	calls  map[string]*told // by line
	gone   []keys.ID
	counts map[string]int // of the words
	words  map[string]int // of what children were about when they were killed
}

func newEverything(t *testing.T, dir string) *everything {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv(seedEnv), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Log(seedEnv, seed)
	v, o := crashVault(t, dir)
	e := &everything{Vault: v, t: t, chip: o, random: rand.New(rand.NewPCG(seed, 0)), calls: make(map[string]*told), counts: make(map[string]int), words: make(map[string]int)}
	amid(&e.Config)
	e.Config.Clock = func() time.Time { return time.Now().Add(e.ahead) }
	return e
}

func (e *everything) call(name string) *told {
	c := e.calls[name]
	if c == nil {
		c = &told{segments: make(map[string]string), tags: []string{""}}
		e.calls[name] = c
	}
	return c
}

// hear takes in a line of a child.
func (e *everything) hear(f []string) error {
	e.counts[f[0]]++
	switch {
	case f[0] == "d" && len(f) == 2:
		ns, err := strconv.ParseInt(f[1], 10, 64)
		e.ahead = time.Duration(ns)
		return err
	case f[0] == "S" && len(f) == 5:
		e.call(f[1]).segments[f[2]+" "+f[3]] = f[4]
		return nil
	case f[0] == "C" && len(f) == 3:
		n, err := strconv.ParseInt(f[2], 10, 64)
		e.call(f[1]).closed, e.call(f[1]).length = true, line.Samples(n)
		return err
	case f[0] == "O" && len(f) == 3:
		start, err := time.Parse(time.RFC3339Nano, f[2])
		e.call(f[1]).start = start
		return err
	case f[0] == "u" && len(f) == 2:
		for _, c := range e.calls {
			if c.id.String() == f[1] {
				c.ending = true
			}
		}
		return nil
	case len(f) < 3 || f[0] == "s":
		return nil
	}
	id, err := keys.ParseID(f[1])
	if err != nil {
		return err
	}
	c := e.call(f[2])
	c.id = id
	switch f[0] {
	case "e":
		c.erasing = true
	case "E", "W":
		c.erased = true
	case "H":
		c.held, c.ending = true, false
	case "n":
		c.tags = append(c.tags, f[3])
	case "N":
		c.tags = c.tags[slices.Index(c.tags, f[3]):]
	}
	return nil
}

// child has a child do everything until a moment of the seed's choice. Then the power goes, or only the process.
func (e *everything) child(round int, power func()) {
	e.t.Helper()
	m := moment{word: dues[e.random.IntN(len(dues))], nth: 1 + e.random.IntN(3), lines: e.random.IntN(300), most: mostLines}
	if e.random.IntN(2) == 0 {
		m.lines = 0
	}
	o := e.chip
	o.Dir, o.All = e.Config.Dir, &alike{Ahead: e.ahead, Seed: uint64(round)<<32 | uint64(e.random.Uint32())}
	text, err := json.Marshal(o)
	if err != nil {
		e.t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^$")
	var wrong bytes.Buffer // what it logs as an error: nothing is wrong in this vault
	child.Env, child.Stderr = append(os.Environ(), childEnv+"="+string(text)), &wrong
	out, err := child.StdoutPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		e.t.Fatal(err)
	}
	hung := time.AfterFunc(childTime, func() { _ = child.Process.Kill() }) // gone already is as good
	killed := e.listen(out, m, func(word string) {
		e.words[word]++
		if power == nil {
			_ = child.Process.Kill() // as above
			return
		}
		r := &recorder{cmd: child}
		signal(e.t, r, syscall.SIGSTOP)
		vaulttest.Eventually(e.t, 10*time.Second, "the child has stopped", func() bool { return state(e.t, r) == "T" })
		power()
		_ = child.Process.Kill() // as above
	})
	err = child.Wait()
	if !hung.Stop() || !killed || wrong.Len() > 0 {
		e.t.Fatalf("round %d, %+v: the child hung, or ended by itself (killed: %v, %v), or said: %s", round, m, killed, err, &wrong)
	}
}

// listen hears a child to its end, and kills it on the way. What it said before it was killed is read after that.
func (e *everything) listen(out io.Reader, m moment, kill func(word string)) (killed bool) {
	in, last := bufio.NewScanner(out), ""
	for in.Scan() {
		f := strings.Fields(in.Text())
		if err := e.hear(f); err != nil {
			e.t.Errorf("%q: %v", in.Text(), err)
		}
		if f[0] != "S" && f[0] != "C" && f[0] != "O" && f[0] != "I" {
			last = strings.Join(f[:min(len(f), 1+strings.Count(f[0], "s"))], " ")
		}
		if !killed && m.come(f[0]) {
			killed = true
			kill(last)
		}
	}
	return killed
}

// holds opens what is left, and compares it with what was said.
func (e *everything) holds(round int) {
	e.t.Helper()
	e.ahead += 24 * time.Hour // the chip's counter moves so often a day
	e.Start()
	e.Settle()
	if err := e.CommitErasures(e.t.Context()); err != nil {
		e.t.Errorf("round %d: what is ordered is not erased: %v", round, err)
	}
	if n := e.Status().Erasing.Waiting; n > 0 {
		e.t.Errorf("round %d: %d orders wait", round, n)
	}
	rows, err := e.Find(e.t.Context(), catalog.Query{})
	if err != nil {
		e.t.Fatalf("round %d: Find: %v", round, err)
	}
	found := make(map[string]catalog.Row)
	for _, r := range rows {
		if found[r.Line].Line != "" {
			e.t.Errorf("round %d: call %s is found twice", round, r.Line)
		}
		found[r.Line] = r
	}
	for name, c := range e.calls {
		if r, ok := found[name]; ok {
			e.there(name, c, r)
		} else {
			e.notThere(name, c)
		}
	}
	for _, id := range e.gone {
		e.staysGone(id)
	}
	e.whole(round, len(rows))
	e.Stop()
	e.t.Logf("round %d: %d calls there, %d gone", round, len(rows), len(e.gone)) // all rounds take minutes on a busy machine
	if e.t.Failed() {
		e.t.FailNow()
	}
}

// there wants a call that is found to be as it was said to be, and none that is erased.
func (e *everything) there(name string, c *told, r catalog.Row) {
	e.t.Helper()
	if c.erased {
		e.t.Errorf("call %s, %s is erased, and found", name, r.ID)
	}
	if c.closed && (r.Recovered || r.Duration != c.length.Duration() || r.Gaps > 0) {
		e.t.Errorf("call %s was closed, and is now: %+v", name, r)
	}
	if tag := strings.Join(r.Tags, " "); !slices.Contains(c.tags, tag) {
		e.t.Errorf("call %s has the tags %q, want one of %q", name, tag, c.tags)
	}
	if c.id = r.ID; c.start.IsZero() { // it was stored, and the child killed before it said so
		c.start = r.Start
	}
	if !r.Start.Equal(c.start) {
		e.t.Errorf("call %s began at %v, and is there with %v", name, c.start, r.Start)
	}
	c.erasing = false // else it were not there
	compare(e.t, e.Vault, r, c.segments)
}

// notThere wants a call that is not found to have been erased or to have expired, with its certificate.
func (e *everything) notThere(name string, c *told) {
	e.t.Helper()
	delete(e.calls, name)
	expired := !retention.Shortest.Expires(c.start, time.UTC).After(e.Config.Clock()) && (!c.held || c.ending)
	switch {
	case c.id == keys.ID{} && expired: // within a child's life, before anybody saw it: its certificate cannot be asked for
		e.counts["unseen"]++
		return
	case c.id == keys.ID{}:
		e.t.Errorf("call %s with %d stored segments is lost; closed %v; not filed %v, erased and waiting %+v; %+v", name, len(c.segments), c.closed, e.Unfiled(), e.Status().Erasing, e.Status().Status)
		return
	case !c.erasing && !c.erased && !expired:
		e.t.Errorf("call %s, %s of %v is not there; it was not erased, and it is %v; held %v", name, c.id, c.start, e.Config.Clock(), c.held)
	}
	cert, err := e.Certificate(c.id)
	if err == nil {
		_, err = cert.Verify()
	}
	if err != nil {
		e.t.Errorf("call %s, %s: its certificate: %v", name, c.id, err)
	}
	e.gone = append(e.gone, c.id)
}

func (e *everything) staysGone(id keys.ID) {
	e.t.Helper()
	if r, err := e.Play(e.t.Context(), id, e.Code); !errors.Is(err, vault.ErrNotThere) {
		e.t.Errorf("call %s is erased, and plays: %v, %v", id, r, err)
	}
	if _, err := e.Certificate(id); err != nil {
		e.t.Errorf("the certificate of %s: %v", id, err)
	}
}

// whole wants no findings, and a log and a register that verify.
func (e *everything) whole(round, calls int) {
	e.t.Helper()
	report, err := e.Check(e.t.Context())
	if f := unmended(report.Findings); err != nil || len(f) > 0 || report.Calls != calls {
		e.t.Errorf("round %d: check: %d calls, want %d; %v, %v", round, report.Calls, calls, f, err)
	}
	for _, err := range e.Findings() {
		if !strings.Contains(err.Error(), "mended from its copy") {
			e.t.Errorf("round %d: finding: %v", round, err)
		}
	}
}

// happened wants that it was no quiet office: months went, with something left of them, and all else happened, too.
func (e *everything) happened(words ...string) {
	e.t.Helper()
	e.t.Logf("%d calls there, %d gone; said: %v; killed at: %v", len(e.calls), len(e.gone), e.counts, e.words)
	for _, word := range words {
		if e.counts[word] == 0 {
			e.t.Errorf("no child ever said %s", word)
		}
	}
}

// dropped wants that months went, and that what was held plays from where it was carried to.
func (e *everything) dropped() {
	e.t.Helper()
	kept, err := os.ReadDir(filepath.Join(e.Config.Dir, library.CallsDir, library.Kept))
	if err != nil || len(kept) == 0 || e.counts["s"] == 0 {
		e.t.Errorf("no month went that left something: %v, %v", kept, err)
	}
	e.Start()
	defer e.Stop()
	carried := 0
	for _, c := range e.calls {
		home := library.FolderName("standard", keys.MonthOf(c.start))
		if !exists(filepath.Join(e.Config.Dir, filepath.FromSlash(home))) {
			carried++
		}
	}
	if carried == 0 {
		e.t.Error("no call that is there was carried out of a month that went")
	}
	e.t.Logf("%d months with something kept, %d calls that outlived their month", len(kept), carried)
}

// TestP12_P13_P17_KillsAmidEverything kills a process that records, closes, erases, holds, alters and drops months at once.
func TestP12_P13_P17_KillsAmidEverything(t *testing.T) {
	rounds := 20
	if long() {
		rounds = 100
	}
	e := newEverything(t, "")
	for round := range rounds {
		e.child(round, nil)
		e.holds(round)
	}
	e.happened("S", "C", "E", "W", "H", "U", "N", "Q")
	e.dropped()
}

// TestP12_P13_P17_PowerCutsAmidEverything cuts the power of a box that does all that; what the disk had goes on.
func TestP12_P13_P17_PowerCutsAmidEverything(t *testing.T) {
	rounds := 3
	if long() {
		rounds = 20
	}
	disk := loopdisk.New(t, 512<<20)
	e := newEverything(t, filepath.Join(disk.Dir, "vault"))
	for round := range rounds {
		var after *loopdisk.Disk
		e.child(round, func() { after = disk.Cut(t) })
		disk.Discard(t)
		disk = after
		e.Vault = e.Elsewhere(t, filepath.Join(disk.Dir, "vault"))
		e.holds(round)
	}
	e.happened("S", "C", "H", "N")
}
