package badgerfile

import (
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Rotation is how long Badger keeps one data key. It never erases anything by rotating, and KEYREGISTRY is a single
// point of failure: so it is written once, by WriteRegistry. Not by Badger: its test is "created (0 at first) less
// than rotation ago", which for 100 years is true of 1970, and it then writes everything in clear without a word
// (seen with v4.9.6).
const Rotation = 100 * 365 * 24 * time.Hour

// WriteRegistry makes KEYREGISTRY with its one data key, before Badger opens a new folder.
func WriteRegistry(dir string, key []byte) error {
	reg, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: dir, EncryptionKey: key})
	if err != nil {
		return fmt.Errorf("making the key registry: %w", err)
	}
	_, err = reg.LatestDataKey() // a rotation of 0 makes one at once, whatever the clock says
	if err := errors.Join(err, reg.Close()); err != nil {
		return fmt.Errorf("making the data key: %w", err)
	}
	return nil
}
