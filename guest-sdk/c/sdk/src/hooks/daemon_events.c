/* The export of the hook `daemon-events`. */
#include "../wasm/event.h"

bool exports_reeve_hooks_daemon_events_notify(
    exports_reeve_hooks_daemon_events_context_t *context,
    exports_reeve_hooks_daemon_events_daemon_change_t change,
    exports_reeve_hooks_daemon_events_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    return reeve_give_reply(daemon_events(&ctx, (reeve_daemon_change)change), NULL, failure);
}
