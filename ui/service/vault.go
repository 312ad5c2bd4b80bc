package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"linekeep/audio/render"
	"linekeep/drivers/line"
	"linekeep/vault"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/number"
	"linekeep/vault/check"
	"linekeep/vault/custody"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

// Of is an open vault in the service's words. Decoders make WAV files.
func Of(v *vault.Vault, decoder func() (render.Decoder, error)) Vault { return opened{v, decoder} }

type opened struct {
	vault   *vault.Vault
	decoder func() (render.Decoder, error)
}

func (o opened) Find(ctx context.Context, q Query) (List, error) {
	cq, err := asked(q)
	if err != nil {
		return List{}, err
	}
	var rows []catalog.Row
	var partly error // part of the catalogue cannot be read; what can be is worth having
	err = o.do(ctx, machine(), entry.Search, nil, func() (err error) {
		rows, partly = o.vault.Find(ctx, cq)
		if errors.Is(partly, catalog.ErrQuery) {
			return fmt.Errorf("%w: %w", ErrBadQuestion, partly)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("look into the catalogue: %w", ctx.Err())
		}
		return nil
	}, audit.Say("terms", terms(q)))
	if err != nil {
		return List{}, err
	}
	l := List{Calls: make([]Call, 0, len(rows))}
	for i := range rows {
		l.Calls = append(l.Calls, call(&rows[i]))
	}
	if partly != nil {
		l.Incomplete = partly.Error()
	}
	return l, nil
}

// asked is the question in the catalogue's words.
func asked(q Query) (catalog.Query, error) {
	cq := catalog.Query{From: q.From, To: q.To, MinDuration: q.Shortest, MaxDuration: q.Longest, Answered: q.Answered, Silent: q.Silent,
		Withheld: q.Withheld, Tags: q.Tags, Cases: q.Cases, Limit: q.Limit}
	if q.Line != "" {
		cq.Lines = []string{q.Line}
	}
	if q.Class != "" {
		cq.Classes = []string{q.Class}
	}
	if q.Direction != "" {
		d, err := direction(q.Direction)
		if err != nil {
			return cq, err
		}
		cq.Direction = &d
	}
	var numbers []number.Pattern
	for part, texts := range [][]string{number.Whole: q.Numbers, number.Start: q.Starts, number.End: q.Ends} {
		for _, text := range texts {
			numbers = append(numbers, number.Pattern{Text: line.Number(text), Part: number.Part(part)})
		}
	}
	if !q.Person {
		cq.Numbers, cq.Extensions, cq.Words = numbers, q.Extensions, q.Name
		return cq, nil
	}
	who := catalog.Party{Numbers: numbers, Extensions: q.Extensions}
	if q.Name != "" {
		who.Names = []string{q.Name}
	}
	if len(numbers)+len(who.Extensions)+len(who.Names) == 0 {
		return cq, fmt.Errorf("%w: a person without a number, extension or name", ErrBadQuestion)
	}
	cq.Person = []catalog.Party{who}
	return cq, nil
}

func direction(name string) (line.Direction, error) {
	for _, d := range []line.Direction{line.Unknown, line.Incoming, line.Outgoing, line.Internal} {
		if d.String() == name {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%w: %q is not a direction: in, out, internal or unknown", ErrBadQuestion, name)
}

func call(r *catalog.Row) Call {
	c := Call{ID: r.ID.String(), Line: r.Line, Class: r.Class, Start: r.Start, Length: r.Duration, Direction: r.Direction.String(),
		Answered: r.Answered, Silent: r.Silent, Gaps: r.Gaps, Lost: r.GapTotal, Recovered: r.Recovered, Number: r.Plain.String()}
	if r.Plain == number.Withheld {
		c.Number = number.Withheld.Reveal()
	}
	for _, p := range r.Parties {
		c.Tracks = append(c.Tracks, p.String())
	}
	return c
}

func (o opened) Play(ctx context.Context, w io.Writer, p Playing) error {
	id, err := keys.ParseID(p.Call)
	if err != nil {
		return fmt.Errorf("%w: %q is not the id of a call", ErrBadQuestion, p.Call)
	}
	code, err := readCode(p.Code)
	if err != nil {
		// Which group is mistyped helps whoever types; the code itself is not in the error.
		err = fmt.Errorf("%w: %w", ErrWrongCode, err)
		return errors.Join(err, o.denied(ctx, machine(), ActPlay, id))
	}
	defer secret.Collect() // deferred first: the last thing, when nobody holds anything any more
	defer code.Wipe()
	r, err := o.vault.Play(ctx, id, code)
	switch {
	case errors.Is(err, vault.ErrWrongCode):
		return fmt.Errorf("%w: it does not open this vault", ErrWrongCode)
	case errors.Is(err, vault.ErrNotThere):
		return fmt.Errorf("%w: %s", ErrNoCall, id)
	case errors.Is(err, vault.ErrNotFiled):
		return fmt.Errorf("%w: %s is still going on, or being filed", ErrNoCall, id)
	case err != nil:
		return fmt.Errorf("open call %s: %w", id, err)
	}
	defer r.Close()
	return o.write(w, r, p)
}

// readCode reads what was typed as a recovery code; nothing is no code.
func readCode(typed secret.Password) (custody.Code, error) {
	if typed.IsZero() {
		return custody.ParseCode("")
	}
	return custody.ReadCode(typed)
}

func (o opened) write(w io.Writer, r *vault.Recording, p Playing) error {
	var tracks []render.Track
	for _, party := range r.Parties {
		if p.Party == "" || p.Party == party.String() {
			tracks = append(tracks, render.Track{Party: party, Segments: r.Track(party)})
		}
	}
	if len(tracks) == 0 {
		return fmt.Errorf("%w: call %s has no track of %q", ErrBadQuestion, r.ID, p.Party)
	}
	if p.Format == Ogg {
		return render.Ogg(w, r.Length, tracks)
	}
	return render.WAV(w, r.Length, o.decoder, tracks)
}

// Check reads the whole vault.
func (o opened) Check(ctx context.Context) (r check.Report, err error) {
	err = o.do(ctx, machine(), entry.Check, nil, func() (err error) { r, err = o.vault.Check(ctx); return err })
	return r, err
}

// machine is whoever is root on the box.
func machine() entry.Actor { return entry.Actor{Kind: entry.Machine} }

// do writes an act into the audit log and then does it; where it is refused or fails, a second entry says so.
func (o opened) do(ctx context.Context, who entry.Actor, what entry.Action, about []keys.ID, do func() error, details ...audit.Detail) error {
	return o.vault.Audit().Do(ctx, audit.Act{Who: who, What: what, About: about, Details: details}, do)
}

// done is an act that cannot fail once it is written down.
func done() error { return nil }

// terms are those of a search as the log keeps them, under seal.
func terms(q Query) string {
	text, err := json.Marshal(q)
	if err != nil {
		return err.Error() // unreachable: all of it can be written
	}
	return string(text)
}
