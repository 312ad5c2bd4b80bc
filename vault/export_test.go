package vault

import (
	"context"

	"linekeep/vault/catalog"
	"linekeep/vault/check"
	"linekeep/vault/keys"
)

// What tests outside see of a vault's inside.

func (v *Vault) Keys() *keys.Keys              { return v.keys }
func (v *Vault) Checked() *check.Vault         { return v.checked() }
func (v *Vault) Catalog() *catalog.Catalog     { return v.catalog }
func (v *Vault) ErasePass(ctx context.Context) { v.eraser.Pass(ctx) }

// Gone says that a recording is erased, or ordered to be.
func (v *Vault) Gone(id keys.ID) bool { return v.library.Gone(id) }

// Step has f told before each step of a month's going.
func (v *Vault) Step(f func(what string)) { v.step = f }

// SmallBlocks has so many loose rows become a block of the catalogue.
func SmallBlocks(c *Config, rows int) { c.blockRows = rows }
