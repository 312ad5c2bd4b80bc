package vault

import (
	"path/filepath"

	"linekeep/vault/settings"
)

const (
	settingsDir   = "settings"
	outerSettings = "settings"
)

// Settings is where the box keeps small secrets of its own, under the vault key.
func (v *Vault) Settings() (*settings.Folder, error) {
	return settings.Open(filepath.Join(v.cfg.Dir, settingsDir), v.keys.VaultID(), v.keys.Outer(outerSettings))
}
