// Command linekeepctl asks the daemon how the box is, has its vault checked, and for now copies calls out of it.
//
//	In:    a command line; the daemon's unix socket, or with --offline a vault that no daemon has open
//	Out:   text, or JSON with --json; a copy of a call as a file of mode 0600; an exit status (below)
//	Owner: one request at a time; interrupt ends it
//	Full:  a copy is streamed; nothing is kept in memory but one page of it
//
// Exit status:
//
//	0  done; status: the box records; check: everything is as it was written
//	1  something else went wrong, and it says what
//	2  the command line, or the settings file, is wrong
//	3  status: the box does not record, or not all of it; check: something is missing, extra or altered;
//	   erase: ordered, and not erased yet
//	4  no daemon answers, or, offline, the vault cannot be opened
//	5  there is no such call
//	6  the recovery code is wrong, or mistyped
//	7  the certificate proves nothing
//	8  somebody must sign in, or their name, password or code is wrong
//	9  the daemon records, but its vault is locked: nothing can be found, heard, erased or checked in it
//	10 recover: the box keeps no key backup, or only one that is older than the vault
//	11 recover: the security chip has an owner already
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"linekeep/drivers/tpm"
	"linekeep/firmware/confine"
	"linekeep/ui/control"
	"linekeep/ui/service"
	"linekeep/vault"
	"linekeep/vault/custody"
)

const (
	exitDone = iota
	exitFailed
	exitUsage
	exitNotWell
	exitNoDaemon
	exitNoCall
	exitWrongCode
	exitNotProved
	exitSignIn
	exitLocked
	exitNoBackup
	exitOwned
)

const usage = `usage: linekeepctl [--socket PATH] [--json] COMMAND

  status                     is it recording? lines, alarms, totals of the day
  lines                      each line, with its levels
  calls [--line ID] [--from TIME] [--to TIME] [--direction in|out] [--shortest 90s] [--limit N]
                             what the vault holds, newest first
  search CRITERIA            finds calls by number, name and more: below
  play --call ID --recovery-code FILE -o OUT.ogg|OUT.wav [--party office|caller]
                             copies a call out of the vault
  check                      reads the whole vault: missing, extra, altered
  scrub [--wait]             reads the rest of this month's share of the vault now; it goes on by itself every night
  scrub --status             how far that is, when all was last read, and what was found
  scrub --deep --as NAME     opens every recording with the key of a Controller, who signs in for it
  keys                       epoch, commits, what is to be erased, key backup, fingerprints
  erase --call ID [--call ID] --as NAME [--why order|objection|mistake] [-o FILE]
                             erases calls for good, and prints the certificate. A Controller signs in for it: password and
                             code are asked for, or read from --password FILE and --code FILE, which nobody else may read
  hold set --call ID [--call ID] --reason TEXT --as NAME [--until TIME] [--restrict]
                             keeps calls from expiring; with --restrict nobody finds or plays them either
  hold end ID --as NAME      ends that; what is past its time stays for a week more
  hold list                  all holds and restrictions
  retention                  what expires when, and what waits for a Controller
  retention consent TOKEN --as NAME
                             lets more than half expire at once, where that is asked for
  retention trust-clock --as NAME
                             says that the box's date is right, where the retention clock is behind it
  certificate verify FILE    what a certificate of erasure proves; asks nobody

  press                      presses the button of a box that only simulates one

  linekeepctl --offline --config FILE check
                             the same on a vault that no daemon has open
  linekeepctl --offline --config FILE recover --recovery-code FILE
                             opens the key backup on a new security chip
`

// errNotWell makes status and check end with exitNotWell after they said everything.
var errNotWell = errors.New("not all is well")

// errUsage marks a command line that makes no sense.
var errUsage = errors.New("wrong command line")

// program is one run of linekeepctl.
type program struct {
	out    io.Writer
	client *control.Client
	json   bool
	config string // of --offline
}

