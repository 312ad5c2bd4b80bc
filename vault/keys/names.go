package keys

import (
	"time"

	"linekeep/vault/keys/epoch"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
)

// The names of things in shards are used wherever keys are; package shard has them.
type (
	// ID names a recording, or another thing that can be erased, for ever.
	ID = shard.ID
	// Month is a calendar month in UTC, "2026-11".
	Month = shard.Month
	// ShardInfo is what a shard is for.
	ShardInfo = shard.Info
	// Mark is the high-water mark of a shard: Next is the first slot never handed out.
	Mark = root.Mark
	// BackupState is how the key backup stands. Whoever watches the box's health shows it.
	BackupState = epoch.BackupState
	// Wear is how much the chip's counter was moved, which wears it.
	Wear = epoch.Wear
)

const (
	// IDSize is the length of an ID on disk, in bytes.
	IDSize = shard.IDSize
	// MaxClass is the longest name of a retention class, in bytes.
	MaxClass = shard.MaxClass
	// SlotsPerShard is how many slot keys a shard is filled with.
	SlotsPerShard = shard.Slots
	// VaultIDSize is the length of a vault's id, in bytes.
	VaultIDSize = root.VaultIDSize
	// Office is the class of accounts, people, cases and grants. Its slots are handed out of the newest shard that has
	// room, whatever its month, and their marks stand in the root: they need no journal.
	Office = "office"
	// FirstDegraded is the lowest shard number of vaults that were begun while the chip was away. Each begins
	// somewhere at random above it, so that its ids are its own when it is merged into the main one.
	FirstDegraded = root.FirstDegraded
)

// Errors of the root; package epoch has them.
var (
	// ErrAltered reports a key file that is not as it was written.
	ErrAltered = epoch.ErrAltered
	// ErrOlder reports that every root here is older than the TPM. It is a tpm.ErrRefused.
	ErrOlder = epoch.ErrOlder
	// ErrOtherChip reports roots of another chip than the one that is there. It is a tpm.ErrRefused.
	ErrOtherChip = epoch.ErrOtherChip
	// ErrNoVault reports a folder in which no keys were ever made.
	ErrNoVault = epoch.ErrNoVault
	// ErrUnfinished reports a commit that waits for the chip; Commit finishes it.
	ErrUnfinished = epoch.ErrUnfinished
	// ErrRecoverySet reports that there is a recovery key already: another one takes a commit.
	ErrRecoverySet = epoch.ErrRecoverySet
	// ErrNoBackup reports that there is no key backup to recover from.
	ErrNoBackup = epoch.ErrNoBackup
	// ErrWrongKey reports a recovery key that is not the one the backup was made for.
	ErrWrongKey = epoch.ErrWrongKey
	// ErrClosed reports a use after Close.
	ErrClosed = epoch.ErrClosed
)

// ParseID reads what ID.String writes, and no other spelling of it.
func ParseID(s string) (ID, error) { return shard.ParseID(s) }

// IDFrom reads what ID.Append wrote; b must be exactly IDSize bytes.
func IDFrom(b []byte) (ID, error) { return shard.IDFrom(b) }

// ValidClass says whether a retention class can stand in a file name.
func ValidClass(class string) error { return shard.ValidClass(class) }

// Slot is a slot's key and what is derived of it. Whoever erases the slot erases all of that.
type Slot struct {
	ID  ID
	key Key
}

// Scratch is a slot of no vault, with a key of its own that ends with the process: for what stays in memory.
func Scratch(id ID) Slot { return Slot{ID: id, key: NewKey()} }

// Meta seals what is known about the thing: numbers, names, times, manifest, notes.
func (s Slot) Meta() Key { return s.key.Derive("slot meta") }

// Audit seals the details of audit entries about the thing.
func (s Slot) Audit() Key { return s.key.Derive("slot audit") }

// Wrap seals the recording's data key, which is under the custody key already.
func (s Slot) Wrap() Key { return s.key.Derive("slot wrap") }

// Wipe overwrites the slot's key in memory. Keys derived before have to be wiped on their own.
func (s Slot) Wipe() { s.key.Wipe() }

// MonthOf is the month that t lies in.
func MonthOf(t time.Time) Month { return shard.MonthOf(t) }
