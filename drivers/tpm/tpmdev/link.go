package tpmdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev/wire"
)

// link is one connection to the chip, for one operation.
type link struct{ *wire.Wire }

func isSocket(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
	case err != nil:
		return false, fmt.Errorf("look at TPM: %w: %w", tpm.ErrUnavailable, err)
	case info.Mode()&os.ModeSocket != 0:
		return true, nil
	case info.Mode()&os.ModeCharDevice != 0:
		return false, nil
	}
	return false, fmt.Errorf("%w: %s is neither a device nor a socket", tpm.ErrUnavailable, path)
}

func dial(ctx context.Context, path string, socket bool) (*link, error) {
	w, err := wire.Dial(ctx, path, socket)
	if err != nil {
		return nil, err
	}
	return &link{w}, nil
}

// classify says for every error what the caller can do about it. What nobody named by then is a refusal, unless the chip, or
// the way to it, is in a state that passes.
func classify(err error) error {
	if err == nil {
		return nil
	}
	for _, named := range []error{tpm.ErrUnavailable, tpm.ErrRefused, tpm.ErrWrongAuth, tpm.ErrOwned} {
		if errors.Is(err, named) {
			return err
		}
	}
	var code tpm2.TPMRC
	if !errors.As(err, &code) || code.IsWarning() || code == tpm2.TPMRCInitialize || code == tpm2.TPMRCFailure || code == tpm2.TPMRCPCRChanged {
		return fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", tpm.ErrRefused, err)
}
