package epoch

import (
	"bytes"
	"errors"
	"fmt"

	"linekeep/vault/keys/root"
)

// checkBackup sees to it that the key backup is of the root in force, or that there is none.
func (r *Root) checkBackup() {
	if r.noBackup || r.contents.Recovery == nil {
		r.backup = BackupState{Off: true}
		r.Note(r.files.Remove(root.BackupName))
		return
	}
	_, findings, err := r.files.Read(root.BackupName, r.isBackup)
	if err != nil {
		err = r.writeBackup()
	} else {
		r.Note(findings...)
	}
	if r.backup = (BackupState{At: r.contents.Written, Err: err}); err == nil {
		r.backedUp = r.id
	}
}

func (r *Root) writeBackup() error {
	file, err := root.SealBackup(r.file, r.lock.key, r.contents)
	if err != nil {
		return err
	}
	if err := r.files.Write(root.BackupName, file); err != nil {
		return fmt.Errorf("write key backup: %w", err)
	}
	return nil
}

// isBackup says whether file is a backup of the root in force.
func (r *Root) isBackup(file []byte) error {
	b, err := root.ParseBackup(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(b.Root, r.file) {
		return fmt.Errorf("it is of %s and not of the root in force", b.Front().ID.FileName())
	}
	return nil
}

// Verify reads both copies of the root and of its backup, and mends one from the other. Those who write wait meanwhile.
func (r *Root) Verify() {
	r.mu.Lock()
	closed, backup := r.closed, r.backup
	r.mu.Unlock()
	if closed {
		return
	}
	_, findings, err := r.files.Read(r.id.FileName(), func(file []byte) error {
		if !bytes.Equal(file, r.file) {
			return errors.New("not the root that was opened")
		}
		return nil
	})
	r.Note(findings...)
	if err != nil {
		r.Note(err, r.files.Write(r.id.FileName(), r.file)) // both copies are gone, but the memory has it
	}
	if backup.Off || backup.Err != nil {
		return
	}
	_, findings, err = r.files.Read(root.BackupName, r.isBackup)
	r.Note(findings...)
	if err != nil {
		err = fmt.Errorf("key backup: %w", err)
		r.Note(err)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.backup.Err, r.backedUp = err, root.ID{} // the next root that is written brings another
	}
}

// Settled says whether unfinished files of attempts may go: as long as the backup may be of one, it would not open without them.
func (r *Root) Settled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.backup.Off || r.backedUp == r.id
}
