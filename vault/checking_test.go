package vault_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault"
	"linekeep/vault/check"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// TestHearingFindsWhatCiphertextDoesNotShow: a wrap that opens nothing, and packets that are no Opus, are whole by every hash.
func TestHearingFindsWhatCiphertextDoesNotShow(t *testing.T) {
	v := vaulttest.New(t, "")
	good := talk.New(1, time.Now().Add(-time.Hour))
	bad := talk.New(2, time.Now().Add(-time.Minute))
	good.Payload = talk.Opus
	bad.Payload = func(_ segment.Party, _ line.Samples, packet []byte) { packet[0] = 0xff } // stereo, of 48 frames
	v.Say(good.Groups(4, true, true)...)
	v.Say(bad.Groups(4, true, true)...)
	v.Settle()
	s := v.SignIn(v.Ann)
	defer s.End()
	if report, err := v.Check(t.Context()); err != nil || len(report.Findings) > 0 {
		t.Fatalf("by ciphertext: %v, %v", report.Findings, err)
	}
	report, err := v.CheckHearing(t.Context(), s)
	if err != nil || report.Heard != 2 || len(report.Findings) != len(bad.Parties) {
		t.Errorf("heard: %+v, %v", report, err)
	}
	in := v.Vault.Checked()
	in.Hear = func(_ context.Context, id keys.ID) (*vault.Recording, error) {
		return nil, fmt.Errorf("%s: %w", id, errors.New("no"))
	}
	report, err = check.Run(t.Context(), in)
	if err != nil || report.Heard != 0 || len(report.Findings) != 2 ||
		slices.ContainsFunc(report.Findings, func(f check.Finding) bool { return f.Kind != check.Altered }) {
		t.Errorf("with a key that opens nothing: %+v, %v", report, err)
	}
}
