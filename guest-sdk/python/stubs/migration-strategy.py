def migration_plan(
    ctx: reeve.Context, offered: migration.Capabilities, limits: migration.Limits, journey: reeve.Journey
) -> migration.MigrationPlan:
    """How a migration begins: within the operator's limits, compressed where both hosts can."""
    return migration.MigrationPlan(limits.max_downtime_us, compress=offered.compression, streams=1)


def migration_step(ctx: reeve.Context, now: migration.Progress) -> migration.Step:
    """What comes after a round: the end, as soon as the rest fits into the time that the guest may stand still."""
    if now.rounds and now.rounds[-1].expected_downtime_us <= now.rounds[-1].max_downtime_us:
        return migration.stop_and_copy()
    return migration.go_on()
