/* The export of the hook `volume-create`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_volume_create_guard(
    exports_reeve_hooks_volume_create_context_t *context,
    exports_reeve_hooks_volume_create_pool_t *pool,
    exports_reeve_hooks_volume_create_volume_plan_t *plan,
    exports_reeve_hooks_volume_create_volume_verdict_t *verdict,
    exports_reeve_hooks_volume_create_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_pool of = reeve_from_pool(pool);
    reeve_volume_plan wanted = {
        .name = from_string(plan->name),
        .capacity = FROM_OPTIONAL(plan->capacity),
        .allocation = FROM_OPTIONAL(plan->allocation),
        .format = from_option(plan->format),
        .backing = from_option(plan->backing),
        .has_source = plan->source.is_some,
        .xml = from_string(plan->xml),
    };
    if (plan->source.is_some) {
        wanted.source = reeve_from_volume(&plan->source.val);
    }
    reeve_volume_changes changes = {0};
    reeve_answer answer = volume_create(&ctx, &of, &wanted, &changes);
    if (answer.kind == REEVE_REWRITE) {
        answer = reeve_fail("a new volume is changed through `changes`, not by a rewrite of domains");
    }
    reeve_types_policy_verdict_t given;
    if (!reeve_give_answer(answer, &given, failure)) {
        return false;
    }
    bool changed = reeve_is_some(changes.name) || changes.capacity.is_some || changes.allocation.is_some;
    if (given.tag == REEVE_TYPES_POLICY_VERDICT_DENY) {
        verdict->tag = EXPORTS_REEVE_HOOKS_VOLUME_CREATE_VOLUME_VERDICT_DENY;
        verdict->val.deny = given.val.deny;
    } else if (!changed) {
        verdict->tag = EXPORTS_REEVE_HOOKS_VOLUME_CREATE_VOLUME_VERDICT_ALLOW;
    } else {
        verdict->tag = EXPORTS_REEVE_HOOKS_VOLUME_CREATE_VOLUME_VERDICT_REWRITE;
        verdict->val.rewrite = (exports_reeve_hooks_volume_create_volume_changes_t){
            .name = {.is_some = reeve_is_some(changes.name), .val = to_string(changes.name)},
            .capacity = {.is_some = changes.capacity.is_some, .val = changes.capacity.value},
            .allocation = {.is_some = changes.allocation.is_some, .val = changes.allocation.value},
        };
    }
    return true;
}
