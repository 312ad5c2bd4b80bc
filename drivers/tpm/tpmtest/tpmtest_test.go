package tpmtest_test

import (
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

func TestTheChipInMemoryKeepsEveryPromise(t *testing.T) {
	tpmtest.Run(t, func(*testing.T) (chip, other tpm.Chip) { return tpmtest.NewMemory(), tpmtest.NewMemory() })
}
