package badgerfile

import (
	"bytes"
	"testing"
)

// FuzzLogWalk: any bytes are walked to an end that lies within them.
func FuzzLogWalk(f *testing.F) {
	f.Add(make([]byte, 100))
	f.Add(append(make([]byte, LogHeader), 0x40, 0, 1, 1, 0, 'k', 'v', 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		end, _, err := walkLog(bytes.NewReader(b))
		if err != nil || end < 0 || end > int64(len(b)) {
			t.Errorf("end %d of %d, %v", end, len(b), err)
		}
		entryAfter(b, metaFinTxn)
		if n, err := ManifestEnd(b); err == nil && n > len(b) {
			t.Errorf("manifest ends at %d of %d", n, len(b))
		}
	})
}
