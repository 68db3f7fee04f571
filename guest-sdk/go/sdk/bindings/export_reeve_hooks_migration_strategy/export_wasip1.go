//go:build migration_strategy

// Package export_reeve_hooks_migration_strategy is the export of the hook migration-strategy.
package export_reeve_hooks_migration_strategy

import (
	"reeve/bindings/reeve_migration_strategy"
	"reeve/internal/hooks"
	"reeve/wit/types"
)

const hook, register = "migration-strategy", "OnMigrationStrategy"

// Precheck is called by the host.
func Precheck(ctx hooks.Context, domain hooks.Domain, journey hooks.Journey) hooks.Objection {
	if hooks.MigrationPrecheck == nil {
		return hooks.Missing[wit_types.Option[string]](hook, register)
	}
	return hooks.MigrationPrecheck(ctx, domain, journey)
}

// Plan is called by the host.
func Plan(
	ctx hooks.Context, offered reeve_migration_strategy.Capabilities, limits reeve_migration_strategy.Limits, journey hooks.Journey,
) hooks.Plan {
	if hooks.MigrationPlan == nil {
		return hooks.Missing[reeve_migration_strategy.MigrationPlan](hook, register)
	}
	return hooks.MigrationPlan(ctx, offered, limits, journey)
}

// NextStep is called by the host.
func NextStep(ctx hooks.Context, now reeve_migration_strategy.Progress) hooks.Step {
	if hooks.MigrationStep == nil {
		return hooks.Missing[reeve_migration_strategy.Step](hook, register)
	}
	return hooks.MigrationStep(ctx, now)
}
