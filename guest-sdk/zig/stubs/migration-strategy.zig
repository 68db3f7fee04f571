/// How a migration begins: within the operator's limits, compressed where both hosts can.
pub fn migrationPlan(
    _: reeve.Context,
    offered: reeve.migration.Capabilities,
    limits: reeve.migration.Limits,
    _: reeve.migration.Journey,
) !reeve.migration.Plan {
    return .{ .max_downtime_us = limits.max_downtime_us, .compress = offered.compression };
}

/// What comes after a round: the end, as soon as the rest fits into the time that the guest may stand still.
pub fn migrationStep(_: reeve.Context, now: reeve.migration.Progress) !reeve.migration.Step {
    if (now.rounds.len == 0) return .@"continue";
    const round = now.rounds[now.rounds.len - 1];
    return if (round.expected_downtime_us <= round.max_downtime_us) .stop_and_copy else .@"continue";
}
