package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"linekeep/ui/service"
	"linekeep/vault/custody/list"
	"linekeep/vault/custody/office"
	"linekeep/vault/custody/totp"
	"linekeep/vault/secret"
)

const peopleUsage = `
  people list                who is in the book
  people factor -o FILE --name NAME
                             makes a second factor: scan it, print its codes, hand the file to claim, then delete it
  people add --as NAME --name NAME --role ROLE --boss MAIL [--mail MAIL]
                             enters somebody, and prints the slip for them (before hand-over: without --as, no slip)
  people claim --name NAME --slip FILE --new-password FILE --factor FILE --proof CODE
  people invite|reset|remove|forget|admit|end-delegation --as NAME --name NAME
  people delegate --as NAME --name NAME --until TIME
  people roles --as NAME --name NAME --role ROLE[,ROLE]
  people password --as NAME --again CODE --new-password FILE
  people new-code --as NAME --again CODE      a new recovery code, printed once
  people reclaim --name NAME --recovery-code FILE --new-password FILE --factor FILE --proof CODE
  people notices|acknowledge --as NAME [--id ID]
  handover --name NAME --new-password FILE --factor FILE --proof CODE
                             ends commissioning, erases the test calls, prints the recovery code once
                             --as takes --password FILE and --code CODE with it
`

// people does one thing about people.
func (p program) people(ctx context.Context, args []string) (err error) {
	if len(args) == 0 {
		return fmt.Errorf("%w: people needs to know what to do: %s", errUsage, strings.Join(service.PeopleOrders(), ", "))
	}
	if args[0] == "factor" {
		return p.factor(args[1:])
	}
	order := service.PeopleOrder{Do: args[0]}
	defer func() {
		for _, s := range []secret.Password{order.Password, order.Fresh, order.Slip, order.Factor, order.Recovery} {
			if !s.IsZero() {
				s.Wipe()
			}
		}
	}()
	f := newFlags("people " + args[0])
	text := map[string]*string{"as": &order.As, "code": &order.Code, "again": &order.Again, "name": &order.Name, "mail": &order.Mail,
		"role": &order.Role, "boss": &order.Boss, "id": &order.ID, "proof": &order.Proof}
	for name, into := range text {
		f.StringVar(into, name, "", "")
	}
	for name, into := range map[string]*secret.Password{"password": &order.Password, "new-password": &order.Fresh, "slip": &order.Slip} {
		f.Func(name, "", func(path string) (err error) { *into, err = secret.ReadFile(path); return err })
	}
	f.Func("recovery-code", "", func(path string) (err error) { order.Recovery, err = readCode(path); return err })
	f.Func("factor", "", func(path string) error { return readFactor(path, &order) })
	f.Func("until", "", func(s string) (err error) { order.Until, err = moment(s); return err })
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%w: people takes no %q", errUsage, f.Arg(0))
	}
	done, err := p.client.People(ctx, order)
	if err != nil {
		return err
	}
	if p.json {
		return p.sayJSON(done)
	}
	return p.table(func(w io.Writer) { sayPeople(w, done) })
}

// factorFile is a second factor between its making and the claim.
type factorFile struct {
	Telephone string   `json:"telephone"` // what it scans
	Secret    string   `json:"secret"`
	Printed   []string `json:"printed"`
}

// factor makes one.
func (p program) factor(args []string) error {
	f := newFlags("people factor")
	out, name := f.String("o", "", ""), f.String("name", "", "")
	if err := parse(f, args); err != nil {
		return err
	}
	if *out == "" || *name == "" || f.NArg() > 0 {
		return fmt.Errorf("%w: people factor needs -o FILE and --name NAME", errUsage)
	}
	made := office.NewFactor()
	defer made.Secret.Wipe()
	file := factorFile{Telephone: made.Secret.URI("Linekeep", *name)}
	made.Secret.Use(func(b []byte) { file.Secret = hex.EncodeToString(b) })
	for _, code := range made.Printed {
		file.Printed = append(file.Printed, totp.Show(code))
	}
	return save(*out, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(file)
	})
}

func readFactor(path string, order *service.PeopleOrder) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer clear(text)
	var file factorFile
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s is no second factor", path) // what stands in it is not repeated
	}
	order.Printed = file.Printed
	order.Factor, err = secret.PasswordFrom([]byte(file.Secret))
	return err
}

func sayPeople(w io.Writer, done service.PeopleDone) {
	if len(done.People) > 0 {
		fmt.Fprintln(w, "ID\tNAME\tROLES\tACCOUNT\tCUSTODY KEY\tGRANTS")
	}
	for _, l := range done.People {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\n", l.ID, l.Name, l.Roles, account(l), holds(l), l.Grants)
	}
	for _, n := range done.Notices {
		fmt.Fprintf(w, "%s\t%s\t%s: %s, by %s\n", n.ID, day(n.At), n.About, n.What, n.By)
	}
	if done.Slip != "" {
		fmt.Fprintf(w, "Slip, good once and for a week:\t%s\n", done.Slip)
	}
	if done.Recovery != "" {
		fmt.Fprintf(w, "Recovery code, shown this once:\t%s\n", done.Recovery)
	}
	if done.Fingerprint != "" {
		fmt.Fprintf(w, "Fingerprint of the custody key:\t%s\n", done.Fingerprint)
	}
}

func account(l list.Person) string {
	switch {
	case !l.Left.IsZero():
		return "removed " + day(l.Left)
	case l.Claimed:
		return "password of " + day(l.Password)
	case !l.Invited.IsZero():
		return "may be claimed until " + day(l.Invited)
	}
	return "not claimed"
}

func holds(l list.Person) string {
	switch {
	case l.Holds && !l.Until.IsZero():
		return "until " + l.Until.Local().Format("2 January 2006, 15:04")
	case l.Holds:
		return "yes"
	}
	return "no"
}

func day(t time.Time) string { return t.Local().Format("2 January 2006") }
