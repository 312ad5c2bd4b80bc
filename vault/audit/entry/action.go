package entry

import (
	"fmt"
	"strings"
)

// Action is what was done. The numbers are written to disk, and none is ever used for something else.
type Action uint16

// The acts. What each of them is stands in the table below, and in ACTIONS.md, which is made from it.
const (
	BoxStart      Action = 1
	BoxStop       Action = 2
	Degraded      Action = 3
	LogLoss       Action = 4
	Recovered     Action = 5
	SettingChange Action = 6
	Unclean       Action = 7
	DegradedEnd   Action = 8

	SignIn    Action = 16
	SignOut   Action = 17
	SignAgain Action = 18

	PersonAdd        Action = 32
	PersonInvite     Action = 33
	PersonClaim      Action = 34
	PersonReset      Action = 35
	PersonRemove     Action = 36
	PersonForget     Action = 37
	PersonRoles      Action = 38
	PersonAdmit      Action = 39
	PersonDelegate   Action = 40
	PersonUndelegate Action = 41
	PasswordChange   Action = 42
	NewCode          Action = 43
	Reclaim          Action = 44
	NoticeSeen       Action = 45
	HandOver         Action = 46
	PeopleList       Action = 47
	NoticesList      Action = 48

	GrantOrder Action = 64
	GrantMake  Action = 65
	GrantEnd   Action = 66
	CaseOpen   Action = 67
	CaseClose  Action = 68
	HoldSet    Action = 69
	HoldEnd    Action = 70
	Restrict   Action = 71
	Unrestrict Action = 72
	Register   Action = 73

	Search   Action = 96
	View     Action = 97
	Hear     Action = 98
	BreakIn  Action = 99
	HearTest Action = 100
	Export   Action = 101
	Annotate Action = 102

	EraseOrder Action = 128
	Erase      Action = 129
	Expire     Action = 130

	Filed       Action = 144
	Check       Action = 145
	LogRead     Action = 146
	Checkpoint  Action = 147
	Certificate Action = 148
	KeysShown   Action = 149
	Denied      Action = 150

	RetentionShown Action = 151
	Consent        Action = 152
)

// row is an act as the documentation has it.
type row struct {
	action Action
	name   string
	what   string
	about  string // what its ids and hashes are
	sealed string // what its details tell
}