func main() {
	_ = confine.Apply() // codes and passwords pass through; what could not be had the daemon alarms of
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, errNotWell) {
		fmt.Fprintln(os.Stderr, "linekeepctl:", err)
	}
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, "\n"+usage+auditUsage+searchUsage+peopleUsage)
	}
	os.Exit(exitStatus(err))
}

// exitStatus is the table of the package comment.
func exitStatus(err error) int {
	for _, c := range []struct {
		err    error
		status int
	}{
		{nil, exitDone},
		{errUsage, exitUsage},
		{errNotWell, exitNotWell},
		{control.ErrNoDaemon, exitNoDaemon},
		{service.ErrNoCall, exitNoCall},
		{service.ErrWrongCode, exitWrongCode},
		{custody.ErrMistyped, exitWrongCode},
		{vault.ErrWrongCode, exitWrongCode},
		{service.ErrVaultLocked, exitLocked},
		{vault.ErrNoBackup, exitNoBackup},
		{vault.ErrOldBackup, exitNoBackup},
		{tpm.ErrOwned, exitOwned},
		{service.ErrBadQuestion, exitUsage},
		{errNotProved, exitNotProved},
		{service.ErrSignIn, exitSignIn},
		{errNoVault, exitNoDaemon},
	} {
		if errors.Is(err, c.err) {
			return c.status
		}
	}
	return exitFailed
}

func run(ctx context.Context, args []string, out io.Writer) error {
	p := program{out: out}
	flags := newFlags("linekeepctl")
	socket := flags.String("socket", "/run/linekeep/control.sock", "")
	offline := flags.Bool("offline", false, "")
	flags.StringVar(&p.config, "config", "/etc/linekeep/linekeep.toml", "")
	flags.BoolVar(&p.json, "json", false, "")
	if err := parse(flags, args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage+auditUsage+searchUsage+peopleUsage)
			return nil
		}
		return err
	}
	if flags.NArg() == 0 {
		return fmt.Errorf("%w: no command", errUsage)
	}
	name, rest := flags.Arg(0), flags.Args()[1:]
	if *offline {
		switch name {
		case "check":
			return p.offlineCheck(ctx, rest)
		case "audit":
			return p.offlineAudit(ctx, rest)
		case "recover":
			return p.recover(ctx, rest)
		}
		return fmt.Errorf("%w: only check, audit verify and recover work offline", errUsage)
	}
	if name == "certificate" {
		return p.certificate(rest)
	}
	p.client = control.NewClient(*socket)
	defer p.client.Close()
	return p.ask(ctx, name, rest)
}

// ask is a command for the daemon.
func (p program) ask(ctx context.Context, name string, rest []string) error {
	switch name {
	case "status":
		return p.status(ctx, rest)
	case "lines":
		return p.lines(ctx, rest)
	case "keys":
		return p.keys(ctx, rest)
	case "erase":
		return p.erase(ctx, rest)
	case "hold":
		return p.hold(ctx, rest)
	case "retention":
		return p.retention(ctx, rest)
	case "people":
		return p.people(ctx, rest)
	case "handover":
		return p.people(ctx, append([]string{"hand-over"}, rest...))
	case "calls":
		return p.calls(ctx, rest)
	case "search":
		return p.search(ctx, rest)
	case "play":
		return p.play(ctx, rest)
	case "check":
		return p.check(ctx, rest)
	case "scrub":
		return p.scrub(ctx, rest)
	case "audit":
		return p.audit(ctx, rest)
	case "checkpoint":
		return p.checkpoint(ctx, rest)
	case "press":
		if err := alone("press", rest); err != nil {
			return err
		}
		return p.client.Press(ctx)
	case "recover":
		return fmt.Errorf("%w: recover works with --offline, while no daemon has the vault open", errUsage)
	}
	return fmt.Errorf("%w: there is no command %q", errUsage, name)
}

// newFlags makes a set that leaves speaking to us.
func newFlags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

func parse(f *flag.FlagSet, args []string) error {
	err := f.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}

// alone reads the flags of a command that takes nothing else.
func alone(name string, args []string) error {
	f := newFlags(name)
	if err := parse(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%w: %s takes no %q", errUsage, name, f.Arg(0))
	}
	return nil
}
