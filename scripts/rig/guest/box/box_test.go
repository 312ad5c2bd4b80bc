//go:build rig

package box

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmdemo"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/firmware/config"
	"linekeep/scripts/rig/bench"
	"linekeep/vault"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/office"
	"linekeep/vault/custody/totp"
	"linekeep/vault/secret"
)

const (
	chipDevice = "/dev/tpmrm0"
	settings   = `[site]
name = "The rig"
box  = "LK-RIG"
[data]
folder = "data"
[tpm]
policy = "policy.json"
[console]
address = "127.0.0.1:8443"
[control]
socket = "control.sock"
[[line]]
id       = "card"
label    = "Sound card"
driver   = "alsa"
device   = "hw:CARD=Loopback,DEV=1"
channels = [1]
[line.vox]
hold = "2s"
`
)

// box is a site with its daemon.
type box struct {
	t   *testing.T
	dir string
	log bytes.Buffer
}

// commission makes a site on the data disk: a policy signed for what this machine has measured, and for release as a
// vendor's is; a vault; and the hand-over to a first Controller, whose recovery code is left in a file.
func commission(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, dir: "/mnt/site"}
	if _, err := bench.Run("mount", "-t", "ext4", "/dev/sda", "/mnt"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := bench.Run("umount", "/mnt"); err != nil {
			t.Error(err)
		}
	})
	b.must(os.MkdirAll(b.dir, 0o700))
	b.write("linekeep.toml", []byte(settings))
	vendor, err := tpmdemo.NewVendor()
	b.must(err)
	approved, err := tpmdev.ReadPCRs(t.Context(), chipDevice, tpmdemo.PCRs())
	b.must(err)
	policy, err := tpmdemo.Sign(vendor, tpmdev.RefRelease, tpmdemo.PCRs(), approved)
	b.must(err)
	text, err := policy.Marshal()
	b.must(err)
	b.write("policy.json", text)
	b.handOver(policy)
	return b
}

func (b *box) handOver(policy tpmdev.Policy) {
	b.t.Helper()
	ctx := b.t.Context()
	cfg, err := config.Load(filepath.Join(b.dir, "linekeep.toml"))
	b.must(err)
	chip, err := tpmdev.Open(ctx, chipDevice, policy, tpmdev.RefRelease)
	b.must(err)
	defer chip.Close()
	b.must(vault.Create(ctx, cfg.Vault(), chip))
	v, err := vault.Open(ctx, cfg.Vault(), chip, slog.New(slog.NewTextHandler(b.t.Output(), nil)))
	b.must(err)
	people, err := v.People()
	b.must(err)
	const name = "Cara Controller"
	_, _, err = people.Add(ctx, nil, office.NewPerson{Name: name, Mail: "cara@example.org", Roles: book.Controller, Boss: "boss@example.org"})
	b.must(err)
	password, err := secret.PasswordFrom([]byte("a pass phrase for the rig"))
	b.must(err)
	factor := office.NewFactor()
	done, err := v.HandOver(ctx, office.Claim{Name: name, Password: password, Factor: factor, Proof: factor.Secret.Code(totp.StepAt(time.Now())), Address: "local"})
	b.must(err)
	b.write("code.txt", []byte(done.Code.Reveal()+"\n"))
	b.must(v.Close(ctx))
}

func (b *box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) write(name string, data []byte) {
	b.t.Helper()
	b.must(os.WriteFile(filepath.Join(b.dir, name), data, 0o600))
}

// start runs the daemon until the test ends, and waits until it records.
func (b *box) start() {
	b.t.Helper()
	cmd := exec.Command("linekeepd", "--config", filepath.Join(b.dir, "linekeep.toml"), "--log", "text")
	cmd.Stderr = &b.log
	b.must(cmd.Start())
	b.t.Cleanup(func() {
		b.must(cmd.Process.Signal(syscall.SIGTERM))
		if err := cmd.Wait(); err != nil || b.t.Failed() {
			b.t.Errorf("linekeepd ended: %v; it logged\n%s", err, b.log.String())
		}
	})
	b.await("Recording", "status")
}

// ctl asks the daemon.
func (b *box) ctl(args ...string) (string, error) {
	return bench.Run("linekeepctl", append([]string{"--socket", filepath.Join(b.dir, "control.sock")}, args...)...)
}

// await asks until the answer is as told, and gives the first group of it, or all.
func (b *box) await(pattern string, args ...string) string {
	b.t.Helper()
	like := regexp.MustCompile(pattern)
	var out string
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); <-time.After(200 * time.Millisecond) {
		out, _ = b.ctl(args...) // until the daemon is there, an error
		if m := like.FindStringSubmatch(out); m != nil {
			return m[len(m)-1]
		}
	}
	b.t.Fatalf("linekeepctl %v never said %q, but\n%s", args, pattern, out)
	return ""
}

func TestACallOnARealSoundCardIsRecordedFiledAndReadBack(t *testing.T) {
	if err := bench.LoadALSA(); err != nil {
		t.Fatal(err)
	}
	b := commission(t)
	b.start()
	said := speech(6 * rateHz)
	file := filepath.Join(t.TempDir(), "said.raw")
	if err := os.WriteFile(file, bytesOf(said), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (bench.Sound{RateHz: rateHz, Channels: 1}).Play(t.Context(), "plughw:Loopback,0,0", file); err != nil {
		t.Fatal(err)
	}
	id := b.await(`(?m)^(?:.*\s)?([0-9]+-[0-9]+)\s.*\bcard\b`, "calls")
	out := filepath.Join(t.TempDir(), "call.wav")
	if _, err := b.ctl("play", "--call", id, "--recovery-code", filepath.Join(b.dir, "code.txt"), "-o", out); err != nil {
		t.Fatal(err)
	}
	wav, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	heard, err := samplesOf(wav)
	if err != nil {
		t.Fatal(err)
	}
	// All but the ends, where the encoder fades in and the card may start in the midst of a period.
	like, at := likeness(heard, said[rateHz/2:len(said)-rateHz/2])
	t.Logf("%s: %.1f s, %.3f alike at %.2f s", id, float64(len(heard))/rateHz, like, float64(at)/rateHz)
	// Opus at 24 kbit/s gives 0.95 to 0.97 here. A starved machine's player stumbles now and then, and each stumble costs some
	// hundredths; another sound, or the two sides changed over, is below 0.2.
	if like < 0.85 {
		t.Errorf("what came out of the vault is only %.3f like what was played", like)
	}
	if report, err := b.ctl("check"); err != nil {
		t.Error(err)
	} else {
		fmt.Fprint(t.Output(), report)
	}
}
