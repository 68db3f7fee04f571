/* The export of the hook `network-events`. */
#include "../wasm/glue.h"

_Static_assert(
    REEVE_NETWORK_FILTER_CHANGED == EXPORTS_REEVE_HOOKS_NETWORK_EVENTS_CHANGE_FILTER_CHANGED,
    "the changes are in the contract's order"
);

bool exports_reeve_hooks_network_events_notify(
    exports_reeve_hooks_network_events_context_t *context,
    exports_reeve_hooks_network_events_network_event_t *event,
    exports_reeve_hooks_network_events_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_network_event told = {
        .uuid = from_string(event->uuid),
        .name = from_string(event->name),
        .change = (reeve_network_change)event->change,
        .detail = from_string(event->detail),
    };
    return reeve_give_reply(network_events(&ctx, &told), NULL, failure);
}
