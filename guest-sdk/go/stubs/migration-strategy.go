// How a migration goes: within the operator's limits, compressed where both hosts can, and to the end as soon as the rest fits into the
// time that the guest may stand still.
func init() {
	reeve.OnMigrationStrategy(reeve.Strategy{
		Plan: func(
			ctx reeve.Context, offered reeve.Capabilities, limits reeve.MigrationLimits, journey reeve.Journey,
		) (reeve.MigrationPlan, error) {
			return reeve.MigrationPlan{MaxDowntimeUs: limits.MaxDowntimeUs, Compress: offered.Compression, Streams: 1}, nil
		},
		NextStep: func(ctx reeve.Context, now reeve.Progress) (reeve.Step, error) {
			if count := len(now.Rounds); count > 0 {
				if round := now.Rounds[count-1]; round.ExpectedDowntimeUs <= round.MaxDowntimeUs {
					return reeve.StopAndCopy{}, nil
				}
			}
			return reeve.NextRound{}, nil
		},
	})
}
