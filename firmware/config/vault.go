package config

import (
	"path/filepath"

	"linekeep/vault"
)

// Vault is the vault that the settings speak of.
func (c Config) Vault() vault.Config {
	v := vault.Defaults(filepath.Join(c.Data.Folder, "vault"))
	v.Classes, v.Numbers = c.Data.Classes, c.Site.Numbers
	v.Retention.Periods = c.Data.Keep
	return v
}