// table is all of them, in the order of their numbers.
var table = [...]row{ //nolint:gochecknoglobals // nothing changes it; a function would make it anew for each entry that is read
	{BoxStart, "box.start", "the vault was opened and records", "", "version of the program"},
	{BoxStop, "box.stop", "the vault is closed in good order", "", ""},
	{Degraded, "box.degraded", "the box recorded beside a vault that did not open; written when it opens again, with what was refused meanwhile, before anything is merged", "", "from when, why"},
	{LogLoss, "log.loss", "part of this log is lost, and it goes on without; what is known of the lost part", "hash: root of the tree that was promised", "size and root that were promised, and found"},
	{Recovered, "box.recovered", "the keys were recovered with the recovery code, for another chip or another state of it", "", ""},
	{SettingChange, "setting.change", "a setting of the box was changed", "", "which, from what, to what"},
	{Unclean, "box.unclean", "the box was not stopped in good order before this start: the power went, it crashed, or it was killed", "", "how many recordings were cut off and are closed by recovery, half-written bytes cut off, what is damaged"},
	{DegradedEnd, "box.degraded-end", "what was recorded beside the vault is in it", "", "until when, whether it ended in good order, recordings merged, left out, cut off, unreadable"},
	{SignIn, "session.begin", "somebody signs in", "the person, once known", "the name as typed where it is nobody's, the address"},
	{SignOut, "session.end", "a session ends: signed out, idle, or ended by an act of somebody else's", "the person", "why"},
	{SignAgain, "session.again", "somebody proves anew who they are, for one act", "the person", "the act"},
	{PersonAdd, "person.add", "a person is entered", "", "name, roles"},
	{PersonInvite, "person.invite", "a slip is made that an account can be claimed with", "the person", ""},
	{PersonClaim, "person.claim", "an account is claimed with a slip", "the person", "address"},
	{PersonReset, "person.reset", "an account is reset; whoever did it can act as its owner until it is claimed", "the person", ""},
	{PersonRemove, "person.remove", "a person is removed, and their keys erased", "the person", ""},
	{PersonForget, "person.forget", "what is known of a person who left is erased", "the person", ""},
	{PersonRoles, "person.roles", "a person's roles are changed", "the person", "roles"},
	{PersonAdmit, "person.admit", "the custody key is wrapped to a Controller", "the person", ""},
	{PersonDelegate, "person.delegate", "a Controller's powers are delegated for a time", "the person", "until when"},
	{PersonUndelegate, "person.undelegate", "a delegation is ended", "the person", ""},
	{PasswordChange, "password.change", "a person changes their password", "the person", ""},
	{NewCode, "recovery.new", "a new recovery code, and so a new custody key, is made", "", ""},
	{Reclaim, "recovery.reclaim", "an account is claimed with the recovery code", "the person", "address"},
	{NoticeSeen, "notice.seen", "a Director acknowledges a notice", "the notice", ""},
	{HandOver, "box.handover", "commissioning ends: its test calls and its key are erased", "", "fingerprint of the custody key"},
	{PeopleList, "people.list", "the list of people is shown", "", ""},
	{NoticesList, "notices.list", "the notices for Directors are shown", "", ""},
	{GrantOrder, "grant.sign", "a grant is signed", "the grant", "for whom, what, until when"},
	{GrantMake, "grant.make", "a grant's keys are wrapped to its holder", "the grant", ""},
	{GrantEnd, "grant.end", "a grant is ended", "the grant", ""},
	{CaseOpen, "case.open", "a case is opened", "", "kind, scope, purpose"},
	{CaseClose, "case.close", "a case is closed", "", "outcome"},
	{HoldSet, "hold.set", "calls are kept beyond their time", "the calls", "reason"},
	{HoldEnd, "hold.end", "a hold ends", "the calls", "reason"},
	{Restrict, "restriction.set", "calls are hidden from search and play", "the calls", "reason"},
	{Unrestrict, "restriction.end", "a restriction ends", "the calls", "reason"},
	{Register, "register.change", "the register changes in another way", "hash: the register's transaction", ""},
	{Search, "call.search", "calls are looked for", "", "the terms"},
	{View, "call.view", "what is known of a call is shown", "the calls", ""},
	{Hear, "call.hear", "a call is heard by a session that holds the custody key, or a grant", "the call", "which tracks"},
	{BreakIn, "call.breakglass", "a call is heard with the recovery code: break-glass", "the call", "which tracks"},
	{HearTest, "call.hear-test", "a test call is heard during commissioning", "the call", ""},
	{Export, "call.export", "copies leave the box", "the calls; hash: the pack's manifest", "for whom, why"},
	{Annotate, "call.note", "a note or tag is put to a call", "the call", "the note"},
	{EraseOrder, "erase.order", "calls are ordered to be erased", "the calls", "the reason"},
	{Erase, "erase.done", "calls are erased: the chip's counter has moved", "the calls; hash: the entry in the list of erasures", ""},
	{Expire, "retention.expire", "calls have been kept as long as they may be, and are ordered to be erased", "the calls", ""},
	{Filed, "call.filed", "calls have ended and can be found", "the calls; for each the hash of its closing manifest", ""},
	{Check, "vault.check", "everything in the vault is read again and compared", "", ""},
	{LogRead, "log.read", "this log is read or verified", "", "which part"},
	{Checkpoint, "log.checkpoint", "a signed checkpoint of this log is given out", "", ""},
	{Certificate, "erase.certificate", "a certificate of erasure is given out", "the call", ""},
	{KeysShown, "keys.show", "the state of the keys is shown, without any of them", "", ""},
	{Denied, "denied", "somebody asks for what the permission table does not allow them, brings a recovery code that is none, or asks while the vault is locked", "the call, where it is one", "the act; of a locked vault also why, how often, first and last"},
	{RetentionShown, "retention.show", "holds, and what expires when, are shown", "", ""},
	{Consent, "retention.consent", "a Controller lets more than half of the recordings expire at once", "the calls", "by whom"},
}

// Actions are all acts, by their numbers.
func Actions() []Action {
	all := make([]Action, len(table))
	for i := range table {
		all[i] = table[i].action
	}
	return all
}

func (a Action) String() string {
	for i := range table {
		if table[i].action == a {
			return table[i].name
		}
	}
	return fmt.Sprintf("action %d", uint16(a))
}

// Known says whether the act stands in the table.
func (a Action) Known() bool { return !strings.HasPrefix(a.String(), "action ") }

// Document renders the table, as it stands in ACTIONS.md.
func Document() string {
	var b strings.Builder
	b.WriteString("# What the audit log tells\n\nMade from the table in action.go by its test; do not edit. Each act is written here before it is done. " +
		"A second entry follows where\nit was refused or failed.\n\n| no. | act | what happens | ids and hashes in clear | sealed details |\n|---|---|---|---|---|\n")
	for _, r := range table {
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s | %s |\n", r.action, r.name, r.what, r.about, r.sealed)
	}
	return b.String()
}
