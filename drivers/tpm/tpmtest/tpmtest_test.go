package tpmtest_test

import (
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

func TestTheSealerInMemoryKeepsEveryPromise(t *testing.T) {
	tpmtest.Run(t, func(*testing.T) (chip, other tpm.Sealer) { return tpmtest.NewMemory(), tpmtest.NewMemory() })
}
