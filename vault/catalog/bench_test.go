package catalog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/number"
	"linekeep/vault/keys"
)

// tellRow prints a line of the table of `make bench`: name | value | aim | met? An aim of 0 is none.
func tellRow(name string, value float64, unit string, aim float64) {
	if aim == 0 {
		fmt.Printf("%s | %.2f %s | | \n", name, value, unit)
		return
	}
	met := "yes"
	if value > aim {
		met = "NO"
	}
	fmt.Printf("%s | %.2f %s | %.2f | %s\n", name, value, unit, aim, met)
}

// rowShard is the first shard of the bench's recordings: so many slots are not made, they are all one.
const rowShard = 1 << 20

// oneSlot stands for all recordings' slots; the blocks have real ones.
type oneSlot struct {
	*slots
	slot keys.Slot
}

func (o oneSlot) Slot(id keys.ID) (keys.Slot, error) {
	if id.Shard < rowShard {
		return o.slots.Slot(id)
	}
	s := o.slot
	s.ID = id
	return s, nil
}

// busy makes the nth of so many calls: one a minute, of numbers that call some twenty times each.
func busy(n, of int, r *rand.Rand) catalog.Row {
	plain := fmt.Sprintf("+44%d", 1_000_000_000+r.IntN(max(of/20, 500))*7919)
	return catalog.Row{ID: keys.ID{Shard: rowShard + uint32(n/4096), Slot: uint32(n % 4096)}, Line: fmt.Sprint("line-", r.IntN(8)), Class: "standard",
		Start:    time.Date(2020, 1, 6, 8, 0, 0, 0, time.UTC).Add(time.Duration(n)*time.Minute - time.Duration(r.IntN(600))*time.Second),
		Duration: time.Duration(r.IntN(600*8000)) * 125 * time.Microsecond, Direction: line.Direction(1 + r.IntN(3)),
		Number: line.Number("0" + plain[3:]), Plain: line.Number(plain), Extension: line.Number(strconv.Itoa(1000 + r.IntN(500))),
		Name: anyOf(r, "", "", "", "Zoë O'Brien", fmt.Sprint("Customer ", r.IntN(5000))), Answered: r.IntN(4) > 0,
		Trigger: segment.BySignal, Reason: segment.EndSignal, Bytes: r.Int64N(1 << 20), Parties: []segment.Party{segment.Office, segment.Caller}}
}

// question is asked of both.
type question struct {
	name  string
	query catalog.Query
	sql   string  // the same, of the rival; newest first
	aim   float64 // ms at a million
}

func questions() []question {
	in := line.Incoming
	num := func(n int) string { return fmt.Sprintf("+44%d", 1_000_000_000+n*7919) }
	whole := func(n int) number.Pattern { return number.Pattern{Text: line.Number(num(n))} }
	person := []catalog.Party{{Numbers: []number.Pattern{whole(3), whole(77), whole(401)}, Extensions: []string{"1017", "1300"}}}
	personSQL := fmt.Sprintf("number in ('%s','%s','%s') or extension in ('1017','1300')", num(3), num(77), num(401))
	three := "line='line-3' and direction=1 and duration>=590000000000"
	end := num(77)[len(num(77))-4:]
	backwards := []byte(end)
	slices.Reverse(backwards)
	ending := fmt.Sprintf("reversed>='%s' and reversed<'%s:' order by start desc, id desc", backwards, backwards)
	return []question{
		{"50 newest", catalog.Query{Limit: 50}, "1 order by start desc, id desc limit 50", 0},
		{"three criteria, 50 newest", catalog.Query{Lines: []string{"line-3"}, Direction: &in, MinDuration: 590 * time.Second, Limit: 50},
			three + " order by start desc, id desc limit 50", 8},
		{"full miss, three criteria", catalog.Query{Lines: []string{"line-3"}, Direction: &in, MinDuration: 300*time.Second + 1, MaxDuration: 300*time.Second + 2},
			"line='line-3' and direction=1 and duration between 300000000001 and 300000000002 order by start desc, id desc", 20},
		{"full miss, a number nobody has", catalog.Query{Numbers: []number.Pattern{{Text: "+441632960018"}}}, "number='+441632960018' order by start desc, id desc", 20},
		{"full miss, a name nobody has", catalog.Query{Words: "nobody"}, "name like 'nobody%' or name like '% nobody%' order by start desc, id desc", 0},
		{"one number, all", catalog.Query{Numbers: []number.Pattern{whole(77)}}, fmt.Sprintf("number='%s' order by start desc, id desc", num(77)), 0},
		{"number suffix, all", catalog.Query{Numbers: []number.Pattern{{Text: line.Number(end), Part: number.End}}}, ending, 0},
		{"number suffix, 50 newest", catalog.Query{Numbers: []number.Pattern{{Text: line.Number(end), Part: number.End}}, Limit: 50},
			ending + " limit 50", 0},
		{"one person, 3 numbers and 2 extensions, 50 newest", catalog.Query{Person: person, Limit: 50}, "(" + personSQL + ") order by start desc, id desc limit 50", 0},
		{"one person, 3 numbers and 2 extensions, all", catalog.Query{Person: person}, "(" + personSQL + ") order by start desc, id desc", 0},
	}
}

