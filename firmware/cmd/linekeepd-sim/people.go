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

func codeFile(site string) string   { return filepath.Join(site, "recovery-code.txt") }
func peopleFile(site string) string { return filepath.Join(site, "people.json") }

// demoPerson is somebody of the demo with all they have: on a real box the password is in their head, the second factor on
// their telephone, and the codes on paper.
type demoPerson struct {
	Name      string   `json:"name"`
	Mail      string   `json:"mail"`
	Role      string   `json:"role"`
	Password  string   `json:"password"`
	Telephone string   `json:"telephone"` // what it would scan
	Secret    string   `json:"secret"`    // the same, as 20 bytes in hex
	Printed   []string `json:"printed"`   // as they stand on the sheet; the box knows which were used
}

// cast is who works at the demo's office. The first is the Controller whom the box is handed over to.
func cast() []demoPerson {
	return []demoPerson{
		{Name: "Cara Controller", Mail: "cara@example.com", Role: "controller"},
		{Name: "Cole Controller", Mail: "cole@example.com", Role: "controller"},
		{Name: "Dana Director", Mail: "dana@example.com", Role: "director"},
		{Name: "Sam Staff", Mail: "sam@example.com", Role: "staff"},
	}
}

const boss = "boss@example.com"

// makeVault makes the vault at the first start and hands it over to the demo's Controller. What a start cut short has left
// is finished.
func makeVault(ctx context.Context, o options, cfg config.Config, open func(context.Context) (tpm.Chip, error)) (err error) {
	if _, err := os.Stat(codeFile(o.site)); !errors.Is(err, fs.ErrNotExist) {
		return err // made and handed over, so it may start without its chip
	}
	chip, err := open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chip.Close()) }()
	vc := cfg.Vault()
	if !vault.Exists(vc.Dir) {
		if err := vault.Create(ctx, vc, chip); err != nil {
			return err
		}
	}
	people, err := readPeople(peopleFile(o.site), filepath.Base(o.site))
	if err != nil {
		return err
	}
	v, err := vault.Open(ctx, vc, chip, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	code, err := handOver(ctx, v, people)
	if err = errors.Join(err, v.Close(ctx)); err != nil {
		return fmt.Errorf("hand over the demo site: %w", err)
	}
	defer code.Wipe()
	text := fmt.Sprintf("# Opens every recording of this demo site. A real box prints its code once, and keeps none.\n%s\n", code.Reveal())
	return write(codeFile(o.site), []byte(text))
}

// handOver hands the box over to the first of them and lets the others in. It gives the recovery code: of the hand-over, or,
// where a start cut short has left that unwritten, a new one.
func handOver(ctx context.Context, v *vault.Vault, people []demoPerson) (code custody.Code, err error) {
	o, err := v.People()
	if err != nil {
		return code, err
	}
	first := people[0]
	fresh := v.Status().People.Commissioning
	if fresh {
		if _, err := o.Find(first.Name); errors.Is(err, office.ErrNoPerson) {
			if _, _, err := o.Add(ctx, nil, first.entry()); err != nil {
				return code, err
			}
		}
		claim, err := first.claim("")
		if err != nil {
			return code, err
		}
		defer claim.Password.Wipe()
		done, err := v.HandOver(ctx, claim)
		if err != nil {
			return code, err
		}
		code = done.Code
	}
	password, err := first.password()
	if err != nil {
		return code, err
	}
	defer password.Wipe()
	// The last two codes of the sheet: whoever tries the demo begins with the first.
	n := len(first.Printed)
	s, err := v.SignIn(ctx, office.Attempt{Name: first.Name, Password: password, Code: first.Printed[n-1], Address: "local"})
	if err != nil {
		return code, err
	}
	defer s.End()
	for _, p := range people[1:] {
		if err := letIn(ctx, o, s, p); err != nil {
			return code, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if fresh {
		return code, nil
	}
	return o.NewRecoveryCode(ctx, s, password, first.Printed[n-2])
}

// letIn enters somebody and claims their account for them.
func letIn(ctx context.Context, o *office.Office, by *office.Session, p demoPerson) error {
	if _, err := o.Find(p.Name); err == nil {
		return nil // at an earlier start
	}
	id, slip, err := o.Add(ctx, by, p.entry())
	if err != nil {
		return err
	}
	claim, err := p.claim(slip.Reveal())
	if err != nil {
		return err
	}
	defer claim.Password.Wipe()
	if err := o.Claim(ctx, claim); err != nil {
		return err
	}
	if p.entry().Roles.Has(book.Controller) {
		return o.Admit(ctx, by, id)
	}
	return nil
}

func (p demoPerson) entry() office.NewPerson {
	roles, err := book.ParseRoles(p.Role)
	if err != nil {
		roles = 0 // and is refused as such
	}
	return office.NewPerson{Name: p.Name, Mail: p.Mail, Roles: roles, Boss: boss}
}

func (p demoPerson) password() (secret.Password, error) {
	return secret.PasswordFrom([]byte(p.Password))
}

func (p demoPerson) claim(slip string) (office.Claim, error) {
	raw, err := hex.DecodeString(p.Secret)
	if err != nil {
		return office.Claim{}, fmt.Errorf("the second factor of %s: %w", p.Name, err)
	}
	defer clear(raw)
	f := office.Factor{}
	if f.Secret, err = totp.From(raw); err != nil {
		return office.Claim{}, err
	}
	if f.Printed, err = totp.Read(p.Printed); err != nil {
		return office.Claim{}, err
	}
	password, err := p.password()
	return office.Claim{Name: p.Name, Slip: slip, Password: password, Factor: f, Proof: f.Secret.Code(totp.StepAt(time.Now())), Address: "local"}, err
}

// readPeople reads the people's file, and makes it at the first start.
func readPeople(path, box string) (people []demoPerson, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		if err = json.Unmarshal(text, &people); err == nil && len(people) == 0 {
			err = errors.New("nobody is in it")
		}
		if err != nil {
			return nil, fmt.Errorf("read the demo's people: %w", err)
		}
		return people, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the demo's people: %w", err)
	}
	people = cast()
	for i := range people {
		f := office.NewFactor()
		people[i].Password = "a demo's pass phrase, no secret"
		people[i].Telephone = f.Secret.URI(box, people[i].Name)
		f.Secret.Use(func(b []byte) { people[i].Secret = hex.EncodeToString(b) })
		for _, code := range f.Printed {
			people[i].Printed = append(people[i].Printed, totp.Show(code))
		}
	}
	if text, err = json.MarshalIndent(people, "", "  "); err != nil {
		return nil, fmt.Errorf("write the demo's people: %w", err)
	}
	return people, write(path, append(text, '\n'))
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
