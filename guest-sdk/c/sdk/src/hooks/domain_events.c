/* The export of the hook `domain-events`. */
#include "../wasm/event.h"

bool exports_reeve_hooks_domain_events_notify(
    exports_reeve_hooks_domain_events_context_t *context,
    exports_reeve_hooks_domain_events_domain_event_t *event,
    exports_reeve_hooks_domain_events_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_domain_event told = reeve_from_event(event);
    return reeve_give_reply(domain_events(&ctx, &told), NULL, failure);
}
