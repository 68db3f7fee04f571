/* The exports of the hook `migration-strategy`. */
#include "../wasm/journey.h"

_Static_assert(REEVE_STEP_ABORT == REEVE_MIGRATION_STRATEGY_STEP_ABORT, "the steps are in the contract's order");

/* What a policy says that leaves a function out. */
__attribute__((weak)) reeve_answer
migration_precheck(const reeve_context *ctx, reeve_domain domain, const reeve_journey *journey) {
    (void)ctx, (void)domain, (void)journey;
    return reeve_allow();
}

__attribute__((weak)) reeve_reply migration_plan(
    const reeve_context *ctx, const reeve_capabilities *offered, const reeve_migration_limits *limits, const reeve_journey *journey,
    reeve_migration_plan *plan
) {
    (void)ctx, (void)offered, (void)limits, (void)journey, (void)plan;
    return reeve_done();
}

static reeve_capabilities from_capabilities(const reeve_migration_strategy_capabilities_t *offered) {
    return (reeve_capabilities){
        .compression = offered->compression, .streams = offered->streams, .post_copy = offered->post_copy
    };
}

static reeve_migration_limits from_limits(const reeve_migration_strategy_limits_t *limits) {
    return (reeve_migration_limits){
        .max_downtime_us = limits->max_downtime_us,
        .bandwidth = {limits->bandwidth.is_some, limits->bandwidth.is_some ? limits->bandwidth.val : 0},
        .max_throttle = limits->max_throttle,
        .max_rounds = limits->max_rounds,
    };
}

static reeve_round from_round(const reeve_migration_strategy_round_t *round) {
    return (reeve_round){
        .number = round->number,
        .elapsed_us = round->elapsed_us,
        .duration_us = round->duration_us,
        .pages = round->pages,
        .zero_pages = round->zero_pages,
        .sent = round->sent,
        .dirty_pages = round->dirty_pages,
        .bandwidth = round->bandwidth,
        .expected_downtime_us = round->expected_downtime_us,
        .max_downtime_us = round->max_downtime_us,
        .throttle = round->throttle,
        .compressed = round->compressed,
        .streams = round->streams,
    };
}

bool exports_reeve_hooks_migration_strategy_precheck(
    exports_reeve_hooks_migration_strategy_context_t *context,
    exports_reeve_hooks_migration_strategy_borrow_domain_config_t domain,
    exports_reeve_hooks_migration_strategy_journey_t *journey,
    bindings_option_string_t *objection,
    exports_reeve_hooks_migration_strategy_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_journey way = reeve_from_journey(journey);
    reeve_answer answer = migration_precheck(&ctx, from_borrow(domain), &way);
    if (answer.kind == REEVE_REWRITE) {
        answer = reeve_fail("a strategy looks at a domain before it moves and does not change it");
    }
    reeve_types_policy_verdict_t given;
    if (!reeve_give_answer(answer, &given, failure)) {
        return false;
    }
    objection->is_some = given.tag == REEVE_TYPES_POLICY_VERDICT_DENY;
    if (objection->is_some) {
        objection->val = given.val.deny;
    }
    return true;
}

bool exports_reeve_hooks_migration_strategy_plan(
    exports_reeve_hooks_migration_strategy_context_t *context,
    exports_reeve_hooks_migration_strategy_capabilities_t *offered,
    exports_reeve_hooks_migration_strategy_limits_t *limits,
    exports_reeve_hooks_migration_strategy_journey_t *journey,
    exports_reeve_hooks_migration_strategy_migration_plan_t *out,
    exports_reeve_hooks_migration_strategy_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_capabilities both = from_capabilities(offered);
    reeve_migration_limits allowed = from_limits(limits);
    reeve_journey way = reeve_from_journey(journey);
    reeve_migration_plan plan = {.max_downtime_us = allowed.max_downtime_us, .streams = 1};
    reeve_reply reply = migration_plan(&ctx, &both, &allowed, &way, &plan);
    out->max_downtime_us = plan.max_downtime_us;
    out->compress = plan.compress;
    out->streams = plan.streams;
    return reeve_give_reply(reply, NULL, failure);
}

bool exports_reeve_hooks_migration_strategy_next_step(
    exports_reeve_hooks_migration_strategy_context_t *context,
    exports_reeve_hooks_migration_strategy_progress_t *now,
    exports_reeve_hooks_migration_strategy_step_t *out,
    exports_reeve_hooks_migration_strategy_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_round *rounds = reeve_allocate(now->rounds.len, sizeof(reeve_round));
    for (size_t i = 0; i < now->rounds.len; i++) {
        rounds[i] = from_round(&now->rounds.ptr[i]);
    }
    reeve_progress progress = {
        .capabilities = from_capabilities(&now->capabilities),
        .limits = from_limits(&now->limits),
        .rounds = rounds,
        .round_count = now->rounds.len,
    };
    reeve_step step = reeve_step_continue();
    reeve_reply reply = migration_step(&ctx, &progress, &step);
    out->tag = (uint8_t)step.kind;
    switch (step.kind) {
    case REEVE_STEP_THROTTLE:
        out->val.throttle = (uint8_t)step.number;
        break;
    case REEVE_STEP_SET_MAX_DOWNTIME:
        out->val.set_max_downtime = step.number;
        break;
    case REEVE_STEP_ADD_STREAMS:
        out->val.add_streams = (uint16_t)step.number;
        break;
    case REEVE_STEP_ABORT:
        out->val.abort = to_string(step.text);
        break;
    case REEVE_STEP_CONTINUE:
    case REEVE_STEP_COMPRESS:
    case REEVE_STEP_SWITCH_TO_POST_COPY:
    case REEVE_STEP_STOP_AND_COPY:
        break;
    }
    return reeve_give_reply(reply, NULL, failure);
}