// BenchmarkSearch asks what people ask of 10,000, 100,000 and a million calls (ten million with LONG=1), straight of the blocks
// in Badger, the first time after opening with the files' pages dropped, and warm; then SQLite with indices, in clear, the same.
// What both find must be the same.
func BenchmarkSearch(b *testing.B) {
	sizes := []int{10_000, 100_000, 1_000_000}
	if os.Getenv("LONG") != "" {
		sizes = append(sizes, 10_000_000)
	}
	if only, err := strconv.Atoi(os.Getenv("LINEKEEP_CALLS")); err == nil {
		sizes = []int{only}
	}
	for b.Loop() {
		for _, n := range sizes {
			searchOf(b, n)
		}
	}
}

func searchOf(b *testing.B, n int) {
	s := fill(b, n)
	var call string
	if n%1_000_000 == 0 {
		call = fmt.Sprintf("of %dM calls", n/1_000_000)
	} else {
		call = fmt.Sprintf("of %dk calls", n/1000)
	}
	began := time.Now()
	s.open(b)
	tellRow("search, opening the catalogue "+call, float64(time.Since(began).Microseconds())/1000, "ms", 0)
	asked := questions()
	first, warm, found := make([]float64, len(asked)), make([]float64, len(asked)), make([][]keys.ID, len(asked))
	for i, q := range asked {
		began := time.Now()
		found[i] = idsOf(collect(b, s, q.query))
		first[i] = float64(time.Since(began).Microseconds()) / 1000
	}
	for i, q := range asked {
		warm[i] = median(func() { collect(b, s, q.query) })
	}
	atWorst, private := residentMB(b, "VmRSS:"), residentMB(b, "RssAnon:")
	if err := s.folder.Trim(b.Context()); err != nil { // the vault does, every minute
		b.Fatal(err)
	}
	resident := residentMB(b, "VmRSS:")
	rival := newRival(b, n)
	for i, q := range asked {
		ids := rival.ask(b, q.sql)
		if !slices.Equal(ids, found[i]) {
			b.Errorf("%s %s: %d rows, SQLite has %d", q.name, call, len(found[i]), len(ids))
		}
		theirs := median(func() { rival.ask(b, q.sql) })
		aim := q.aim
		if n != 1_000_000 {
			aim = 0
		}
		name := fmt.Sprintf("search, %s, %s (%d found)", q.name, call, len(ids))
		tellRow(name+", first after opening", first[i], "ms", 0)
		tellRow(name, warm[i], "ms", aim)
		tellRow(name+", SQLite with indices, in clear", theirs, "ms", 0)
		tellRow(name+", times SQLite", warm[i]/theirs, "x", 0)
	}
	aim := 0.0
	if n == 1_000_000 {
		aim = 120
	}
	tellRow("search, resident memory of the whole process straight after searching all "+call, atWorst, "MB", 0)
	tellRow("search, of that not pages of files, "+call, private, "MB", 0)
	tellRow("search, resident memory of the whole process with the catalogue "+call+", after the minute's trim", resident, "MB", aim)
	if err := s.folder.Close(); err != nil {
		b.Error(err)
	}
	rival.close(b)
}

// fill files n calls and closes the folder, its pages dropped.
func fill(b *testing.B, n int) *site {
	b.Helper()
	s := newSite(b, catalog.MaxBlockRows)
	one, err := s.slots.Next(b.Context(), "standard", time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC))
	if err != nil {
		b.Fatal(err)
	}
	s.asSlots = oneSlot{s.slots, one}
	s.reopen(b)
	r := rand.New(rand.NewPCG(1, 2))
	began := time.Now()
	rows := make([]catalog.Row, 0, catalog.MaxBlockRows)
	for i := range n {
		if rows = append(rows, busy(i, n, r)); len(rows) == cap(rows) || i == n-1 {
			if err := s.File(context.Background(), rows...); err != nil {
				b.Fatal(err)
			}
			if err := s.folder.Trim(b.Context()); err != nil { // the vault does, every minute
				b.Fatal(err)
			}
			rows = rows[:0]
		}
	}
	b.Logf("%d rows filed in %v", n, time.Since(began))
	if err := s.folder.Close(); err != nil {
		b.Fatal(err)
	}
	dropPages(b, s.o.Path)
	debug.FreeOSMemory()
	return s
}

// dropPages asks the kernel to forget the pages of a folder's files.
func dropPages(b *testing.B, dir string) {
	b.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// median is of at least 11 askings, in milliseconds.
func median(ask func()) float64 {
	var took []time.Duration
	for began := time.Now(); len(took) < 11 || time.Since(began) < 200*time.Millisecond && len(took) < 101; {
		one := time.Now()
		ask()
		took = append(took, time.Since(one))
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Microseconds()) / 1000
}

func residentMB(b *testing.B, what string) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), what)
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) / 1000
}
