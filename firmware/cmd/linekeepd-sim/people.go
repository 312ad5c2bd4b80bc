package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/firmware/config"
	"linekeep/vault"
	"linekeep/vault/custody"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/office"
	"linekeep/vault/custody/totp"
	"linekeep/vault/secret"
)

func codeFile(site string) string       { return filepath.Join(site, "recovery-code.txt") }
func controllerFile(site string) string { return filepath.Join(site, "controller.json") }

// demoController is everything the demo's Controller has: on a real box the one is in their head, the other on their
// telephone, and the third on paper.
type demoController struct {
	Remark    string   `json:"remark"`
	Name      string   `json:"name"`
	Password  string   `json:"password"`
	Telephone string   `json:"telephone"` // what it would scan
	Secret    string   `json:"secret"`    // the same, as 20 bytes in hex
	Printed   []uint32 `json:"printed"`
}

// demoStaff are entered by name, as an Installer would. They have no accounts until the Controller gives them slips.
func demoStaff() []office.NewPerson {
	const boss = "boss@example.com"
	return []office.NewPerson{
		{Name: "Cara Controller", Mail: "cara@example.com", Roles: book.Controller, Boss: boss},
		{Name: "Dana Director", Mail: "dana@example.com", Roles: book.Director, Boss: boss},
		{Name: "Sam Staff", Mail: "sam@example.com", Roles: book.Staff, Boss: boss},
	}
}

// makeVault makes the vault at the first start and hands it over to the demo's Controller. What a start cut short has left
// is finished.
func makeVault(ctx context.Context, o options, cfg config.Config, chip tpm.Chip) (err error) {
	vc := cfg.Vault()
	if !vault.Exists(vc.Dir) {
		if err := vault.Create(ctx, vc, chip); err != nil {
			return err
		}
	}
	if _, err := os.Stat(codeFile(o.site)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	who, err := readController(controllerFile(o.site), filepath.Base(o.site))
	if err != nil {
		return err
	}
	v, err := vault.Open(ctx, vc, chip, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	code, err := handOver(ctx, v, who)
	if err = errors.Join(err, v.Close(ctx)); err != nil {
		return fmt.Errorf("hand over the demo site: %w", err)
	}
	defer code.Wipe()
	text := fmt.Sprintf("# Opens every recording of this demo site. A real box prints its code once, and keeps none.\n%s\n", code.Reveal())
	return write(codeFile(o.site), []byte(text))
}

// handOver gives the recovery code: of the hand-over, or of one that a start cut short has left unwritten.
func handOver(ctx context.Context, v *vault.Vault, who demoController) (custody.Code, error) {
	people, err := v.People()
	if err != nil {
		return custody.Code{}, err
	}
	password := func() (secret.Password, error) { return secret.PasswordFrom([]byte(who.Password)) }
	if !v.Status().People.Commissioning {
		return newCode(ctx, v, who, password)
	}
	for _, p := range demoStaff() {
		if _, err := people.Find(p.Name); err == nil {
			continue
		}
		if _, _, err := people.Add(ctx, nil, p); err != nil {
			return custody.Code{}, err
		}
	}
	raw, err := hex.DecodeString(who.Secret)
	if err != nil {
		return custody.Code{}, fmt.Errorf("the Controller's second factor: %w", err)
	}
	factor, err := totp.From(raw)
	if err != nil {
		return custody.Code{}, err
	}
	typed, err := password()
	if err != nil {
		return custody.Code{}, err
	}
	defer typed.Wipe()
	done, err := v.HandOver(ctx, office.Claim{Name: who.Name, Password: typed, Address: "local",
		Factor: office.Factor{Secret: factor, Printed: who.Printed}, Proof: factor.Code(totp.StepAt(time.Now()))})
	return done.Code, err
}

// newCode has the Controller make a recovery code, since nobody was shown the first.
func newCode(ctx context.Context, v *vault.Vault, who demoController, password func() (secret.Password, error)) (custody.Code, error) {
	people, err := v.People()
	if err != nil {
		return custody.Code{}, err
	}
	typed, err := password()
	if err != nil {
		return custody.Code{}, err
	}
	defer typed.Wipe()
	if len(who.Printed) < 2 {
		return custody.Code{}, errors.New("the Controller has no printed codes")
	}
	s, err := v.SignIn(ctx, office.Attempt{Name: who.Name, Password: typed, Code: totp.Show(who.Printed[0]), Address: "local"})
	if err != nil {
		return custody.Code{}, err
	}
	defer s.End()
	return people.NewRecoveryCode(ctx, s, typed, totp.Show(who.Printed[1]))
}

// readController reads the Controller's file, and makes it at the first start.
func readController(path, box string) (who demoController, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &who)
		return who, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return who, fmt.Errorf("read the demo's Controller: %w", err)
	}
	f := office.NewFactor()
	var shared string
	f.Secret.Use(func(b []byte) { shared = hex.EncodeToString(b) })
	who = demoController{Remark: "A demo only: on a real box nothing of this is on a disk.", Name: demoStaff()[0].Name, Password: "a demo's pass phrase, not a secret",
		Telephone: f.Secret.URI(box, demoStaff()[0].Name), Secret: shared, Printed: f.Printed}
	if text, err = json.MarshalIndent(who, "", "  "); err != nil {
		return who, err
	}
	return who, write(path, append(text, '\n'))
}

// write makes a file that is there whole before the next step depends on it.
func write(path string, text []byte) (err error) {
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}
