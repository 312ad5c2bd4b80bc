package catalog_test

import (
	"database/sql"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	_ "modernc.org/sqlite" // the rival: what one would take if nothing were secret

	"linekeep/vault/keys"
)

// rival is SQLite with an index for each thing that is asked about, and every value in clear.
type rival struct{ db *sql.DB }

func newRival(b *testing.B, n int) rival {
	b.Helper()
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "calls.db"))
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	v := rival{db}
	v.do(b, "pragma journal_mode=wal", "pragma synchronous=off", "pragma cache_size=-65536",
		`create table calls (id integer primary key, start integer, line text, class text, direction integer, duration integer, answered integer,
		 number text, reversed text, extension text, name text, bytes integer)`)
	r := rand.New(rand.NewPCG(1, 2))
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	put, err := tx.Prepare("insert into calls values (?,?,?,?,?,?,?,?,?,?,?,?)")
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		c := busy(i, n, r)
		backwards := []byte(c.Plain.Reveal())
		slices.Reverse(backwards)
		if _, err := put.Exec(int64(c.ID.Shard)<<32|int64(c.ID.Slot), c.Start.UnixNano(), c.Line, c.Class, int(c.Direction), int64(c.Duration), c.Answered,
			c.Plain.Reveal(), string(backwards), c.Extension.Reveal(), c.Name, c.Bytes); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	v.do(b, "create index by_start on calls(start)", "create index by_number on calls(number)", "create index by_end on calls(reversed)",
		"create index by_extension on calls(extension)", "create index by_line on calls(line, direction, duration)",
		"analyze") //nolint:misspell // it is SQL
	return v
}

func (v rival) do(b *testing.B, statements ...string) {
	b.Helper()
	for _, s := range statements {
		if _, err := v.db.Exec(s); err != nil {
			b.Fatalf("%s: %v", s, err)
		}
	}
}

// ask gives the ids of the calls that a condition wants; all of each row is read, as a list needs it.
func (v rival) ask(b *testing.B, where string) []keys.ID {
	b.Helper()
	rows, err := v.db.Query("select * from calls where " + where)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	ids := []keys.ID{}
	for rows.Next() {
		var id, start, direction, duration, answered, bytes int64
		var line, class, number, reversed, extension, name string
		if err := rows.Scan(&id, &start, &line, &class, &direction, &duration, &answered, &number, &reversed, &extension, &name, &bytes); err != nil {
			b.Fatal(err)
		}
		ids = append(ids, keys.ID{Shard: uint32(id >> 32), Slot: uint32(id)})
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return ids
}

func (v rival) close(b *testing.B) {
	b.Helper()
	if err := v.db.Close(); err != nil {
		b.Error(err)
	}
}
