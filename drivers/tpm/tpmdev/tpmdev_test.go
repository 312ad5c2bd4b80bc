package tpmdev_test

import (
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

func TestASoftwareTPMKeepsEveryPromise(t *testing.T) {
	tpmtest.Run(t, func(t *testing.T) (chip, other tpm.Sealer) {
		return tpmtest.Start(t).Open(t), tpmtest.Start(t).Open(t)
	})
}
