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

// TestTheMoverGetsOnWhileTheVaultIsRead: in a vault that was just started the reader comes first, and a call that ends then is in
// its place while the reading goes on.
func TestTheMoverGetsOnWhileTheVaultIsRead(t *testing.T) {
	v := vaulttest.New(t, "")
	const calls = 12
	for i := range calls {
		v.Say(talk.New(segment.Call(i+1), time.Now().Add(-time.Hour+time.Duration(i)*time.Minute).UTC()).Groups(130, true, true)...)
	}
	v.Settle()
	v.Stop()
	again := v.Elsewhere(t, v.Config.Dir)
	again.Start()
	filed := make(chan time.Duration, 1) // one answer
	in := again.Vault.Checked()
	in.Share = check.Share{Number: 0, Of: 1}
	minutes := 0
	in.Pace = func(ctx context.Context, _ int64) error {
		if minutes++; minutes == 3 {
			again.Say(talk.New(99, time.Now().Add(-time.Minute).UTC()).Groups(70, true, true)...)
			go func() { filed <- fileSoon(ctx, again) }()
		}
		wait := time.NewTimer(50 * time.Millisecond)
		defer wait.Stop()
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		return ctx.Err()
	}
	report, err := check.Run(t.Context(), in)
	if err != nil || report.Calls != calls || len(report.Findings) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
	select {
	case took := <-filed:
		t.Logf("filed after %v", took) // the mover looks once a second
	default:
		t.Error("the call was not moved until all was read")
	}
	if st := again.Status(); st.MoveError != "" {
		t.Error(st.MoveError)
	}
}

// fileSoon waits until everything is filed.
func fileSoon(ctx context.Context, v *vaulttest.Vault) time.Duration {
	began := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for v.Status().Unfiled > 0 && ctx.Err() == nil {
		<-tick.C
	}
	return time.Since(began)
}
