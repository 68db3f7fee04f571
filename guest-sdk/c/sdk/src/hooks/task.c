/* The export of the hook `task`. */
#include "../wasm/event.h"

bool exports_reeve_hooks_task_run(
    exports_reeve_hooks_task_context_t *context,
    exports_reeve_hooks_task_occasion_t *occasion,
    bindings_string_t *summary,
    exports_reeve_hooks_task_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_occasion why = {.kind = (reeve_occasion_kind)occasion->tag};
    switch (why.kind) {
    case REEVE_OCCASION_MANUAL:
        why.arguments = reeve_from_strings(occasion->val.manual);
        break;
    case REEVE_OCCASION_SCHEDULE:
        why.due = occasion->val.schedule.due;
        why.catch_up = occasion->val.schedule.catch_up;
        break;
    case REEVE_OCCASION_DOMAIN:
        why.domain = reeve_from_event(&occasion->val.domain);
        break;
    case REEVE_OCCASION_DAEMON:
        why.daemon = (reeve_daemon_change)occasion->val.daemon;
        break;
    }
    return reeve_give_reply(task(&ctx, &why), summary, failure);
}
