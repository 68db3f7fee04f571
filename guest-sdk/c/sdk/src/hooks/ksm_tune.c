/* The export of the hook `ksm-tune`. */
#include "../wasm/glue.h"

bool exports_reeve_tune_ksm_tune_tick(
    exports_reeve_tune_ksm_tune_context_t *context,
    exports_reeve_tune_ksm_tune_snapshot_t *now,
    exports_reeve_tune_ksm_tune_list_adjustment_t *out,
    exports_reeve_tune_ksm_tune_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_ksm_snapshot snapshot = {
        .memory = reeve_from_memory(&now->memory),
        .ksm = reeve_from_ksm(&now->ksm),
        .committed = now->committed,
        .active_domains = now->active_domains,
        .wake = (reeve_wake)now->wake,
    };
    reeve_adjustments adjustments = {.count = 0};
    reeve_reply reply = ksm_tune(&ctx, &snapshot, &adjustments);
    out->len = adjustments.count;
    out->ptr = reeve_allocate(adjustments.count, sizeof(*out->ptr));
    for (size_t i = 0; i < adjustments.count; i++) {
        const reeve_adjustment *adjustment = &adjustments.items[i];
        out->ptr[i].tag = (uint8_t)adjustment->kind;
        switch (adjustment->kind) {
        case REEVE_ADJUST_RUN:
            out->ptr[i].val.run = (uint8_t)adjustment->value;
            break;
        case REEVE_ADJUST_PAGES_TO_SCAN:
            out->ptr[i].val.pages_to_scan = adjustment->value;
            break;
        case REEVE_ADJUST_SLEEP_MILLISECS:
            out->ptr[i].val.sleep_millisecs = adjustment->value;
            break;
        }
    }
    return reeve_give_reply(reply, NULL, failure);
}
