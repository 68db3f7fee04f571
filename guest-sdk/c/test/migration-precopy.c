// The example `migration-precopy`, natively.
#include "reeve/fake.h"

static reeve_migration_plan plan(const char *config) {
    reeve_context ctx = reeve_fake_context(config);
    reeve_capabilities offered = {.streams = 1};
    reeve_migration_limits limits = {.max_downtime_us = 300000, .max_rounds = 100};
    reeve_journey journey = {.id = REEVE_TEXT("test")};
    reeve_migration_plan plan = {.max_downtime_us = limits.max_downtime_us, .streams = 1};
    REEVE_CHECK(!migration_plan(&ctx, &offered, &limits, &journey, &plan).failed);
    return plan;
}

static reeve_step_kind after(const char *config, const uint64_t *dirty, size_t count) {
    reeve_context ctx = reeve_fake_context(config);
    reeve_round rounds[3] = {0};
    for (size_t i = 0; i < count; i++) {
        rounds[i] = (reeve_round){
            .number = (uint32_t)i + 1, .dirty_pages = dirty[i], .expected_downtime_us = dirty[i] * 100, .max_downtime_us = 50000
        };
    }
    reeve_progress now = {.rounds = rounds, .round_count = count};
    reeve_step step = reeve_step_continue();
    REEVE_CHECK(!migration_step(&ctx, &now, &step).failed);
    return step.kind;
}

int main(void) {
    REEVE_CHECK(plan("{}").max_downtime_us == 300000);
    REEVE_CHECK(plan("{\"downtime-ms\": 5000}").max_downtime_us == 300000);
    REEVE_CHECK(plan("{\"downtime-ms\": 50, \"compress\": true}").max_downtime_us == 50000);
    REEVE_CHECK(!plan("{\"compress\": true}").compress);

    const uint64_t good[] = {5000, 500}, stuck[] = {5000, 5000, 5000};
    REEVE_CHECK(after("{}", NULL, 0) == REEVE_STEP_CONTINUE);
    REEVE_CHECK(after("{}", good, 1) == REEVE_STEP_CONTINUE);
    REEVE_CHECK(after("{}", good, 2) == REEVE_STEP_STOP_AND_COPY);
    REEVE_CHECK(after("{}", stuck, 3) == REEVE_STEP_CONTINUE);
    REEVE_CHECK(after("{\"give-up-after\": 3}", stuck, 3) == REEVE_STEP_CONTINUE);
    REEVE_CHECK(after("{\"give-up-after\": 2}", stuck, 3) == REEVE_STEP_ABORT);
    return 0;
}
