//go:build migrate_in

// Package export_reeve_hooks_migrate_in is the export of the hook migrate-in.
package export_reeve_hooks_migrate_in

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, domain hooks.Domain, journey hooks.Journey) hooks.Decision {
	if hooks.MigrateIn == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("migrate-in", "OnMigrateIn")
	}
	return hooks.MigrateIn(ctx, domain, journey)
}
