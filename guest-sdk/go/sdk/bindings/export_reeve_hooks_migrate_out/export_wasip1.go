//go:build migrate_out

// Package export_reeve_hooks_migrate_out is the export of the hook migrate-out.
package export_reeve_hooks_migrate_out

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, domain hooks.Domain, journey hooks.Journey) hooks.Decision {
	if hooks.MigrateOut == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("migrate-out", "OnMigrateOut")
	}
	return hooks.MigrateOut(ctx, domain, journey)
}
