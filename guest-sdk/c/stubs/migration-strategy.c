/* How a migration begins: within the operator's limits, compressed where both hosts can. */
reeve_reply migration_plan(
    const reeve_context *ctx, const reeve_capabilities *offered, const reeve_migration_limits *limits, const reeve_journey *journey,
    reeve_migration_plan *plan
) {
    (void)ctx, (void)limits, (void)journey;
    plan->compress = offered->compression;
    return reeve_done();
}

/* What comes after a round: the end, as soon as the rest fits into the time that the guest may stand still. */
reeve_reply migration_step(const reeve_context *ctx, const reeve_progress *now, reeve_step *step) {
    (void)ctx;
    if (now->round_count > 0) {
        const reeve_round *round = &now->rounds[now->round_count - 1];
        if (round->expected_downtime_us <= round->max_downtime_us) {
            *step = reeve_step_stop_and_copy();
        }
    }
    return reeve_done();
}
