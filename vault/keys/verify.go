package keys

import (
	"context"
	"fmt"
)

// Findings are what was found wrong with key files since Open, whether it could be mended or not; each names its file.
func (k *Keys) Findings() []error { return k.root.Findings() }

// Direct says whether all that was written so far was read back from the medium itself. Where the file system refuses
// that, it was read back through the kernel, which may not have asked the medium.
func (k *Keys) Direct() bool { return k.files.Direct() }

// Verify reads both copies of every key file, mends one from the other, and gives everything found wrong since Open.
func (k *Keys) Verify(ctx context.Context) []error {
	k.verifyRoot()
	for _, info := range k.Shards() {
		if err := ctx.Err(); err != nil {
			return append(k.Findings(), fmt.Errorf("verify keys: %w", err))
		}
		k.verifyShard(info.Number)
	}
	return k.Findings()
}

func (k *Keys) verifyRoot() {
	k.writing.Lock() // no root comes or goes meanwhile
	defer k.writing.Unlock()
	k.root.Verify()
}

func (k *Keys) verifyShard(number uint32) {
	k.writing.Lock() // a new shard has its name once this is free
	defer k.writing.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.root.Contents().Shard(number)
	if !ok || k.closed {
		return
	}
	_, findings, err := k.files.Read(l.FileName(), l.Check)
	k.root.Note(findings...)
	k.root.Note(err)
}
