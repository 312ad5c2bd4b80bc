package vault

import (
	"path/filepath"

	"linekeep/vault/settings"
)

const (
	settingsDir   = "settings"
	outerSettings = "settings"
)

// Settings is where the box keeps small secrets of its own, under the vault key: one folder for all who use it, so that they take turns.
func (v *Vault) Settings() (*settings.Folder, error) { return v.settings, nil }

func (v *Vault) openSettings() (err error) {
	v.settings, err = settings.Open(filepath.Join(v.cfg.Dir, settingsDir), v.keys.VaultID(), v.keys.Outer(outerSettings))
	return err
}
