//go:build migration_strategy

package reeve

import (
	"reeve/bindings/reeve_migration_strategy"
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// OnMigrationStrategy answers the hook migration-strategy: how a live migration goes. Only policies whose manifest names the hook have it.
func OnMigrationStrategy(strategy Strategy) {
	hooks.MigrationPrecheck = func(ctx hooks.Context, config hooks.Domain, way hooks.Journey) hooks.Objection {
		defer config.Drop()
		objection := wit_types.None[string]()
		if strategy.Precheck != nil {
			reason, err := strategy.Precheck(context(ctx), &Domain{config}, journey(way))
			if err != nil {
				return wit_types.Err[wit_types.Option[string], reeve_types_policy.Failure](failure(err))
			}
			if reason != "" {
				objection = wit_types.Some(reason)
			}
		}
		return wit_types.Ok[wit_types.Option[string], reeve_types_policy.Failure](objection)
	}
	hooks.MigrationPlan = func(
		ctx hooks.Context, offered reeve_migration_strategy.Capabilities, allowed reeve_migration_strategy.Limits, way hooks.Journey,
	) hooks.Plan {
		plan := MigrationPlan{MaxDowntimeUs: allowed.MaxDowntimeUs, Streams: 1}
		if strategy.Plan != nil {
			given, err := strategy.Plan(context(ctx), capabilities(offered), migrationLimits(allowed), journey(way))
			if err != nil {
				return wit_types.Err[reeve_migration_strategy.MigrationPlan, reeve_types_policy.Failure](failure(err))
			}
			plan = given
		}
		return wit_types.Ok[reeve_migration_strategy.MigrationPlan, reeve_types_policy.Failure](reeve_migration_strategy.MigrationPlan{
			MaxDowntimeUs: plan.MaxDowntimeUs,
			Compress:      plan.Compress,
			Streams:       plan.Streams,
		})
	}
	if strategy.NextStep == nil {
		return
	}
	hooks.MigrationStep = func(ctx hooks.Context, now reeve_migration_strategy.Progress) hooks.Step {
		given, err := strategy.NextStep(context(ctx), Progress{
			capabilities(now.Capabilities), migrationLimits(now.Limits), each(now.Rounds, round),
		})
		if err != nil {
			return wit_types.Err[reeve_migration_strategy.Step, reeve_types_policy.Failure](failure(err))
		}
		return wit_types.Ok[reeve_migration_strategy.Step, reeve_types_policy.Failure](step(given))
	}
}

func capabilities(from reeve_migration_strategy.Capabilities) Capabilities {
	return Capabilities{from.Compression, from.Streams, from.PostCopy}
}

func migrationLimits(from reeve_migration_strategy.Limits) MigrationLimits {
	return MigrationLimits{from.MaxDowntimeUs, optional(from.Bandwidth), from.MaxThrottle, from.MaxRounds}
}

func round(from reeve_migration_strategy.Round) Round {
	return Round{
		Number:             from.Number,
		ElapsedUs:          from.ElapsedUs,
		DurationUs:         from.DurationUs,
		Pages:              from.Pages,
		ZeroPages:          from.ZeroPages,
		Sent:               from.Sent,
		DirtyPages:         from.DirtyPages,
		Bandwidth:          from.Bandwidth,
		ExpectedDowntimeUs: from.ExpectedDowntimeUs,
		MaxDowntimeUs:      from.MaxDowntimeUs,
		Throttle:           from.Throttle,
		Compressed:         from.Compressed,
		Streams:            from.Streams,
	}
}

func step(from Step) reeve_migration_strategy.Step {
	switch step := from.(type) {
	case NextRound:
		return reeve_migration_strategy.MakeStepContinue()
	case Throttle:
		return reeve_migration_strategy.MakeStepThrottle(uint8(step))
	case SetMaxDowntime:
		return reeve_migration_strategy.MakeStepSetMaxDowntime(uint64(step))
	case Compress:
		return reeve_migration_strategy.MakeStepCompress()
	case AddStreams:
		return reeve_migration_strategy.MakeStepAddStreams(uint16(step))
	case SwitchToPostCopy:
		return reeve_migration_strategy.MakeStepSwitchToPostCopy()
	case StopAndCopy:
		return reeve_migration_strategy.MakeStepStopAndCopy()
	case Abort:
		return reeve_migration_strategy.MakeStepAbort(string(step))
	}
	panic("a step is one of the types of this package")
}
