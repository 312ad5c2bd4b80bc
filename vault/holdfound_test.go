package vault_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/number"
	"linekeep/vault/keys"
	"linekeep/vault/retention/hold"
	"linekeep/vault/vaulttest/talk"
)

// TestP12_AHoldByCriteriaIsAFixedListWithOneIDThatIsLiftedTogether: of a number, a line, a period.
func TestP12_AHoldByCriteriaIsAFixedListWithOneIDThatIsLiftedTogether(t *testing.T) {
	v := newErasable(t, 0)
	ids := make(map[int]keys.ID)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	say := func(n int, on string, of line.Number) {
		k := talk.New(segment.Call(n+1), start.Add(time.Duration(n)*time.Minute))
		k.Line, k.Number = on, of
		before := v.found()
		v.Record(k, 2)
		for _, id := range v.found() {
			if !slices.Contains(before, id) {
				ids[n] = id
			}
		}
		v.calls = append(v.calls, k)
	}
	say(0, "reception", "+441632960123")
	say(1, "sales", "+441632960123")
	say(2, "sales", "+441632960999")
	say(3, "reception", "+441632960999")
	order := func(q catalog.Query) (hold.Hold, error) {
		return v.HoldFound(t.Context(), q, hold.Hold{Kind: hold.Keep, Reason: "a dispute", By: "Ann Controller"})
	}
	for name, c := range map[string]struct {
		q    catalog.Query
		want []int
	}{
		"a number":              {catalog.Query{Numbers: []number.Pattern{{Text: "01632 960123"}}}, []int{0, 1}},
		"a line":                {catalog.Query{Lines: []string{"sales"}}, []int{1, 2}},
		"a period":              {catalog.Query{From: start.Add(time.Minute), To: start.Add(3 * time.Minute)}, []int{1, 2}},
		"a number on a line":    {catalog.Query{Lines: []string{"sales"}, Numbers: []number.Pattern{{Text: "+441632960999"}}}, []int{2}},
		"a line for some while": {catalog.Query{Lines: []string{"reception"}, To: start.Add(time.Minute)}, []int{0}},
	} {
		h, err := order(c.q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for n, id := range ids {
			if v.Retention().Held(id) != slices.Contains(c.want, n) {
				t.Errorf("%s: call %d is held: %v", name, n, v.Retention().Held(id))
			}
		}
		if err := v.Retention().EndHold(t.Context(), h.ID, "Ann Controller"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n, id := range ids {
			if v.Retention().Held(id) {
				t.Errorf("%s: call %d is still held", name, n)
			}
		}
	}
	if _, err := order(catalog.Query{Lines: []string{"sales"}}); err != nil {
		t.Fatal(err)
	}
	say(4, "sales", "+441632960123")
	if v.Retention().Held(ids[4]) {
		t.Error("a call made later is held: nobody saw that")
	}
	for name, q := range map[string]catalog.Query{"nothing asked": {}, "nothing found": {Lines: []string{"workshop"}}, "some of it": {Lines: []string{"sales"}, Limit: 1}} {
		if _, err := order(q); !errors.Is(err, hold.ErrBad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
