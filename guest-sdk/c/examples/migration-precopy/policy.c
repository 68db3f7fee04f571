/* Rounds of memory until the rest fits into the time that the guest may stand still: the same policy as scripts/migration-precopy. */
#include "reeve.h"

/* What the operator may set. */
typedef struct settings {
    /* Milliseconds that a guest may stand still; none is the operator's limit. */
    reeve_optional_number downtime_ms;
    /* Whether pages are compressed where both hosts can. */
    bool compress;
    /* Rounds in a row without progress after which the guest stays; 0 is never. */
    uint64_t give_up_after;
} settings;

static const reeve_key keys[] = {
    REEVE_OPTIONAL_NUMBER(settings, downtime_ms, "downtime-ms"),
    REEVE_BOOL(settings, compress, "compress"),
    REEVE_NUMBER(settings, give_up_after, "give-up-after"),
};

reeve_reply migration_plan(
    const reeve_context *ctx, const reeve_capabilities *offered, const reeve_migration_limits *limits, const reeve_journey *journey,
    reeve_migration_plan *plan
) {
    (void)journey;
    settings settings = {0};
    reeve_error error;
    if (!REEVE_CONFIG(ctx, keys, &settings, &error)) {
        return reeve_failed_with(error);
    }
    if (settings.downtime_ms.some && settings.downtime_ms.value < limits->max_downtime_us / 1000) {
        plan->max_downtime_us = settings.downtime_ms.value * 1000;
    }
    plan->compress = settings.compress && offered->compression;
    return reeve_done();
}

/* Less than a tenth fewer pages is no progress. */
static bool progressed(const reeve_round *before, const reeve_round *after) {
    return after->dirty_pages < before->dirty_pages - before->dirty_pages / 10;
}

reeve_reply migration_step(const reeve_context *ctx, const reeve_progress *now, reeve_step *step) {
    settings settings = {0};
    reeve_error error;
    if (!REEVE_CONFIG(ctx, keys, &settings, &error)) {
        return reeve_failed_with(error);
    }
    if (now->round_count == 0) {
        return reeve_done();
    }
    size_t last = now->round_count - 1, stalled = 0;
    if (now->rounds[last].expected_downtime_us <= now->rounds[last].max_downtime_us) {
        *step = reeve_step_stop_and_copy();
        return reeve_done();
    }
    while (stalled < last && !progressed(&now->rounds[last - stalled - 1], &now->rounds[last - stalled])) {
        stalled++;
    }
    if (settings.give_up_after > 0 && stalled >= settings.give_up_after) {
        *step = reeve_step_abort(
            reeve_format("%u rounds brought nothing: the guest writes as fast as it is sent", (unsigned)stalled)
        );
    }
    return reeve_done();
}
