package aside_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"linekeep/vault/check/aside"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

func TestWhatIsPutIsReadInItsOrderAndTheFolderStaysAsItWas(t *testing.T) {
	o := folder.Options{Name: "catalog", Path: filepath.Join(t.TempDir(), "catalog"), Key: keys.NewKey(), Rows: true, Log: slog.New(slog.DiscardHandler)}
	w, err := folder.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ra", "rc", "re", "z"} {
		if err := w.Put(t.Context(), folder.Entry{Key: []byte(key), Value: []byte("old")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	o.ReadOnly = true
	r, err := folder.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	f := aside.Over(r)
	puts := []folder.Entry{{Key: []byte("rb"), Value: []byte("new")}, {Key: []byte("rc")}, {Key: []byte("re"), Value: []byte("new")}, {Key: []byte("rf"), Value: []byte("new")}, {Key: []byte("q"), Value: []byte("new")}}
	if err := f.Put(context.Background(), puts...); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := f.Walk([]byte("r"), func(key, value []byte, err error) error {
		got = append(got, string(key)+"="+string(value))
		return err
	}); err != nil || !slices.Equal(got, []string{"ra=old", "rb=new", "re=new", "rf=new"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := f.Get([]byte("rc")); !errors.Is(err, folder.ErrMissing) {
		t.Errorf("what was deleted: %v", err)
	}
	if v, err := f.Get([]byte("rb")); err != nil || string(v) != "new" {
		t.Errorf("what was put: %s, %v", v, err)
	}
	if v, err := r.Get([]byte("rc")); err != nil || string(v) != "old" {
		t.Errorf("beneath: %s, %v", v, err)
	}
	stop := errors.New("enough")
	if err := f.Keys(nil, func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}
