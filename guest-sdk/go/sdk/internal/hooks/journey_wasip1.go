//go:build migrate_out || migrate_in || migration_strategy

package hooks

import "reeve/bindings/reeve_migration_journey"

// Journey is the contract's shape.
type Journey = reeve_migration_journey.Journey

// The registered functions.
var (
	MigrateOut func(Context, Domain, Journey) Decision
	MigrateIn  func(Context, Domain, Journey) Decision
)
