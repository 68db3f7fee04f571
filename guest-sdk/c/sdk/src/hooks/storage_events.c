/* The export of the hook `storage-events`. */
#include "../wasm/glue.h"

_Static_assert(
    REEVE_VOLUME_WRITTEN == EXPORTS_REEVE_HOOKS_STORAGE_EVENTS_STORAGE_CHANGE_VOLUME_WRITTEN,
    "the changes are in the contract's order"
);

bool exports_reeve_hooks_storage_events_notify(
    exports_reeve_hooks_storage_events_context_t *context,
    exports_reeve_hooks_storage_events_storage_event_t *event,
    exports_reeve_hooks_storage_events_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_storage_event told = {
        .uuid = from_string(event->uuid),
        .name = from_string(event->name),
        .change = (reeve_storage_change)event->change,
        .detail = from_string(event->detail),
    };
    return reeve_give_reply(storage_events(&ctx, &told), NULL, failure);
}
