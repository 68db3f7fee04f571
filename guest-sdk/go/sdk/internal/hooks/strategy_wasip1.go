//go:build migration_strategy

package hooks

import (
	"reeve/bindings/reeve_migration_strategy"
	"reeve/bindings/reeve_types_policy"
	"reeve/wit/types"
)

// What a strategy answers.
type (
	Objection = wit_types.Result[wit_types.Option[string], reeve_types_policy.Failure]
	Plan      = wit_types.Result[reeve_migration_strategy.MigrationPlan, reeve_types_policy.Failure]
	Step      = wit_types.Result[reeve_migration_strategy.Step, reeve_types_policy.Failure]
)

// The registered functions.
var (
	MigrationPrecheck func(Context, Domain, Journey) Objection
	MigrationPlan     func(Context, reeve_migration_strategy.Capabilities, reeve_migration_strategy.Limits, Journey) Plan
	MigrationStep     func(Context, reeve_migration_strategy.Progress) Step
)
